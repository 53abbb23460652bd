#include "daemon/front/confine.h"
#include "common/aws_profile.h"
#include "common/fs.h"
#include "daemon/front/config.h"

#include <string.h>

/* An empty folder, for a folder that is not there cannot be allowed, and will be missed when it comes. */
static void make_folder(const char *home, const char *path) {
        if (access(home, W_OK) == 0 && access(path, F_OK) < 0)
                /* else it stays away: the user's business, and said when something in it is to be read */
                (void)fd_close(fs_open_private_dir(path, /* create= */ true));
}

/* One that is named later, in another folder, needs a restart; mfad-fetch says so. */
static void allow_certificates(struct sandbox *s, const struct config *config,
                               const char *const private[]) {
        _cleanup_(aws_config_freep) struct aws_config *aws = NULL;
        struct aws_config_error error = {0};
        const char *last = "";

        if (*config->ca_bundle)
                sandbox_allow_file(s, config->ca_bundle, private);
        /* what is wrong with the files will be told by profiles.h, which reads them next */
        if (aws_config_load(config->aws_config_file, config->aws_credentials_file,
                            /* with_keys= */ false, &aws, &error) < 0)
                return;
        for (size_t i = 0; i < aws_config_n_profiles(aws); i++) {
                const char *path = aws_config_at(aws, i)->ca_bundle;

                if (*path && strcmp(path, last) != 0) /* mostly all have the same */
                        sandbox_allow_file(s, path, private);
                last = path;
        }
}

struct sandbox confine_enter(const struct fs_places *places, const struct config *config) {
        const char *const private[] = {places->home, places->data, places->runtime, NULL};
        char path[PATH_LEN_MAX];
        struct sandbox s;

        sandbox_open(SANDBOX_FRONT, &s);
        if (s.is_inherited)
                return s;
        if (fs_join(path, sizeof(path), places->home, ".aws") >= 0)
                make_folder(places->home, path);
        make_folder(places->home, places->config);

        sandbox_allow_system(&s);
        sandbox_allow_lookups(&s);
        sandbox_allow(&s, path, SANDBOX_READ);
        sandbox_allow(&s, places->config, SANDBOX_READ);
        sandbox_allow_file(&s, config->aws_config_file, private);
        sandbox_allow_file(&s, config->aws_credentials_file, private);
        allow_certificates(&s, config, private);
        sandbox_allow(&s, places->runtime, SANDBOX_WRITE);
        sandbox_allow_self(&s, private);
        sandbox_allow_sibling(&s, "mfad-fetch", private);
        sandbox_enter(&s);
        return s;
}
