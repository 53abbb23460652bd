#include "common/aws_config_read.h"
#include "common/aws_config_limits.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/ini.h"
#include "common/secret.h"

#include <stdio.h>
#include <string.h>

static const char *const setting_names[_AWS_SET_MAX] = {
        [AWS_SET_REGION] = "region",
        [AWS_SET_MFA_SERIAL] = "mfa_serial",
        [AWS_SET_MFA_DEVICE] = "aws_mfa_device",
        [AWS_SET_ENDPOINT_URL] = "endpoint_url",
        [AWS_SET_SERVICES] = "services",
        [AWS_SET_IGNORE_ENDPOINT_URLS] = "ignore_configured_endpoint_urls",
        [AWS_SET_STS_REGIONAL] = "sts_regional_endpoints",
        [AWS_SET_FIPS] = "use_fips_endpoint",
        [AWS_SET_DUALSTACK] = "use_dualstack_endpoint",
        [AWS_SET_CA_BUNDLE] = "ca_bundle",
        [AWS_SET_ROLE_ARN] = "role_arn",
        [AWS_SET_SOURCE_PROFILE] = "source_profile",
        [AWS_SET_CREDENTIAL_SOURCE] = "credential_source",
        [AWS_SET_EXTERNAL_ID] = "external_id",
        [AWS_SET_DURATION] = "duration_seconds",
        [AWS_SET_SESSION_NAME] = "role_session_name",
        [AWS_SET_WEB_IDENTITY] = "web_identity_token_file",
        [AWS_SET_PROCESS] = "credential_process",
        [AWS_SET_SSO_SESSION] = "sso_session",
        [AWS_SET_SSO_START_URL] = "sso_start_url",
        [AWS_SET_DIRECT_MFA] = "mfad_direct_mfa",
        [AWS_SET_POLICY] = "mfad_session_policy",
        [AWS_SET_POLICY_ARNS] = "mfad_policy_arns",
        [AWS_SET_TAGS] = "mfad_session_tags",
        [AWS_SET_TRANSITIVE_TAGS] = "mfad_transitive_tags",
        [AWS_SET_SOURCE_IDENTITY] = "mfad_source_identity",
        [AWS_SET_PROXY] = "mfad_proxy",
        [AWS_SET_SIGNIN_URL] = "mfad_signin_url",
};

const char *aws_setting_name(enum aws_setting setting) {
        return setting_names[setting];
}

static void section_reset(struct aws_section *s) {
        s->secret_key = secret_free(s->secret_key);
        *s = (struct aws_section){.name = s->name};
}

void aws_sections_clear(struct aws_sections *s) {
        for (size_t i = 0; i < s->names.n; i++)
                section_reset(&s->list[i]);
        free(s->list);
        free(s->services);
        names_clear(&s->names);
        names_clear(&s->services_names);
        texts_clear(&s->texts);
        *s = (struct aws_sections){0};
}

const struct aws_section *aws_sections_find(const struct aws_sections *s, const char *name) {
        size_t i = names_find(&s->names, name);

        return i == SIZE_MAX ? NULL : &s->list[i];
}

/* @array with zeroed room for one more than @n things of @size_of each, or NULL: then it is as it was. */
static void *make_room(void *array, size_t *size, size_t n, size_t size_of) {
        size_t more = *size ? 2 * *size : 16;
        char *grown;

        if (n < *size)
                return array;
        grown = reallocarray(array, more, size_of);
        if (!grown)
                return NULL;
        memset(grown + *size * size_of, 0, (more - *size) * size_of);
        *size = more;
        return grown;
}

/* One word of @p as a POSIX shell reads it (Python's shlex.split(), which botocore uses), appended to
 * @word. Returns the place after it, NULL when a quote stays open, a backslash ends the text or the
 * word is too long for @word. */
static const char *shell_word(const char *p, struct buf *word) {
        char quote = '\0';

        for (; *p && (quote || !strchr(" \t\r\n", *p)); p++) {
                if (quote ? *p == quote : *p == '"' || *p == '\'') {
                        quote = quote ? '\0' : *p;
                        continue;
                }
                if (*p == '\\' && quote != '\'') {
                        /* in double quotes a backslash hides only a quote or a backslash */
                        if (quote == '\0' || p[1] == '"' || p[1] == '\\')
                                p++;
                        if (*p == '\0')
                                return NULL;
                }
                if (buf_put(word, p, 1) < 0)
                        return NULL;
        }
        return quote ? NULL : p;
}

/* The second of two shell words, or "" when there are not two. */
static void second_word(const char *section, char out[PROFILE_NAME_MAX + 1]) {
        _cleanup_(buf_clear) struct buf first = BUF_INIT(PROFILE_NAME_MAX),
                                        second = BUF_INIT(PROFILE_NAME_MAX);
        static const char space[] = " \t\r\n";
        const char *p = shell_word(section, &first);

        out[0] = '\0';
        if (p)
                p = shell_word(p + strspn(p, space), &second);
        if (p && p[strspn(p, space)] == '\0')
                strcpy(out, buf_text(&second));
}

struct reading { /* one file being read */
        struct aws_sections *s;
        bool is_credentials;
        bool with_keys;
        /* the section that entries belong to, if it is one of ours: an index, SIZE_MAX for none */
        size_t profile, services;
};

static int open_profile(struct reading *r, const char *name) {
        struct aws_sections *s = r->s;
        size_t before = s->names.n;
        struct aws_section *list;
        int k;

        if (name[0] == '\0' || !text_is_printable(name, PROFILE_NAME_MAX))
                return 0;
        list = make_room(s->list, &s->list_size, before, sizeof(*list));
        if (!list)
                return -ENOMEM;
        s->list = list;
        k = names_put(&s->names, name, &r->profile);
        if (k < 0)
                return k;
        if (r->profile == before)
                s->list[before].name = s->names.list[before];
        else if (!r->is_credentials)
                /* [default], then [profile default]: the last one holds, alone */
                section_reset(&s->list[r->profile]);
        return 0;
}

static int open_services(struct reading *r, const char *name) {
        struct aws_sections *s = r->s;
        struct aws_services *list;
        int k;

        if (name[0] == '\0')
                return 0;
        list = make_room(s->services, &s->services_size, s->services_names.n, sizeof(*list));
        if (!list)
                return -ENOMEM;
        s->services = list;
        k = names_put(&s->services_names, name, &r->services);
        if (k < 0)
                return k;
        s->services[r->services] = (struct aws_services){0}; /* again the last one, alone */
        return 0;
}

/* Which sections describe what: botocore.configloader.build_profile_map(). */
static int open_section(struct reading *r, const char *section) {
        char name[PROFILE_NAME_MAX + 1] = "";

        r->profile = r->services = SIZE_MAX;
        if (r->is_credentials) {
                if (strlen(section) <= PROFILE_NAME_MAX && strcmp(section, "DEFAULT") != 0)
                        strcpy(name, section);
                return open_profile(r, name);
        }
        if (strncmp(section, "profile", 7) == 0) {
                second_word(section, name);
                return open_profile(r, name);
        }
        if (strncmp(section, "services", 8) == 0) {
                second_word(section, name);
                return open_services(r, name);
        }
        return strcmp(section, "default") == 0 ? open_profile(r, section) : 0;
}

/* The indented lines of a nested block are "key = value" too. */
static bool is_sound_block(const char *value) {
        if (value[0] != '\n')
                return true;
        for (const char *p = value; *p; p += strcspn(p, "\n")) {
                size_t len;

                p += strspn(p, "\n");
                len = strcspn(p, "\n");
                if (len > 0 && !memchr(p, '=', len))
                        return false;
        }
        return true;
}

static int set_value(struct reading *r, struct aws_value *v, const char *text, size_t len,
                     unsigned line) {
        struct aws_value fresh = {.text = "",
                                  .line = line,
                                  .is_credentials = r->is_credentials,
                                  .is_too_long = len > AWS_VALUE_MAX};

        if (len > 0 && !fresh.is_too_long) {
                fresh.text = texts_put(&r->s->texts, text, len);
                if (!fresh.text)
                        return -ENOMEM;
        }
        *v = fresh;
        return 0;
}

static int set_setting(struct reading *r, struct aws_section *s, const struct ini_entry *e) {
        /* a nested block is no value, but it hides what another file has said */
        const char *value = e->value[0] == '\n' ? "" : e->value;

        for (size_t i = 0; i < _AWS_SET_MAX; i++)
                if (strcmp(e->key, setting_names[i]) == 0)
                        return set_value(r, &s->values[i], value, strlen(value), e->line);
        return 0;
}

static int set_key(struct reading *r, struct aws_section *s, const struct ini_entry *e) {
        size_t len = strlen(e->value);

        if (strcmp(e->key, "aws_access_key_id") == 0 && text_is_access_key_id(e->value)) {
                s->access_key_id = texts_put(&r->s->texts, e->value, len);
                return s->access_key_id ? 0 : -ENOMEM;
        }
        if (strcmp(e->key, "aws_secret_access_key") == 0 &&
            text_is_graph(e->value, SECRET_KEY_MAX)) {
                s->has_secret_key = true;
                if (!r->with_keys)
                        return 0;
                s->secret_key = secret_free(s->secret_key);
                return secret_copy(e->value, len, &s->secret_key);
        }
        if ((strcmp(e->key, "aws_session_token") == 0 ||
             strcmp(e->key, "aws_security_token") == 0) &&
            len > 0)
                s->has_session_token = true;
        return 0;
}

static bool is_blank(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The last endpoint_url of a nested block, into @v. */
static int find_nested_url(struct reading *r, const struct ini_entry *e, struct aws_value *v) {
        static const char key[] = "endpoint_url";

        for (const char *p = e->value, *end; *p; p = end + (*end != '\0')) {
                const char *mark;
                int k;

                end = strchrnul(p, '\n');
                p += strspn(p, " \t\v\f\r");
                mark = memchr(p, '=', (size_t)(end - p));
                if (!mark || strncmp(p, key, sizeof(key) - 1) != 0)
                        continue;
                p += sizeof(key) - 1;
                p += strspn(p, " \t\v\f\r");
                if (p != mark)
                        continue; /* another key that begins alike */
                for (p++; p < end && is_blank(*p); p++)
                        ;
                while (end > p && is_blank(end[-1]))
                        end--;
                k = set_value(r, v, p, (size_t)(end - p), e->line);
                if (k < 0)
                        return k;
                end = strchrnul(p, '\n');
        }
        return 0;
}

static int set_service(struct reading *r, struct aws_services *s, const struct ini_entry *e) {
        bool is_sts = strcmp(e->key, "sts") == 0;

        s->is_filled = true;
        if (!is_sts && strcmp(e->key, "iam") != 0)
                return 0;
        if (e->value[0] != '\n') {
                *(is_sts ? &s->sts_bad_line : &s->iam_bad_line) = e->line;
                return 0;
        }
        return find_nested_url(r, e, is_sts ? &s->sts_url : &s->iam_url);
}

static int on_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct reading *r = userdata;
        struct aws_section *s;
        int k;

        if (!e->key)
                return open_section(r, e->section);
        if (!is_sound_block(e->value)) {
                *ret_what = "the indented lines below this key are not \"key = value\"";
                return -EINVAL;
        }
        if (r->services != SIZE_MAX)
                return set_service(r, &r->s->services[r->services], e);
        if (r->profile == SIZE_MAX)
                return 0;
        s = &r->s->list[r->profile];
        if (r->is_credentials) {
                k = set_key(r, s, e);
                if (k < 0)
                        return k;
        }
        return set_setting(r, s, e);
}

int aws_config_read(struct aws_sections *s, const char *path, bool is_credentials, bool with_keys,
                    struct aws_config_error *ret_error) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(AWS_FILE_MAX);
        struct reading r = {.s = s,
                            .is_credentials = is_credentials,
                            .with_keys = with_keys,
                            .profile = SIZE_MAX,
                            .services = SIZE_MAX};
        struct ini_error error = {0};
        int k;

        (void)snprintf(ret_error->file, sizeof(ret_error->file), "%s", path); /* cut is fine here */
        ret_error->line = 0;
        ret_error->what = NULL; /* unless it is the text that is wrong: the errno says it */
        k = fs_read_file(path, &text);
        if (k == -ENOENT)
                return 0;
        if (k < 0)
                return k;
        k = ini_parse(buf_text(&text), text.len, on_entry, &r, &error);
        if (k < 0) {
                ret_error->line = error.line;
                ret_error->what = error.what;
        }
        return k;
}
