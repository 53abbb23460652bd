#include "client/runtime_dir.h"
#include "common/encode.h"
#include "common/macros.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The daemons make what is missing of it, if they may. */
static bool can_be_made(const char *path) {
        char part[PATH_LEN_MAX];
        char *slash;

        if (path[0] != '/' || snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
                return false;
        while (access(part, F_OK) < 0 && errno == ENOENT) {
                slash = strrchr(part, '/');
                if (slash == part)
                        return access("/", W_OK) == 0;
                *slash = '\0';
        }
        return access(part, W_OK | X_OK) == 0;
}

/* As logind makes it at the first login, and keeps it until the last one ends. */
static bool has_logind_made_one(void) {
        char path[64];
        struct stat st;

        (void)snprintf(path, sizeof(path), "/run/user/%u", (unsigned)geteuid());
        return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

const char *runtime_dir_advice(void) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");

        if (runtime && *runtime && can_be_made(runtime))
                return NULL;
        /* a name that is the same in every terminal, where nobody else could have put something before: so not
         * in /tmp; what stands there is a token that only this user's programs can use, and a session that only
         * the vault opens */
        return has_logind_made_one() ? "export XDG_RUNTIME_DIR=/run/user/$(id -u)"
                                     : "export XDG_RUNTIME_DIR=\"$HOME/.cache/mfad-run\"";
}
