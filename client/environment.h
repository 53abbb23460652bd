/* environment.h - the variables that lead AWS's SDKs to us, and those that would lead them past us.
 * Owns:  a list of variables to set and to unset.
 * Calls: buf.h, getenv(3).
 * Limit: ENVIRONMENT_MAX variables.
 * What shadows the container endpoint was read in the SDKs' sources. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENVIRONMENT_MAX 40

struct buf;

enum environment_shell {
        ENVIRONMENT_SH, /* also bash, zsh, ksh */
        ENVIRONMENT_FISH,
        ENVIRONMENT_CSH,
        ENVIRONMENT_POWERSHELL,
};

struct environment_input {
        uint16_t port;
        const char *profile; /* NULL: the default one */
        const char *token;   /* NULL: only the file is named */
        const char *token_path;
        const char *region;     /* "" when the profile has none */
        bool is_region_meant;   /* it goes before what the environment has: the profile was named */
        const char *expiration; /* NULL when not known */
};

struct environment;

/* Works the list out from @in and from what the process's own environment has now. Returns 0, -ENOMEM,
 * or -EINVAL for a profile without a name. */
int environment_new(const struct environment_input *in, struct environment **ret);
struct environment *environment_free(struct environment *e);
DEFINE_FREEP(struct environment, environment)

/* The value that @name is set to, or NULL when it is unset or not in the list; for tests. */
const char *environment_value(const struct environment *e, const char *name);
bool environment_unsets(const struct environment *e, const char *name);

/* Appends commands that have the effect in @shell. Returns 0, -EINVAL when a value cannot be expressed
 * there (a newline in csh), or an error of buf_put(). */
int environment_print(const struct environment *e, enum environment_shell shell, struct buf *ret);
/* Changes the environment of this process. Returns 0 or -ENOMEM. */
int environment_apply(const struct environment *e);

/* The variables that at least one SDK looks at before the container endpoint; NULL beyond the last. */
const char *environment_shadow(size_t i);
/* Is @host an element of @list, as NO_PROXY has them, or is "*" one? */
bool environment_is_listed(const char *list, const char *host);

/* "sh", "/usr/bin/fish", "tcsh", "pwsh", ...: the last part of the path counts. Returns 0 or -EINVAL. */
int environment_shell(const char *name, enum environment_shell *ret);
