#include "common/aws_profile.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/ini.h"
#include "common/secret.h"

#include <stdio.h>
#include <string.h>

static const char long_term_suffix[] = "-long-term";

/* What the files say under one name; the text fields are NULL where they say nothing. */
struct section {
        char *name;
        char *role_arn;
        char *region;
        char *mfa_serial;
        char *aws_mfa_device;
        char *endpoint_url;
        char *ca_bundle;
        char *access_key_id; /* the last three from the credentials file only */
        bool has_secret_key;
        bool has_session_token;
        struct secret *secret_key; /* kept only when asked for */
};

struct aws_config {
        struct section *sections;
        size_t n_sections;
        char (*names)[PROFILE_NAME_MAX + 1];
        size_t n_names;
};

static const struct setting {
        const char *key;
        size_t offset; /* in struct section */
        size_t max;
} settings[] = {
        {"role_arn", offsetof(struct section, role_arn), USER_ARN_MAX},
        {"region", offsetof(struct section, region), 32},
        {"mfa_serial", offsetof(struct section, mfa_serial), MFA_SERIAL_MAX},
        {"aws_mfa_device", offsetof(struct section, aws_mfa_device), MFA_SERIAL_MAX},
        {"endpoint_url", offsetof(struct section, endpoint_url), URL_MAX_LEN},
        {"ca_bundle", offsetof(struct section, ca_bundle), PATH_LEN_MAX - 1},
};

static char **setting_of(struct section *s, size_t i) {
        return (char **)(void *)((char *)s + settings[i].offset);
}

static void section_reset(struct section *s) {
        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                free(*setting_of(s, i));
                *setting_of(s, i) = NULL;
        }
        free(s->access_key_id);
        s->access_key_id = NULL;
        s->secret_key = secret_free(s->secret_key);
        s->has_secret_key = s->has_session_token = false;
}

struct aws_config *aws_config_free(struct aws_config *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_sections; i++) {
                section_reset(&c->sections[i]);
                free(c->sections[i].name);
        }
        free(c->sections);
        free(c->names);
        free(c);
        return NULL;
}

/* The index of the section @name, or n_sections when there is none. */
static size_t find_index(const struct aws_config *c, const char *name) {
        size_t i = 0;

        while (i < c->n_sections && strcmp(c->sections[i].name, name) != 0)
                i++;
        return i;
}

static const struct section *find_section(const struct aws_config *c, const char *name) {
        size_t i = find_index(c, name);

        return i < c->n_sections ? &c->sections[i] : NULL;
}

/* As find_section() for "@name-long-term". */
static const struct section *find_long_term(const struct aws_config *c, const char *name) {
        char full[PROFILE_NAME_MAX + 1];
        int n = snprintf(full, sizeof(full), "%s%s", name, long_term_suffix);

        return n < 0 || (size_t)n >= sizeof(full) ? NULL : find_section(c, full);
}

static int add_section(struct aws_config *c, const char *name, struct section **ret) {
        struct section *s;

        if (c->n_sections % 64 == 0) {
                s = reallocarray(c->sections, c->n_sections + 64, sizeof(*s));
                if (!s)
                        return -ENOMEM;
                c->sections = s;
        }
        s = &c->sections[c->n_sections];
        *s = (struct section){.name = strdup(name)};
        if (!s->name)
                return -ENOMEM;
        c->n_sections++;
        *ret = s;
        return 0;
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

/* The profile that a section of the config file describes, or "" for none: [default], or any
 * [profile...] of two shell words (botocore.configloader.build_profile_map). */
static void config_profile_name(const char *section, char out[PROFILE_NAME_MAX + 1]) {
        _cleanup_(buf_clear) struct buf first = BUF_INIT(PROFILE_NAME_MAX),
                                        second = BUF_INIT(PROFILE_NAME_MAX);
        static const char space[] = " \t\r\n";
        const char *p = section;

        out[0] = '\0';
        if (strcmp(section, "default") == 0) {
                strcpy(out, section);
                return;
        }
        if (strncmp(section, "profile", 7) != 0)
                return;
        p = shell_word(p, &first);
        if (p)
                p = shell_word(p + strspn(p, space), &second);
        if (p && p[strspn(p, space)] == '\0')
                strcpy(out, buf_text(&second));
}

struct reading { /* one file being read */
        struct aws_config *c;
        bool is_credentials;
        bool with_keys;
        size_t current; /* index of the section that entries belong to; SIZE_MAX for none of ours */
};

static int open_section(struct reading *r, const char *section) {
        char name[PROFILE_NAME_MAX + 1] = "";
        struct section *s;
        size_t i;

        r->current = SIZE_MAX;
        if (!r->is_credentials)
                config_profile_name(section, name);
        else if (strlen(section) <= PROFILE_NAME_MAX && strcmp(section, "DEFAULT") != 0)
                strcpy(name, section);
        if (name[0] == '\0' || !text_is_printable(name, PROFILE_NAME_MAX))
                return 0;

        i = find_index(r->c, name);
        if (i == r->c->n_sections) {
                int k = add_section(r->c, name, &s);

                if (k < 0)
                        return k;
        } else if (!r->is_credentials) {
                /* [default], then [profile default]: the last one holds, alone */
                section_reset(&r->c->sections[i]);
        }
        r->current = i;
        return 0;
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

static int set_setting(struct section *s, const struct ini_entry *e, const char **ret_what) {
        /* a nested block is none of our settings, but it hides what another file has said */
        const char *value = e->value[0] == '\n' ? "" : e->value;

        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                char *copy;

                if (strcmp(e->key, settings[i].key) != 0)
                        continue;
                if (strlen(value) > settings[i].max) {
                        *ret_what = "this value is too long";
                        return -EINVAL;
                }
                copy = strdup(value);
                if (!copy)
                        return -ENOMEM;
                free(*setting_of(s, i));
                *setting_of(s, i) = copy;
                return 0;
        }
        return 0;
}

static int set_key(struct reading *r, struct section *s, const struct ini_entry *e) {
        size_t len = strlen(e->value);

        if (strcmp(e->key, "aws_access_key_id") == 0 && text_is_access_key_id(e->value)) {
                free(s->access_key_id);
                s->access_key_id = strdup(e->value);
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

static int on_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct reading *r = userdata;
        struct section *s;
        int k;

        if (!e->key)
                return open_section(r, e->section);
        if (!is_sound_block(e->value)) {
                *ret_what = "the indented lines below this key are not \"key = value\"";
                return -EINVAL;
        }
        if (r->current == SIZE_MAX)
                return 0;
        s = &r->c->sections[r->current];
        if (r->is_credentials) {
                k = set_key(r, s, e);
                if (k < 0)
                        return k;
        }
        return set_setting(s, e, ret_what);
}

static int read_config(struct reading *r, const char *path, struct aws_config_error *ret_error) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(AWS_FILE_MAX);
        struct ini_error error = {0};
        int k;

        (void)snprintf(ret_error->file, sizeof(ret_error->file), "%s", path); /* cut is fine here */
        ret_error->line = 0;
        ret_error->what = "cannot be read";
        k = fs_read_file(path, &text);
        if (k == -ENOENT)
                return 0;
        if (k < 0)
                return k;
        r->current = SIZE_MAX;
        k = ini_parse(buf_text(&text), text.len, on_entry, r, &error);
        if (k < 0) {
                ret_error->line = error.line;
                ret_error->what = error.what;
        }
        return k;
}

/* Lists each profile once, "-long-term" taken off. */
static int list_names(struct aws_config *c) {
        const size_t suffix_len = sizeof(long_term_suffix) - 1;

        c->names = calloc(c->n_sections + 1, sizeof(*c->names));
        if (!c->names)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_sections; i++) {
                size_t len = strlen(c->sections[i].name), k = 0;
                char *name = c->names[c->n_names];

                strcpy(name, c->sections[i].name);
                if (len > suffix_len && strcmp(name + len - suffix_len, long_term_suffix) == 0)
                        name[len - suffix_len] = '\0';
                while (strcmp(c->names[k], name) != 0)
                        k++; /* ends at @name itself at the latest */
                if (k == c->n_names)
                        c->n_names++;
        }
        return 0;
}

int aws_config_load(const char *config_path, const char *credentials_path, bool with_keys,
                    struct aws_config **ret, struct aws_config_error *ret_error) {
        _cleanup_(aws_config_freep) struct aws_config *c = calloc(1, sizeof(*c));
        struct reading r = {.c = c, .with_keys = with_keys};
        int k;

        *ret_error = (struct aws_config_error){.what = "out of memory"};
        if (!c)
                return -ENOMEM;
        k = read_config(&r, config_path, ret_error);
        if (k < 0)
                return k;
        r.is_credentials = true;
        k = read_config(&r, credentials_path, ret_error);
        if (k < 0)
                return k;
        if (c->n_sections > AWS_PROFILES_MAX) {
                ret_error->what = "too many profiles";
                return -E2BIG;
        }
        k = list_names(c);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(c);
        return 0;
}

/* The section that holds the long-term key of @name, or NULL. */
static const struct section *find_plain_key(const struct aws_config *c, const char *name) {
        const struct section *s = find_long_term(c, name);

        if (s && s->access_key_id && s->has_secret_key)
                return s;
        s = find_section(c, name);
        return s && s->access_key_id && s->has_secret_key && !s->has_session_token ? s : NULL;
}

static const char *first_of(const char *a, const char *b) {
        return a && *a ? a : b && *b ? b : "";
}

static const char *mfa_serial_of(const struct section *s) {
        return s ? first_of(s->mfa_serial, s->aws_mfa_device) : "";
}

/* "~" and "~/..." stand for HOME; "~name" stays, and is then no absolute path. */
static void expand_home(const char *path, char out[PATH_LEN_MAX]) {
        const char *home = getenv("HOME");
        bool expands = path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home;
        int n;

        n = snprintf(out, PATH_LEN_MAX, "%s%s", expands ? home : "", expands ? path + 1 : path);
        if (n < 0 || n >= PATH_LEN_MAX)
                strcpy(out,
                       "~"); /* too long to exist: no file has this name, which is what is told */
}

int aws_config_profile(const struct aws_config *c, const char *name, struct aws_profile *ret) {
        static const struct section nothing = {0};
        const struct section *own = find_section(c, name), *long_term = find_long_term(c, name);
        struct aws_profile p = {0};

        if (!own && !long_term)
                return -ENOENT;
        own = own ? own : &nothing;
        long_term = long_term ? long_term : &nothing;
        if (strlen(name) > PROFILE_NAME_MAX)
                return -ENOENT;
        strcpy(p.name, name);
        p.is_role = own->role_arn && *own->role_arn;
        p.has_key = find_plain_key(c, name) != NULL;
        strcpy(p.region, first_of(own->region, long_term->region));
        strcpy(p.mfa_serial, first_of(mfa_serial_of(own), mfa_serial_of(long_term)));
        strcpy(p.endpoint_url, first_of(own->endpoint_url, long_term->endpoint_url));
        expand_home(first_of(own->ca_bundle, long_term->ca_bundle), p.ca_bundle);
        *ret = p;
        return 0;
}

size_t aws_config_n_profiles(const struct aws_config *c) {
        return c->n_names;
}

const char *aws_config_profile_name(const struct aws_config *c, size_t i) {
        assert(i < c->n_names);

        return c->names[i];
}

int aws_config_plain_key(const struct aws_config *c, const char *name, struct aws_plain_key *ret) {
        const struct section *s = find_plain_key(c, name);

        if (!s || !s->secret_key)
                return -ENOENT;
        *ret = (struct aws_plain_key){.secret_key = s->secret_key};
        strcpy(ret->section, s->name);
        strcpy(ret->access_key_id, s->access_key_id);
        return 0;
}

struct removal {
        const char *text, *section;
        struct buf *ret;
        size_t copied; /* how much of the text has been copied or left out */
        int n_lines;
};

/* Lines end with LF, CR LF or CR; the last one of a file may have no end. */
static int count_lines(const char *text, size_t len) {
        int n = 0;

        for (size_t i = 0; i < len; i++)
                if (text[i] == '\n' || i + 1 == len || (text[i] == '\r' && text[i + 1] != '\n'))
                        n++;
        return n;
}

static int on_removal_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct removal *r = userdata;
        int k;

        (void)ret_what; /* nothing here is the text's fault */
        if (!e->key || strcmp(e->section, r->section) != 0 ||
            (strcmp(e->key, "aws_access_key_id") != 0 &&
             strcmp(e->key, "aws_secret_access_key") != 0))
                return 0;
        k = buf_put(r->ret, r->text + r->copied, e->start - r->copied);
        if (k < 0)
                return k;
        r->n_lines += count_lines(r->text + e->start, e->end - e->start);
        r->copied = e->end;
        return 0;
}

int aws_credentials_without_key(const char *text, size_t len, const char *section,
                                struct buf *ret) {
        struct removal r = {.text = text, .section = section, .ret = ret};
        struct ini_error error;
        int k;

        k = ini_parse(text, len, on_removal_entry, &r, &error);
        if (k < 0)
                return k;
        k = buf_put(ret, text + r.copied, len - r.copied);
        return k < 0 ? k : r.n_lines;
}
