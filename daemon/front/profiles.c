#include "daemon/front/profiles.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/config.h"
#include "daemon/front/file_watch.h"
#include "daemon/front/role_names.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_AGAIN_USEC USEC_PER_SEC /* a lookup must not cost two stat(2) each */
#define NOTICE_MAX      (PATH_LEN_MAX + 256)

struct file_state { /* two equal ones: nobody has written in between */
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec mtime;
};

struct profiles {
        const struct config *config;  /* lent */
        struct signer_client *signer; /* lent */
        struct file_watch *files_watch;
        struct aws_config *aws; /* NULL until a first reading succeeded */
        struct file_state files[2];
        bool has_read; /* in this state */
        uint64_t looked_usec;
        uint64_t generation;
        char notice[NOTICE_MAX]; /* "" for none */
        char session_name[ROLE_SESSION_NAME_MAX + 1];
        /* the open vault's keys, remembered while it is sealed: their sessions are still served */
        char keys[SIGNER_KEYS_MAX][KEY_NAME_MAX + 1];
        size_t n_keys;
        void (*fn)(void *userdata);
        void *userdata;
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
        size_t n;

        if (signer_client_vault(p->signer) != VAULT_OPEN)
                return;
        n = signer_client_n_keys(p->signer);
        if (n > SIGNER_KEYS_MAX)
                n = SIGNER_KEYS_MAX;
        if (n != p->n_keys)
                p->generation++;
        p->n_keys = n;
        for (size_t i = 0; i < n; i++) {
                const char *name = signer_client_key(p->signer, i)->name;

                if (strcmp(p->keys[i], name) != 0)
                        p->generation++;
                strcpy(p->keys[i], name);
        }
}

static bool has_changed(const struct profiles *p) {
        struct file_state config = state_of(p->config->aws_config_file);
        struct file_state credentials = state_of(p->config->aws_credentials_file);

        return !is_same(&config, &p->files[0]) || !is_same(&credentials, &p->files[1]);
}

/* Returns true when the files were read anew. */
static bool reload(struct profiles *p) {
        const char *paths[] = {p->config->aws_config_file, p->config->aws_credentials_file};
        struct aws_config_error error = {0};
        struct aws_config *fresh;
        int r;

        if (p->has_read && !has_changed(p))
                return false;
        p->has_read = true;
        /* before they are read, so that a change meanwhile is not missed; a broken one is read again
         * when it has changed */
        p->files[0] = state_of(paths[0]);
        p->files[1] = state_of(paths[1]);
        *p->notice = '\0';
        r = aws_config_load(paths[0], paths[1], false, &fresh, &error);
        if (r < 0) {
                char line[24] = "";

                if (error.line > 0)
                        (void)snprintf(line, sizeof(line), " line %u", error.line);
                (void)snprintf(p->notice, sizeof(p->notice), "\"%.*s\"%s: %s; %s", PATH_LEN_MAX,
                               error.file, line,
                               r == -EACCES ? "cannot be read; if its folder is new, restart mfad"
                               : error.what ? error.what
                                            : "cannot be read",
                               p->aws ? "keeping what was read before" : "no profiles are known");
                log_event(EVENT_CONFIG_BROKEN, NULL, "%s%s%s", p->notice, r == -EINVAL ? "" : ": ",
                          r == -EINVAL ? "" : strerror(-r));
                return true;
        }
        if (p->aws)
                log_event(EVENT_CONFIG_READ, NULL, "read \"%s\" and \"%s\" again", paths[0],
                          paths[1]);
        (void)aws_config_free(p->aws); /* always NULL */
        p->aws = fresh;
        p->generation++;
        return true;
}

void profiles_refresh(struct profiles *p) {
        p->looked_usec = clock_boot_usec();
        remember_keys(p);
        if (reload(p) && p->fn)
                p->fn(p->userdata);
}

static void on_files_changed(void *userdata) {
        profiles_refresh(userdata);
}

/* Where inotify(7) hears nothing, somebody's request is the time to look. The reading itself has to wait
 * for its turn: a view that was resolved just before is still in use. */
static void look(struct profiles *p) {
        remember_keys(p);
        if (clock_boot_usec() - p->looked_usec < LOOK_AGAIN_USEC)
                return;
        p->looked_usec = clock_boot_usec();
        if (has_changed(p))
                file_watch_poke(p->files_watch);
}

static bool has_key(const struct profiles *p, const char *name) {
        for (size_t i = 0; i < p->n_keys; i++)
                if (strcmp(p->keys[i], name) == 0)
                        return true;
        return false;
}

static const struct aws_profile *find(const struct profiles *p, const char *name) {
        return p->aws ? aws_config_find(p->aws, name) : NULL;
}

/* May @name, whose profile is @profile or NULL, be served by a session of a key of that name? While
 * the vault is sealed nobody knows which keys it has. */
static bool is_key(const struct profiles *p, const char *name, const struct aws_profile *profile) {
        if (has_key(p, name))
                return true;
        return signer_client_vault(p->signer) != VAULT_OPEN && profile && !profile->is_role &&
               text_is_key_name(name);
}

/* A [default] that is neither a key nor a role, such as one that only sets a region for all programs, is
 * nothing to buy credentials with: then the only key is meant. */
static const char *default_name(const struct profiles *p) {
        const struct aws_profile *profile;

        if (*p->config->default_profile)
                return p->config->default_profile;
        profile = find(p, "default");
        if (!has_key(p, "default") && !(profile && profile->is_role) && p->n_keys == 1)
                return p->keys[0];
        return "default";
}

static enum profile_kind unusable(struct profile_view *v, const char *problem) {
        (void)snprintf(v->problem, sizeof(v->problem), "%s", problem);
        v->kind = PROFILE_UNUSABLE;
        return v->kind;
}

/* Does @p leave it to its source whether it calls AWS or an endpoint of somebody's own? */
static bool is_open_where(const struct aws_profile *p) {
        return !p->where.ignores_urls && !p->where.use_fips && !p->where.use_dualstack;
}

/* A role calls where the credentials that assume it were bought, unless it says otherwise: another
 * partition, or a private STS, knows nothing of them. @with_urls: also at which endpoint. */
static void inherit(struct aws_profile *to, const struct aws_profile *from, bool with_urls) {
        const struct {
                const char **to;
                const char *from;
        } fields[] = {
                {&to->where.region, from->where.region},
                {&to->ca_bundle, from->ca_bundle},
                {&to->proxy, from->proxy},
                {&to->where.sts_url, with_urls ? from->where.sts_url : ""},
                {&to->where.iam_url, with_urls ? from->where.iam_url : ""},
                {&to->where.signin_url, with_urls ? from->where.signin_url : ""},
        };

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (!**fields[i].to)
                        *fields[i].to = fields[i].from;
}

/* "a -> b -> c -> a" for the circle that @on lies on: the same words whoever asks. */
static enum profile_kind cycle(const struct profiles *p, const struct aws_profile *on,
                               struct profile_view *v) {
        const struct aws_profile *first = on, *at = on;
        size_t n;

        while ((at = find(p, at->source_profile)) != on)
                if (strcmp(at->name, first->name) < 0)
                        first = at;
        n = (size_t)snprintf(v->problem, sizeof(v->problem), "source_profile goes in a circle: %s",
                             first->name);
        at = first;
        do {
                at = find(p, at->source_profile);
                if (n < sizeof(v->problem))
                        n += (size_t)snprintf(v->problem + n, sizeof(v->problem) - n, " -> %s",
                                              at->name);
        } while (at != first);
        v->kind = PROFILE_UNUSABLE;
        return v->kind;
}

static enum profile_kind no_source(struct profile_view *v, const struct aws_profile *from,
                                   bool is_known) {
        (void)snprintf(v->problem, sizeof(v->problem),
                       is_known
                               ? "source_profile \"%s\" of profile \"%s\" has no key in the vault. "
                                 "Run: mfactl key import"
                               : "source_profile \"%s\" of profile \"%s\" does not exist",
                       from->source_profile, from->name);
        v->kind = PROFILE_UNUSABLE;
        return v->kind;
}

static enum profile_kind bad_link(struct profile_view *v, const struct aws_profile *link,
                                  const char *problem) {
        (void)snprintf(v->problem, sizeof(v->problem), "its source \"%s\": %s", link->name,
                       problem);
        v->kind = PROFILE_UNUSABLE;
        return v->kind;
}

/* What a profile says about where to call may contradict itself. */
static bool is_somewhere(const struct aws_profile *p, const char **ret_why) {
        struct aws_endpoint endpoint;

        return aws_endpoint_find(AWS_STS, &p->where, &endpoint, ret_why) >= 0;
}

/* A session has a name, too: that of its key, or of the role that a code is spent on. */
static bool may_have_session(const struct profiles *p, const struct aws_profile *direct) {
        return text_is_key_name(direct->name) && !has_key(p, direct->name);
}

/* Is @source, what @at names as its source, a key? A role may name itself when it has a key of its own,
 * which only an open vault can tell. */
static bool is_key_source(const struct profiles *p, const struct aws_profile *at,
                          const struct aws_profile *source) {
        return is_key(p, at->source_profile, source) ||
               (source == at && signer_client_vault(p->signer) != VAULT_OPEN &&
                text_is_key_name(at->name));
}

/* Follows source_profile from the role @role to the session that all begins with. */
static enum profile_kind follow(const struct profiles *p, const struct aws_profile *role,
                                struct profile_view *v) {
        size_t left = aws_config_n_profiles(p->aws) + 1;
        const struct aws_profile *at = role;
        const char *why = "";
        bool with_urls = true;

        while (left-- > 0) {
                const struct aws_profile *source = find(p, at->source_profile);

                with_urls = with_urls && is_open_where(at);
                if (source)
                        inherit(&v->profile, source, with_urls);
                /* as in botocore, a source with a key of its own is that key, role_arn or not */
                if (at->is_direct_mfa && !may_have_session(p, at))
                        return unusable(v,
                                        "mfad_direct_mfa needs a profile name that no key has, of "
                                        "at most 64 letters, digits and ._@+=,:/-");
                if (is_key_source(p, at, source)) {
                        strcpy(v->key, at->source_profile); /* a key's name: fits */
                        strcpy(v->session, at->is_direct_mfa ? at->name : v->key);
                        v->kind = role->is_direct_mfa ? PROFILE_DIRECT : PROFILE_ROLE;
                        return v->kind;
                }
                if (at->is_direct_mfa)
                        return unusable(v,
                                        "mfad_direct_mfa needs a source_profile that has a key in "
                                        "the vault, not a role");
                if (!source || !source->is_role)
                        return no_source(v, at, source != NULL);
                if (*source->problem)
                        return bad_link(v, source, source->problem);
                if (!is_somewhere(source, &why))
                        return bad_link(v, source, why);
                if (at == role && !source->is_direct_mfa)
                        v->source = source->name;
                at = source;
        }
        return cycle(p, at, v);
}

static enum profile_kind check_where(struct profile_view *v) {
        const char *why = "";

        return is_somewhere(&v->profile, &why) ? v->kind : unusable(v, why);
}

static enum profile_kind resolve_role(const struct profiles *p, const struct aws_profile *role,
                                      struct profile_view *v) {
        if (*role->problem)
                return unusable(v, role->problem);
        if (follow(p, role, v) == PROFILE_UNUSABLE)
                return v->kind;
        v->is_shortened = v->kind == PROFILE_ROLE && role->duration_sec > AWS_CHAINED_SEC_MAX;
        return check_where(v);
}

/* Nothing said. */
static const struct aws_profile empty_profile = {
        .name = "",
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

static enum profile_kind resolve(const struct profiles *p, const char *name,
                                 struct profile_view *v) {
        const struct aws_profile *profile = find(p, name);

        *v = (struct profile_view){.kind = PROFILE_UNKNOWN, .source = "", .profile = empty_profile};
        v->profile.name = name;
        if (profile)
                v->profile = *profile;
        if (profile && profile->is_role)
                return resolve_role(p, profile, v);
        if (!is_key(p, name, profile))
                return v->kind;
        strcpy(v->key, name); /* a key's name: fits */
        strcpy(v->session, name);
        v->kind = PROFILE_KEY;
        if (profile && *profile->problem)
                return unusable(v, profile->problem);
        return check_where(v);
}

enum profile_kind profiles_resolve(struct profiles *p, const char *name, struct profile_view *ret) {
        look(p);
        return resolve(p, name && *name ? name : default_name(p), ret);
}

enum profile_kind profiles_resolve_arn(struct profiles *p, const char *arn,
                                       struct profile_view *ret) {
        struct aws_profile from;

        look(p);
        (void)resolve(p, default_name(p), ret);
        if (ret->kind == PROFILE_UNUSABLE || ret->kind == PROFILE_UNKNOWN)
                return ret->kind;
        from = ret->profile;
        ret->kind = PROFILE_ROLE;
        ret->source = "";
        ret->is_arn = true;
        ret->is_shortened = false;
        strcpy(ret->session, ret->key);
        ret->profile = empty_profile;
        ret->profile.name = ret->profile.role_arn = arn;
        ret->profile.is_role = true;
        ret->profile.where = from.where;
        ret->profile.ca_bundle = from.ca_bundle;
        ret->profile.proxy = from.proxy;
        return ret->kind;
}

const struct aws_profile *profiles_of_key(const struct profiles *p, const char *key) {
        return find(p, key);
}

const char *profiles_mfa_serial(struct profiles *p, const char *key) {
        const struct aws_profile *own;

        look(p);
        own = find(p, key);
        if (own && *own->mfa_serial)
                return own->mfa_serial;
        for (size_t i = 0; p->aws && i < aws_config_n_profiles(p->aws); i++) {
                const struct aws_profile *role = aws_config_at(p->aws, i);
                struct profile_view v;

                if (role->is_role && *role->mfa_serial &&
                    resolve(p, role->name, &v) != PROFILE_UNUSABLE && strcmp(v.key, key) == 0)
                        return role->mfa_serial;
        }
        return "";
}

void profiles_fill_role(const struct profiles *p, const struct profile_view *view,
                        struct aws_role *ret) {
        const struct aws_profile *from = &view->profile;

        /* the parser has checked every length */
        *ret = (struct aws_role){0};
        strcpy(ret->arn, from->role_arn);
        strcpy(ret->session_name,
               *from->role_session_name ? from->role_session_name : p->session_name);
        strcpy(ret->external_id, from->external_id);
        strcpy(ret->source_identity, from->source_identity);
        strcpy(ret->policy, from->session_policy);
        strcpy(ret->policy_arns, from->policy_arns);
        strcpy(ret->tags, from->session_tags);
        strcpy(ret->transitive_tags, from->transitive_tags);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t profiles_list(struct profiles *p, const char *after, const char **ret, size_t max) {
        const char *all[AWS_PROFILES_MAX + SIGNER_KEYS_MAX];
        size_t n = 0, n_ret = 0;

        look(p);
        for (size_t i = 0; p->aws && i < aws_config_n_profiles(p->aws); i++) {
                const struct aws_profile *profile = aws_config_at(p->aws, i);

                /* what is neither a role nor a key is none of ours */
                if (profile->is_role || is_key(p, profile->name, profile))
                        all[n++] = profile->name;
        }
        for (size_t i = 0; i < p->n_keys; i++)
                if (!find(p, p->keys[i]))
                        all[n++] = p->keys[i];
        qsort(all, n, sizeof(*all), compare_names);
        for (size_t i = 0; i < n && n_ret < max; i++)
                if (!after || strcmp(all[i], after) > 0)
                        ret[n_ret++] = all[i];
        return n_ret;
}

const char *profiles_notice(const struct profiles *p) {
        return *p->notice ? p->notice : NULL;
}

uint64_t profiles_generation(const struct profiles *p) {
        return p->generation;
}

void profiles_watch(struct profiles *p, void (*fn)(void *userdata), void *userdata) {
        p->fn = fn;
        p->userdata = userdata;
}

void profiles_config_changed(struct profiles *p) {
        p->generation++; /* names may mean other profiles */
        if (p->fn)
                p->fn(p->userdata);
}

int profiles_new(sd_event *event, const struct config *config, struct signer_client *signer,
                 struct profiles **ret) {
        const char *const paths[] = {config->aws_config_file, config->aws_credentials_file};
        _cleanup_(profiles_freep) struct profiles *p = NULL;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->generation = 1;
        p->config = config;
        p->signer = signer;
        role_session_name(p->session_name);
        profiles_refresh(p);
        r = file_watch_new(event, paths, ELEMENTSOF(paths), on_files_changed, p, &p->files_watch);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

struct profiles *profiles_free(struct profiles *p) {
        if (!p)
                return NULL;
        (void)file_watch_free(p->files_watch); /* both return NULL */
        (void)aws_config_free(p->aws);
        free(p);
        return NULL;
}
