#include "daemon/front/profiles.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/config.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_AGAIN_USEC USEC_PER_SEC /* a lookup must not cost two stat(2) each */

struct file_state { /* two equal ones: nobody has written in between */
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec mtime;
};

struct profiles {
        const struct config *config;  /* lent */
        struct signer_client *signer; /* lent */
        struct aws_config *aws;       /* NULL until a first reading succeeded */
        struct file_state files[2];
        bool has_read; /* in this state */
        uint64_t looked_usec;
        /* the open vault's keys, remembered while it is sealed: their sessions are still served */
        char keys[SIGNER_KEYS_MAX][KEY_NAME_MAX + 1];
        size_t n_keys;
};

static struct file_state state_of(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return (struct file_state){0}; /* missing is a state, too */
        return (struct file_state){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool is_same(const struct file_state *a, const struct file_state *b) {
        return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
               a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static void remember_keys(struct profiles *p) {
        if (signer_client_vault(p->signer) != VAULT_OPEN)
                return;
        p->n_keys = signer_client_n_keys(p->signer);
        if (p->n_keys > SIGNER_KEYS_MAX)
                p->n_keys = SIGNER_KEYS_MAX;
        for (size_t i = 0; i < p->n_keys; i++)
                strcpy(p->keys[i], signer_client_key(p->signer, i)->name);
}

static void reload(struct profiles *p) {
        const char *paths[] = {p->config->aws_config_file, p->config->aws_credentials_file};
        struct aws_config_error error = {0};
        struct file_state now[] = {state_of(paths[0]), state_of(paths[1])};
        struct aws_config *fresh;
        int r;

        if (p->has_read && is_same(&now[0], &p->files[0]) && is_same(&now[1], &p->files[1]))
                return;
        memcpy(p->files, now, sizeof(now)); /* a broken file is read again when it has changed */
        p->has_read = true;
        r = aws_config_load(paths[0], paths[1], false, &fresh, &error);
        if (r < 0) {
                (void)log_warning(r, "\"%s\" line %u: %s; %s", error.file, error.line,
                                  error.what ? error.what : "cannot be read",
                                  p->aws ? "keeping what was read before"
                                         : "no profiles are known");
                return;
        }
        (void)aws_config_free(p->aws); /* always NULL */
        p->aws = fresh;
}

void profiles_refresh(struct profiles *p) {
        p->looked_usec = clock_boot_usec();
        reload(p);
        remember_keys(p);
}

static bool has_key(const struct profiles *p, const char *name) {
        for (size_t i = 0; i < p->n_keys; i++)
                if (strcmp(p->keys[i], name) == 0)
                        return true;
        return false;
}

static bool has_profile(const struct profiles *p, const char *name, struct aws_profile *ret) {
        return p->aws && aws_config_profile(p->aws, name, ret) >= 0;
}

static const char *default_name(const struct profiles *p, struct aws_profile *scratch) {
        if (*p->config->default_profile)
                return p->config->default_profile;
        if (!has_key(p, "default") && !has_profile(p, "default", scratch) && p->n_keys == 1)
                return p->keys[0];
        return "default";
}

enum profile_answer profiles_resolve(struct profiles *p, const char *name,
                                     struct aws_profile *ret) {
        struct aws_profile profile = {0};
        bool is_open = signer_client_vault(p->signer) == VAULT_OPEN;

        if (clock_boot_usec() - p->looked_usec >= LOOK_AGAIN_USEC)
                profiles_refresh(p);
        else
                remember_keys(p);
        if (!name || !*name)
                name = default_name(p, &profile);

        if (has_profile(p, name, &profile)) {
                if (profile.is_role)
                        return PROFILE_IS_ROLE;
                if (is_open && !has_key(p, name))
                        return PROFILE_UNKNOWN;
        } else {
                if (!has_key(p, name))
                        return PROFILE_UNKNOWN;
                profile = (struct aws_profile){0};
                (void)snprintf(profile.name, sizeof(profile.name), "%s",
                               name); /* a key's: shorter */
        }
        *ret = profile;
        return PROFILE_IS_KEY;
}

int profiles_new(const struct config *config, struct signer_client *signer, struct profiles **ret) {
        struct profiles *p;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->config = config;
        p->signer = signer;
        profiles_refresh(p);
        *ret = p;
        return 0;
}

struct profiles *profiles_free(struct profiles *p) {
        if (!p)
                return NULL;
        (void)aws_config_free(p->aws); /* always NULL */
        free(p);
        return NULL;
}
