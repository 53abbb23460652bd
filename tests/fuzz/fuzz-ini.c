/* fuzz-ini.c - any bytes as an INI file, as the two AWS files, and as a credentials file that is changed.
 * Owns:  one memory file.
 * Calls: ini.h, aws_profile.h, aws_credentials.h, aws_request.h.
 * Limit: FUZZ_LEN_MAX bytes an input. */
#include "common/aws_credentials.h"
#include "common/aws_profile.h"
#include "common/aws_request.h"
#include "common/buf.h"
#include "common/creds.h"
#include "common/ini.h"
#include "common/secret.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define FUZZ_LEN_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
        size_t len, end; /* of the text, of the entry before */
        unsigned line;
        struct buf section; /* the first one's name */
        unsigned n_keys;    /* lines of a plain key in it */
};

/* Entries come in order, do not overlap and stay in the text. */
static int on_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct walk *w = userdata;

        (void)ret_what;
        assert(e->start >= w->end && e->start < e->end && e->end <= w->len);
        assert(e->line > w->line && e->section && e->section[0] && e->value);
        assert(!e->key || (e->key[0] && !strpbrk(e->key, "=:\n\r")));
        w->end = e->end;
        w->line = e->line;
        if (!w->section.data && buf_puts(&w->section, e->section) < 0)
                return -ENOMEM;
        if (e->key && strcmp(e->section, w->section.data) == 0 &&
            (strcmp(e->key, "aws_access_key_id") == 0 ||
             strcmp(e->key, "aws_secret_access_key") == 0))
                w->n_keys++;
        return 0;
}

static const char *load_path(const char *text, size_t len) {
        static char path[64];
        static int fd = -1;

        if (fd < 0)
                fd = memfd_create("fuzz-ini", MFD_CLOEXEC);
        assert(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, text, len, 0) == (ssize_t)len);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return path;
}

/* What the parser lets through must be what those who use it are promised. */
static void check_role(const struct aws_profile *p) {
        static struct aws_role role;
        const struct {
                char *to;
                size_t size;
                const char *from;
        } texts[] = {
                {role.arn, sizeof(role.arn), p->role_arn},
                {role.session_name, sizeof(role.session_name),
                 *p->role_session_name ? p->role_session_name : "mfad"},
                {role.external_id, sizeof(role.external_id), p->external_id},
                {role.source_identity, sizeof(role.source_identity), p->source_identity},
                {role.policy, sizeof(role.policy), p->session_policy},
                {role.policy_arns, sizeof(role.policy_arns), p->policy_arns},
                {role.tags, sizeof(role.tags), p->session_tags},
                {role.transitive_tags, sizeof(role.transitive_tags), p->transitive_tags},
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                assert(strlen(texts[i].from) < texts[i].size);
                strcpy(texts[i].to, texts[i].from);
        }
        assert(aws_role_is_legal(&role, NULL));
        assert(*p->source_profile);
}

static void check_profile(const struct aws_config *c, size_t i) {
        const struct aws_profile *p = aws_config_at(c, i);
        const char *urls[] = {p->where.sts_url, p->where.iam_url, p->where.signin_url};
        struct aws_endpoint endpoint;

        assert(*p->name && text_is_printable(p->name, PROFILE_NAME_MAX));
        assert(aws_config_find(c, p->name) == p);
        assert(text_is_printable(p->problem, 1024));
        assert(!*p->where.region || text_is_region(p->where.region));
        assert(!*p->mfa_serial || text_is_mfa_serial(p->mfa_serial));
        assert(!*p->proxy || text_is_proxy(p->proxy));
        assert(strlen(p->ca_bundle) < PATH_LEN_MAX && (!*p->ca_bundle || *p->ca_bundle == '/'));
        assert(p->duration_sec == 0 || (p->is_role && p->duration_sec >= AWS_DURATION_SEC_MIN &&
                                        p->duration_sec <= AWS_ROLE_SEC_MAX));
        for (size_t k = 0; k < ELEMENTSOF(urls); k++) {
                char host[URL_MAX_LEN + 1];

                assert(!*urls[k] || aws_endpoint_check(urls[k], host, sizeof(host)) == 0);
        }
        (void)aws_endpoint_find(AWS_STS, &p->where, &endpoint, NULL); /* only that it ends */
        if (p->is_role && !*p->problem)
                check_role(p);
}

static void check_config(const char *config_path, const char *credentials_path) {
        _cleanup_(aws_config_freep) struct aws_config *c = NULL;
        struct aws_config_error error;
        int r;

        r = aws_config_load(config_path, credentials_path, true, &c, &error);
        assert(r == 0 || (error.file[0] && (error.what || error.line == 0)));
        for (size_t i = 0; r == 0 && i < aws_config_n_profiles(c); i++) {
                struct aws_plain_key key;
                const struct aws_profile *p = aws_config_at(c, i);

                check_profile(c, i);
                assert(p->has_key == (aws_config_plain_key(c, p->name, &key) == 0));
        }
}

struct rest { /* all that a change of one section's keys must leave alone */
        const char *section;
        struct buf text;
        unsigned n_ours;
        bool has_section;
};

static int on_rest(const struct ini_entry *e, void *userdata, const char **ret_what) {
        static const char *const ours[] = {"aws_access_key_id", "aws_secret_access_key",
                                           "aws_session_token", "aws_security_token",
                                           "x_mfad_expiration"};
        struct rest *r = userdata;

        (void)ret_what;
        if (strcmp(e->section, r->section) == 0)
                r->has_section = true;
        for (size_t i = 0; e->key && i < ELEMENTSOF(ours); i++)
                if (strcmp(e->section, r->section) == 0 && strcmp(e->key, ours[i]) == 0) {
                        r->n_ours++;
                        return 0;
                }
        return buf_printf(&r->text, "[%s] %s = %s\n", e->section, e->key ? e->key : "", e->value);
}

static void check_session(const char *text, size_t size, const char *section) {
        _cleanup_(creds_freep) struct creds *creds = NULL;
        _cleanup_(buf_clear) struct buf out = BUF_INIT(4 * FUZZ_LEN_MAX),
                                        again = BUF_INIT(4 * FUZZ_LEN_MAX);
        struct rest before = {.section = section, .text = BUF_INIT(64 * FUZZ_LEN_MAX)};
        struct rest after = {.section = section, .text = BUF_INIT(64 * FUZZ_LEN_MAX)};
        struct ini_error error;
        int r;

        assert(creds_new(&creds) == 0 && secret_copy("new", 3, &creds->secret_key) == 0 &&
               secret_copy("token", 5, &creds->session_token) == 0);
        strcpy(creds->access_key_id, "ASIANEW");
        r = aws_credentials_with_session(text, size, section, "p", creds, &out);
        assert(r == 0 ? out.len > 0 : out.len == 0);
        if (r == 0 && ini_parse(text, size, on_rest, &before, &error) == 0) {
                assert(ini_parse(buf_text(&out), out.len, on_rest, &after, &error) == 0);
                if (!before.has_section)
                        assert(buf_printf(&before.text, "[%s]  = \n", section) == 0);
                assert(after.n_ours == 4 && after.has_section);
                assert(strcmp(buf_text(&before.text), buf_text(&after.text)) == 0);
                r = aws_credentials_with_session(buf_text(&out), out.len, section, "p", creds,
                                                 &again);
                assert(r == 0 && strcmp(buf_text(&out), buf_text(&again)) == 0);
        }
        buf_clear(&before.text);
        buf_clear(&after.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;
        _cleanup_(buf_clear) struct buf without = BUF_INIT(size), again = BUF_INIT(size);
        struct walk w = {.len = size, .section = BUF_INIT(size)};
        struct ini_error error = {0};
        int r, n;

        if (size > FUZZ_LEN_MAX)
                return 0;
        if (secret_arena_kind() == SECRET_ARENA_NONE && secret_arena_open() < 0)
                abort();
        r = ini_parse(text, size, on_entry, &w, &error);
        assert(r == 0 || (r == -EINVAL && error.line > 0 && error.what));
        n = aws_credentials_without_key(text, size, buf_text(&w.section), &without);
        assert((n < 0) == (r < 0));
        if (r == 0) {
                assert((unsigned)n >= w.n_keys && (w.n_keys > 0 || without.len == size));
                /* what is left is sound, and has no key */
                n = aws_credentials_without_key(buf_text(&without), without.len,
                                                buf_text(&w.section), &again);
                assert(n == 0 && again.len == without.len);
        }
        check_session(text, size, *buf_text(&w.section) ? buf_text(&w.section) : "a");
        check_session(text, size, "default");
        check_config(load_path(text, size), "/nonexistent");
        check_config("/nonexistent", load_path(text, size));
        check_config(load_path(text, size), load_path(text, size));
        buf_clear(&w.section);
        return 0;
}
