#include "client/environment.h"
#include "common/buf.h"
#include "common/encode.h"

#include <stdio.h>
#include <string.h>

#define OURS        "127.0.0.1" /* never "localhost": each SDK resolves that by itself */
#define ADDRESS_MAX ((size_t)8 * 1024)

struct variable {
        const char *name;
        char *value; /* NULL: unset */
};

struct environment {
        struct variable variables[ENVIRONMENT_MAX];
        size_t n;
};

/* Each of these is looked at before the container endpoint by at least one SDK. */
static const char *const shadows[] = {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ACCESS_KEY", /* Java and Go v1 */
        "AWS_SECRET_KEY",
        "AMAZON_ACCESS_KEY_ID", /* JavaScript v2 */
        "AMAZON_SECRET_ACCESS_KEY",
        "AMAZON_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CREDENTIAL_FILE",
        "AWS_CREDENTIAL_EXPIRATION", /* does not shadow, but would be of another session */
};

/* @value is taken. */
static int put(struct environment *e, const char *name, char *value) {
        if (!value)
                return -ENOMEM;
        for (size_t i = 0; i < e->n; i++)
                if (strcmp(e->variables[i].name, name) == 0) {
                        free(e->variables[i].value);
                        e->variables[i].value = value;
                        return 0;
                }
        assert(e->n < ENVIRONMENT_MAX);
        e->variables[e->n++] = (struct variable){name, value};
        return 0;
}

static int set(struct environment *e, const char *name, const char *value) {
        return put(e, name, strdup(value));
}

static void unset(struct environment *e, const char *name) {
        assert(e->n < ENVIRONMENT_MAX);
        e->variables[e->n++] = (struct variable){name, NULL};
}

bool environment_is_listed(const char *list, const char *host) {
        size_t len = strlen(host);

        for (const char *p = list; *p;) {
                size_t n;

                p += strspn(p, ", ");
                n = strcspn(p, ", ");
                if ((n == len && strncmp(p, host, len) == 0) || (n == 1 && *p == '*'))
                        return true;
                p += n;
        }
        return false;
}

/* @name with our address added; @twin is the other spelling, from which a missing one is filled. */
static int set_no_proxy(struct environment *e, const char *name, const char *twin) {
        const char *value = getenv(name);
        char *longer;

        if (!value || !*value)
                value = getenv(twin);
        if (!value || !*value)
                return set(e, name, OURS);
        if (environment_is_listed(value, OURS))
                return set(e, name, value);
        return asprintf(&longer, "%s,%s", value, OURS) < 0 ? -ENOMEM : put(e, name, longer);
}

/* AWS_PROFILE is unset, and with it goes the profile's region: put that in its place. */
static int set_region(struct environment *e, const char *region, bool is_meant) {
        const char *now = getenv("AWS_REGION"), *fallback = getenv("AWS_DEFAULT_REGION");
        int r;

        if (!*region || (!is_meant && ((now && *now) || (fallback && *fallback))))
                return 0;
        r = set(e, "AWS_REGION", region);
        return r < 0 ? r : set(e, "AWS_DEFAULT_REGION", region);
}

/* mfad takes no percent-encoding; a profile's name has a spelling of our own. */
static int set_address(struct environment *e, uint16_t port, const char *profile) {
        _cleanup_(buf_clear) struct buf address = BUF_INIT(ADDRESS_MAX);
        int r;

        if (profile && !*profile)
                return -EINVAL;
        r = buf_printf(&address, "http://" OURS ":%u/%s", (unsigned)port,
                       profile ? "profile/" : "");
        if (r >= 0 && profile)
                r = encode_path_name(&address, profile);
        return r < 0 ? r : set(e, "AWS_CONTAINER_CREDENTIALS_FULL_URI", buf_text(&address));
}

static int set_all(struct environment *e, const struct environment_input *in) {
        int r;

        for (size_t i = 0; i < ELEMENTSOF(shadows); i++)
                unset(e, shadows[i]);
        r = set_address(e, in->port, in->profile);
        if (r < 0)
                return r;
        r = set(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", in->token_path);
        if (r < 0)
                return r;
        if (in->token)
                r = set(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN", in->token);
        else
                unset(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN"); /* two SDKs prefer it to the file */
        if (r < 0)
                return r;
        r = set(e, "AWS_EC2_METADATA_DISABLED", "true"); /* no slow search for 169.254.169.254 */
        if (r < 0)
                return r;
        r = set_no_proxy(e, "NO_PROXY", "no_proxy");
        if (r < 0)
                return r;
        r = set_no_proxy(e, "no_proxy", "NO_PROXY");
        if (r < 0)
                return r;
        if (in->expiration)
                r = set(e, "AWS_CREDENTIAL_EXPIRATION", in->expiration);
        return r < 0 ? r : set_region(e, in->region, in->is_region_meant);
}

int environment_new(const struct environment_input *in, struct environment **ret) {
        _cleanup_(environment_freep) struct environment *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        r = set_all(e, in);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

struct environment *environment_free(struct environment *e) {
        if (!e)
                return NULL;
        for (size_t i = 0; i < e->n; i++) {
                if (e->variables[i].value) /* one is the client token */
                        explicit_bzero(e->variables[i].value, strlen(e->variables[i].value));
                free(e->variables[i].value);
        }
        free(e);
        return NULL;
}

static const struct variable *find(const struct environment *e, const char *name) {
        for (size_t i = 0; i < e->n; i++)
                if (strcmp(e->variables[i].name, name) == 0)
                        return &e->variables[i];
        return NULL;
}

const char *environment_value(const struct environment *e, const char *name) {
        const struct variable *v = find(e, name);

        return v ? v->value : NULL;
}

bool environment_unsets(const struct environment *e, const char *name) {
        const struct variable *v = find(e, name);

        return v && !v->value;
}

/* POSIX sh: nothing is special within '...' but its end. */
static int quote_sh(struct buf *b, const char *value) {
        int r = buf_puts(b, "'");

        for (; *value && r >= 0; value++)
                r = *value == '\'' ? buf_puts(b, "'\\''") : buf_put(b, value, 1);
        return r < 0 ? r : buf_puts(b, "'");
}

/* fish(1) "Quotes": within '...' only \' and \\ are special. */
static int quote_fish(struct buf *b, const char *value) {
        int r = buf_puts(b, "'");

        for (; *value && r >= 0; value++) {
                if (*value == '\'' || *value == '\\')
                        r = buf_puts(b, "\\");
                if (r >= 0)
                        r = buf_put(b, value, 1);
        }
        return r < 0 ? r : buf_puts(b, "'");
}

/* tcsh(1) "Lexical structure": `!` is history even within '...', and a newline cannot be put there so
 * that it survives eval "`...`". */
static int quote_csh(struct buf *b, const char *value) {
        int r = buf_puts(b, "'");

        for (; *value && r >= 0; value++) {
                if (*value == '\n')
                        return -EINVAL;
                r = *value == '\''  ? buf_puts(b, "'\\''")
                    : *value == '!' ? buf_puts(b, "\\!")
                                    : buf_put(b, value, 1);
        }
        return r < 0 ? r : buf_puts(b, "'");
}

/* about_Quoting_Rules: '' stands for one quote, and the four typographic quotes U+2018 to U+201B
 * (e2 80 98 to e2 80 9b) count as quotes too. */
static int quote_powershell(struct buf *b, const char *value) {
        int r = buf_puts(b, "'");

        while (*value && r >= 0) {
                const unsigned char *p = (const unsigned char *)value;
                bool is_typographic = p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0x98 && p[2] <= 0x9b;
                size_t n = is_typographic ? 3 : 1;

                if (is_typographic || *value == '\'')
                        r = buf_put(b, value, n);
                if (r >= 0)
                        r = buf_put(b, value, n);
                value += n;
        }
        return r < 0 ? r : buf_puts(b, "'");
}

static const struct {
        const char *set, *between, *unset;
        int (*quote)(struct buf *b, const char *value);
} shells[] = {
        [ENVIRONMENT_SH] = {"export ", "=", "unset ", quote_sh},
        [ENVIRONMENT_FISH] = {"set -gx ", " ", "set -e ", quote_fish},
        [ENVIRONMENT_CSH] = {"setenv ", " ", "unsetenv ", quote_csh},
        [ENVIRONMENT_POWERSHELL] = {"$env:", " = ",
                                    "Remove-Item -ErrorAction Ignore Env:", quote_powershell},
};

/* Each command ends in a semicolon: an unquoted eval joins the lines. */
static int print_variable(const struct variable *v, enum environment_shell shell, struct buf *ret) {
        int r;

        if (!v->value)
                return buf_printf(ret, "%s%s;\n", shells[shell].unset, v->name);
        r = buf_printf(ret, "%s%s%s", shells[shell].set, v->name, shells[shell].between);
        if (r < 0)
                return r;
        r = shells[shell].quote(ret, v->value);
        return r < 0 ? r : buf_puts(ret, ";\n");
}

int environment_print(const struct environment *e, enum environment_shell shell, struct buf *ret) {
        for (size_t i = 0; i < e->n; i++) {
                int r = print_variable(&e->variables[i], shell, ret);

                if (r < 0)
                        return r;
        }
        return 0;
}

const char *environment_shadow(size_t i) {
        return i < ELEMENTSOF(shadows) ? shadows[i] : NULL;
}

int environment_apply(const struct environment *e) {
        for (size_t i = 0; i < e->n; i++) {
                const struct variable *v = &e->variables[i];

                if ((v->value ? setenv(v->name, v->value, 1) : unsetenv(v->name)) < 0)
                        return -errno;
        }
        return 0;
}

int environment_shell(const char *name, enum environment_shell *ret) {
        static const struct {
                const char *name;
                enum environment_shell shell;
        } names[] = {
                {"sh", ENVIRONMENT_SH},           {"bash", ENVIRONMENT_SH},
                {"zsh", ENVIRONMENT_SH},          {"dash", ENVIRONMENT_SH},
                {"ksh", ENVIRONMENT_SH},          {"ash", ENVIRONMENT_SH},
                {"mksh", ENVIRONMENT_SH},         {"fish", ENVIRONMENT_FISH},
                {"csh", ENVIRONMENT_CSH},         {"tcsh", ENVIRONMENT_CSH},
                {"pwsh", ENVIRONMENT_POWERSHELL}, {"powershell", ENVIRONMENT_POWERSHELL},
        };
        const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(names[i].name, last) == 0) {
                        *ret = names[i].shell;
                        return 0;
                }
        return -EINVAL;
}
