#include "daemon/front/role_names.h"

#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* [A-Za-z0-9_+=,.@-]: STS API reference, AssumeRole. A host's domain is left out. */
static size_t put_clean(char *out, size_t size, const char *text, const char *end) {
        size_t n = 0;

        for (const char *p = text; *p && !strchr(end, *p) && n + 1 < size; p++)
                if (isalnum((unsigned char)*p) || strchr("_+=,.@-", *p))
                        out[n++] = *p;
        out[n] = '\0';
        return n;
}

void role_session_name_from(const char *user, const char *host,
                            char ret[ROLE_SESSION_NAME_MAX + 1]) {
        size_t n;

        n = put_clean(ret, ROLE_SESSION_NAME_MAX + 1, "mfad-", "");
        n += put_clean(ret + n, ROLE_SESSION_NAME_MAX / 2, user, "");
        ret[n++] = '-';
        (void)put_clean(ret + n, ROLE_SESSION_NAME_MAX + 1 - n, host, ".");
}

void role_session_name(char ret[ROLE_SESSION_NAME_MAX + 1]) {
        char host[HOST_NAME_MAX + 1] = "", user[32];
        const struct passwd *entry = getpwuid(getuid());

        if (gethostname(host, sizeof(host)) < 0)
                *host = '\0';
        host[HOST_NAME_MAX] = '\0';
        (void)snprintf(user, sizeof(user), "%u", getuid()); /* ten digits at most */
        role_session_name_from(entry ? entry->pw_name : user, host, ret);
}
