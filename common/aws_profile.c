#include "common/aws_profile.h"
#include "common/aws_config_check.h"
#include "common/aws_config_read.h"
#include "common/secret.h"
#include "common/texts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROBLEM_LEN_MAX 512

static const char long_term_suffix[] = "-long-term";

struct plain_key {
        const char *access_key_id;
        struct secret *secret_key;
        bool has_token;
};

struct aws_config {
        struct names names;
        struct aws_profile *profiles; /* one for each of the names */
        struct names key_names;       /* the sections that hold a plain key */
        struct plain_key *keys;
        struct texts texts; /* of all of them */
};

struct aws_config *aws_config_free(struct aws_config *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->key_names.n; i++)
                (void)secret_free(c->keys[i].secret_key); /* always NULL */
        free(c->keys);
        free(c->profiles);
        names_clear(&c->names);
        names_clear(&c->key_names);
        texts_clear(&c->texts);
        free(c);
        return NULL;
}

/* "@name-long-term"; false when that is too long to be a section of ours. */
static bool long_term_name(const char *name, char out[PROFILE_NAME_MAX + 1]) {
        int n = snprintf(out, PROFILE_NAME_MAX + 1, "%s%s", name, long_term_suffix);

        return n >= 0 && n <= PROFILE_NAME_MAX;
}

struct building { /* one profile */
        struct aws_config *c;
        const struct aws_sections *s;
        const struct aws_section *own, *long_term; /* without values when there is none */
        struct aws_profile *p;
        int error; /* -ENOMEM */
};

static bool is_said(const struct aws_value *v) {
        return v->text && (v->text[0] != '\0' || v->is_too_long);
}

/* What NAME says, else what NAME-long-term does; a value without text when neither says anything. */
static const struct aws_value *value_of(const struct building *b, enum aws_setting setting) {
        static const struct aws_value nothing;
        const struct aws_value *own = &b->own->values[setting],
                               *other = &b->long_term->values[setting];

        return is_said(own) ? own : is_said(other) ? other : &nothing;
}

static char *keep(struct building *b, const char *text) {
        char *copy = texts_put(&b->c->texts, text, strlen(text));

        if (!copy)
                b->error = -ENOMEM;
        return copy;
}

/* Notes why the profile cannot be used, unless that has been said. */
static _printf_(3, 4) void complain(struct building *b, const struct aws_value *v,
                                    const char *format, ...) {
        char text[PROBLEM_LEN_MAX], *copy;
        va_list ap;
        int n;

        if (*b->p->problem)
                return;
        n = snprintf(text, sizeof(text),
                     "%sline %u: ", v->is_credentials ? "credentials file, " : "", v->line);
        va_start(ap, format);
        /* names in it are bounded: nothing is cut */
        (void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
        va_end(ap);
        copy = keep(b, text);
        if (copy)
                b->p->problem = copy;
}

/* The settings that are taken as they stand, if the check has nothing against it. */
static const struct field {
        enum aws_setting setting;
        bool is_of_role; /* means nothing for other profiles */
        size_t offset;   /* in struct aws_profile */
        aws_config_check_fn check;
} fields[] = {
#define FIELD(name) offsetof(struct aws_profile, name)
        {AWS_SET_ROLE_ARN, true, FIELD(role_arn), aws_config_check_role_arn},
        {AWS_SET_SOURCE_PROFILE, true, FIELD(source_profile), aws_config_check_profile_name},
        {AWS_SET_EXTERNAL_ID, true, FIELD(external_id), aws_config_check_external_id},
        {AWS_SET_SESSION_NAME, true, FIELD(role_session_name), aws_config_check_session_name},
        {AWS_SET_SOURCE_IDENTITY, true, FIELD(source_identity), aws_config_check_session_name},
        {AWS_SET_POLICY, true, FIELD(session_policy), aws_config_check_policy},
        {AWS_SET_POLICY_ARNS, true, FIELD(policy_arns), aws_config_check_policy_arns},
        {AWS_SET_TAGS, true, FIELD(session_tags), aws_config_check_tags},
        {AWS_SET_TRANSITIVE_TAGS, true, FIELD(transitive_tags), aws_config_check_tag_keys},
        {AWS_SET_REGION, false, FIELD(where.region), aws_config_check_region},
        {AWS_SET_PROXY, false, FIELD(proxy), aws_config_check_proxy},
        {AWS_SET_SIGNIN_URL, false, FIELD(where.signin_url), aws_config_check_url},
#undef FIELD
};

/* Keeps the value at @ret, or complains of it. */
static void take(struct building *b, enum aws_setting setting, const struct aws_value *v,
                 const char *text, aws_config_check_fn check, const char **ret) {
        const char *why;
        char *copy;

        if (!is_said(v))
                return;
        if (v->is_too_long) {
                complain(b, v, "%s is too long", aws_setting_name(setting));
                return;
        }
        copy = keep(b, text);
        if (!copy)
                return;
        why = check(copy);
        if (why)
                complain(b, v, "%s %s", aws_setting_name(setting), why);
        else
                *ret = copy;
}

static void take_fields(struct building *b) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                const struct field *f = &fields[i];
                const struct aws_value *v = value_of(b, f->setting);

                if (f->is_of_role && !b->p->is_role)
                        continue;
                take(b, f->setting, v, v->text, f->check,
                     (const char **)(void *)((char *)b->p + f->offset));
        }
}

/* mfa_serial comes before aws_mfa_device, but both of NAME before those of NAME-long-term. */
static void take_mfa_serial(struct building *b) {
        const struct aws_section *sections[] = {b->own, b->long_term};
        static const enum aws_setting settings[] = {AWS_SET_MFA_SERIAL, AWS_SET_MFA_DEVICE};

        for (size_t i = 0; i < ELEMENTSOF(sections); i++)
                for (size_t k = 0; k < ELEMENTSOF(settings); k++) {
                        const struct aws_value *v = &sections[i]->values[settings[k]];

                        if (!is_said(v))
                                continue;
                        take(b, settings[k], v, v->text, aws_config_check_mfa_serial,
                             &b->p->mfa_serial);
                        return;
                }
}

/* "~" and "~/..." stand for HOME; "~name" stays, and is then no absolute path. */
static void take_ca_bundle(struct building *b) {
        const struct aws_value *v = value_of(b, AWS_SET_CA_BUNDLE);
        const char *home = getenv("HOME"), *path = v->text ? v->text : "";
        char full[2 * PATH_LEN_MAX];

        if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home) {
                int n = snprintf(full, sizeof(full), "%s%s", home, path + 1);

                if (n >= 0 && (size_t)n < sizeof(full))
                        path = full;
        }
        take(b, AWS_SET_CA_BUNDLE, v, path, aws_config_check_path, &b->p->ca_bundle);
}

/* The profile's [services NAME], or NULL: it names none, or one that is not there. */
static const struct aws_services *find_services(struct building *b) {
        const struct aws_value *v = value_of(b, AWS_SET_SERVICES);
        size_t i;

        if (!is_said(v))
                return NULL;
        i = names_find(&b->s->services_names, v->text);
        if (i != SIZE_MAX && b->s->services[i].is_filled)
                return &b->s->services[i];
        if (!v->is_too_long && text_is_printable(v->text, PROFILE_NAME_MAX))
                complain(b, v, "there is no section [services %s], or nothing in it", v->text);
        else
                complain(b, v, "services names a section that is not there");
        return NULL;
}

/* A service's own address comes before the profile's for all services. */
static void take_endpoint(struct building *b, const struct aws_value *of_service, unsigned bad_line,
                          const char *service, const char **ret) {
        const struct aws_value *v = of_service;

        if (bad_line > 0)
                complain(b, &(struct aws_value){.line = bad_line},
                         "%s is no block with an indented \"endpoint_url = ...\"", service);
        if (!is_said(v))
                v = value_of(b, AWS_SET_ENDPOINT_URL);
        take(b, AWS_SET_ENDPOINT_URL, v, v->text, aws_config_check_url, ret);
}

static bool is_true(const struct building *b, enum aws_setting setting) {
        const struct aws_value *v = value_of(b, setting);

        return is_said(v) && aws_config_is_true(v->text);
}

static void take_endpoints(struct building *b) {
        static const struct aws_services nothing;
        const struct aws_services *services;
        const struct aws_value *regional = value_of(b, AWS_SET_STS_REGIONAL);
        struct aws_where *where = &b->p->where;

        where->use_fips = is_true(b, AWS_SET_FIPS);
        where->use_dualstack = is_true(b, AWS_SET_DUALSTACK);
        where->use_global = is_said(regional) && strcmp(regional->text, "legacy") == 0;
        if (is_said(regional) && !where->use_global && strcmp(regional->text, "regional") != 0)
                complain(b, regional, "sts_regional_endpoints is neither regional nor legacy");
        where->ignores_urls = is_true(b, AWS_SET_IGNORE_ENDPOINT_URLS);
        if (where->ignores_urls)
                return;
        services = find_services(b);
        services = services ? services : &nothing;
        take_endpoint(b, &services->sts_url, services->sts_bad_line, "sts", &where->sts_url);
        take_endpoint(b, &services->iam_url, services->iam_bad_line, "iam", &where->iam_url);
}

/* Where else the profile has its credentials from, of all places that are not ours; NULL for none. */
static const char *foreign_source(const struct building *b) {
        static const enum aws_setting settings[] = {AWS_SET_PROCESS, AWS_SET_SSO_SESSION,
                                                    AWS_SET_SSO_START_URL};

        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                if (is_said(value_of(b, settings[i])))
                        return aws_setting_name(settings[i]);
        return NULL;
}

/* A role's credentials have to come from a profile, and so in the end from a key in the vault. That a
 * setting is there counts here, even with nothing behind it, as it does for botocore. */
static void check_source(struct building *b) {
        static const char *const known[] = {"Environment", "Ec2InstanceMetadata", "EcsContainer"};
        const struct aws_value *role = &b->own->values[AWS_SET_ROLE_ARN];
        const struct aws_value *web = &b->own->values[AWS_SET_WEB_IDENTITY];
        const struct aws_value *source = &b->own->values[AWS_SET_CREDENTIAL_SOURCE];
        const char *foreign = foreign_source(b);

        if (web->text)
                complain(b, web,
                         "web_identity_token_file: mfad serves roles from keys in its vault only; "
                         "SDKs assume this one by themselves");
        if (source->text && is_said(value_of(b, AWS_SET_SOURCE_PROFILE)))
                complain(b, source, "credential_source and source_profile exclude each other");
        for (size_t i = 0; source->text && i < ELEMENTSOF(known); i++)
                if (strcmp(source->text, known[i]) == 0)
                        complain(b, source,
                                 "credential_source = %s: mfad serves roles from keys in its "
                                 "vault only; use source_profile",
                                 known[i]);
        if (source->text)
                complain(b, source, "credential_source is none that AWS knows; use source_profile");
        if (is_said(value_of(b, AWS_SET_SOURCE_PROFILE)))
                return;
        if (foreign)
                complain(b, role,
                         "role_arn without source_profile; mfad makes no use of %s, it serves "
                         "roles from keys in its vault only",
                         foreign);
        else
                complain(b, role, "role_arn without source_profile");
}

static void take_role(struct building *b) {
        const struct aws_value *duration = value_of(b, AWS_SET_DURATION);
        const struct aws_value *direct = value_of(b, AWS_SET_DIRECT_MFA);
        struct aws_profile *p = b->p;
        const char *why, *said = "";

        check_source(b);
        if (is_said(duration)) {
                why = aws_config_check_duration(duration->text, &p->duration_sec);
                if (why)
                        complain(b, duration, "duration_seconds %s", why);
        }
        take(b, AWS_SET_DIRECT_MFA, direct, direct->text, aws_config_check_bool, &said);
        p->is_direct_mfa = aws_config_is_true(said);
}

/* After the fields, which have brought both lists into their one spelling. */
static void check_transitive_tags(struct building *b) {
        struct aws_profile *p = b->p;

        if (!*p->problem && !aws_config_has_tags(p->session_tags, p->transitive_tags))
                complain(b, value_of(b, AWS_SET_TRANSITIVE_TAGS),
                         "mfad_transitive_tags names a tag that mfad_session_tags does not have");
}

static int build(struct aws_config *c, const struct aws_sections *s, struct aws_profile *p) {
        static const struct aws_section nothing;
        struct building b = {.c = c, .s = s, .p = p};
        char other[PROFILE_NAME_MAX + 1];
        const char *name = p->name;

        b.own = aws_sections_find(s, name);
        b.long_term = long_term_name(name, other) ? aws_sections_find(s, other) : NULL;
        b.own = b.own ? b.own : &nothing;
        b.long_term = b.long_term ? b.long_term : &nothing;

        p->is_role = is_said(&b.own->values[AWS_SET_ROLE_ARN]);
        if (p->is_role)
                take_role(&b);
        take_fields(&b);
        take_mfa_serial(&b);
        take_ca_bundle(&b);
        take_endpoints(&b);
        check_transitive_tags(&b);
        p->has_key = (b.long_term->access_key_id && b.long_term->has_secret_key) ||
                     (b.own->access_key_id && b.own->has_secret_key && !b.own->has_session_token);
        return b.error;
}

/* Lists each profile once, "-long-term" taken off. */
static int list_names(struct aws_config *c, const struct aws_sections *s) {
        const size_t suffix_len = sizeof(long_term_suffix) - 1;

        for (size_t i = 0; i < s->names.n; i++) {
                char name[PROFILE_NAME_MAX + 1];
                size_t len = strlen(s->names.list[i]), place;
                int r;

                strcpy(name, s->names.list[i]); /* of that length at most */
                if (len > suffix_len && strcmp(name + len - suffix_len, long_term_suffix) == 0)
                        name[len - suffix_len] = '\0';
                r = names_put(&c->names, name, &place);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int build_all(struct aws_config *c, const struct aws_sections *s) {
        int r;

        r = list_names(c, s);
        if (r < 0)
                return r;
        c->profiles = calloc(c->names.n + 1, sizeof(*c->profiles));
        if (!c->profiles)
                return -ENOMEM;
        for (size_t i = 0; i < c->names.n; i++) {
                c->profiles[i] = (struct aws_profile){
                        .name = c->names.list[i],
                        .where = {.region = "", .sts_url = "", .iam_url = "", .signin_url = ""},
                        .ca_bundle = "",
                        .proxy = "",
                        .mfa_serial = "",
                        .problem = "",
                        .role_arn = "",
                        .source_profile = "",
                        .external_id = "",
                        .role_session_name = "",
                        .source_identity = "",
                        .session_policy = "",
                        .policy_arns = "",
                        .session_tags = "",
                        .transitive_tags = "",
                };
                r = build(c, s, &c->profiles[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Takes the plain keys out of @s. */
static int take_keys(struct aws_config *c, struct aws_sections *s) {
        c->keys = calloc(s->names.n + 1, sizeof(*c->keys));
        if (!c->keys)
                return -ENOMEM;
        for (size_t i = 0; i < s->names.n; i++) {
                struct aws_section *from = &s->list[i];
                size_t place;
                char *id;
                int r;

                if (!from->access_key_id || !from->secret_key)
                        continue;
                id = texts_put(&c->texts, from->access_key_id, strlen(from->access_key_id));
                if (!id)
                        return -ENOMEM;
                r = names_put(&c->key_names, from->name, &place);
                if (r < 0)
                        return r;
                c->keys[place] = (struct plain_key){.access_key_id = id,
                                                    .secret_key = TAKE_PTR(from->secret_key),
                                                    .has_token = from->has_session_token};
        }
        return 0;
}

int aws_config_load(const char *config_path, const char *credentials_path, bool with_keys,
                    struct aws_config **ret, struct aws_config_error *ret_error) {
        _cleanup_(aws_config_freep) struct aws_config *c = calloc(1, sizeof(*c));
        _cleanup_(aws_sections_clear) struct aws_sections s = {0};
        int r;

        *ret_error = (struct aws_config_error){.what = "out of memory"};
        if (!c)
                return -ENOMEM;
        if ((r = aws_config_read(&s, config_path, false, with_keys, ret_error)) < 0 ||
            (r = aws_config_read(&s, credentials_path, true, with_keys, ret_error)) < 0)
                return r;
        if (s.names.n > AWS_PROFILES_MAX) {
                /* the file with most of them, as a rule */
                (void)snprintf(ret_error->file, sizeof(ret_error->file), "%s", config_path);
                ret_error->what = "too many profiles";
                return -E2BIG;
        }
        ret_error->what = "out of memory";
        if ((r = build_all(c, &s)) < 0 || (with_keys && (r = take_keys(c, &s)) < 0))
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

const struct aws_profile *aws_config_find(const struct aws_config *c, const char *name) {
        size_t i = names_find(&c->names, name);

        return i == SIZE_MAX ? NULL : &c->profiles[i];
}

size_t aws_config_n_profiles(const struct aws_config *c) {
        return c->names.n;
}

const struct aws_profile *aws_config_at(const struct aws_config *c, size_t i) {
        assert(i < c->names.n);

        return &c->profiles[i];
}

int aws_config_plain_key(const struct aws_config *c, const char *name, struct aws_plain_key *ret) {
        char other[PROFILE_NAME_MAX + 1];
        size_t i = SIZE_MAX;

        if (long_term_name(name, other))
                i = names_find(&c->key_names, other);
        if (i == SIZE_MAX) {
                i = names_find(&c->key_names, name);
                if (i == SIZE_MAX || c->keys[i].has_token)
                        return -ENOENT;
        }
        *ret = (struct aws_plain_key){.secret_key = c->keys[i].secret_key};
        strcpy(ret->section, c->key_names.list[i]);
        strcpy(ret->access_key_id, c->keys[i].access_key_id);
        return 0;
}
