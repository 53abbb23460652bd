#include "daemon/front/persist.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/wire.h"
#include "daemon/front/config.h"
#include "daemon/front/persist_blob.h"
#include "daemon/front/role_kept.h"
#include "daemon/front/roles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define SLEEP_USEC USEC_PER_SEC /* less is the moment between looks at two clocks, and no sleep */

struct persist {
        int dir_fd;
        const struct config *config; /* these are lent */
        struct sessions *sessions;
        struct roles *roles;
        struct signer_client *signer;

        struct secret *key; /* NULL until the vault was open once */
        uint8_t wrapped[SIGNER_WRAPPED_LEN];
        bool is_wrapped; /* @key is, in @wrapped */
        bool is_old; /* the file is of an earlier process: @wrapped is in it, nothing is written yet */
        bool has_file;   /* there is one, as far as we know */
        bool is_changed; /* what it says is not all there is */
        int problem;     /* a negative errno: it could not be written */
        int64_t problem_since_sec;
        uint64_t written_usec;
        uint64_t restore_until_usec; /* no mfad-signer is asked anew after this */
        persist_restored_fn fn;
        void *userdata;
        struct signer_call *asking;
        sd_event_source *ask;   /* outside of what tells us that mfad-signer may be asked */
        sd_event_source *timer; /* when the next change is written */
};

/* What the file says is all there is to say. */
static void settle(struct persist *p) {
        p->is_changed = false;
        p->problem = 0;
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF); /* cannot fail once added */
}

/* Also what a crash in the midst of a write may have left. */
static void remove_file(struct persist *p) {
        static const char *const names[] = {PERSIST_FILE_NAME, PERSIST_FILE_NAME ".new"};

        settle(p);
        p->has_file = false;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (unlinkat(p->dir_fd, names[i], 0) < 0 && errno != ENOENT)
                        (void)log_warning(-errno, "cannot remove the file \"%s\"", names[i]);
}

/* --- writing -------------------------------------------------------------------------------- */

/* All of @ret is lent. */
static bool entry_of_session(const struct session *s, struct persist_entry *ret) {
        const struct lease *l = session_lease(s);
        const struct role_mark *mark = session_mark(s);

        if (!lease_creds(l))
                return false;
        *ret = (struct persist_entry){.kind = mark ? PERSIST_DIRECT : PERSIST_SESSION, .lease = *l};
        if (mark)
                ret->mark = *mark;
        (void)snprintf(ret->name, sizeof(ret->name), "%s", session_name(s));
        (void)snprintf(ret->mfa_serial, sizeof(ret->mfa_serial), "%s", session_mfa_serial(s));
        return true;
}

static bool entry_of_role(const struct role_kept *kept, struct persist_entry *ret) {
        if (!lease_creds(&kept->lease))
                return false;
        *ret = (struct persist_entry){.kind = kept->is_arn ? PERSIST_ROLE_ARN : PERSIST_ROLE,
                                      .is_asked_for = kept->is_asked_for,
                                      .used_usec = kept->used_usec,
                                      .mark = kept->mark,
                                      .lease = kept->lease};
        (void)snprintf(ret->name, sizeof(ret->name), "%s", kept->name);
        return true;
}

static bool has_creds(const struct persist *p) {
        const struct session *s;

        for (size_t i = 0; (s = sessions_at(p->sessions, i)); i++)
                if (lease_creds(session_lease(s)))
                        return true;
        return roles_n_held(p->roles) > 0;
}

/* Sessions first: what does not fit is bought again without a code. */
static int put_entries(const struct persist *p, struct buf *b) {
        const struct session *s;
        struct persist_entry e;
        struct role_kept kept;
        int r;

        for (size_t i = 0; (s = sessions_at(p->sessions, i)); i++) {
                r = entry_of_session(s, &e) ? persist_entry_put(&e, b) : 0;
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; role_kept_get(p->roles, i, &kept); i++) {
                r = entry_of_role(&kept, &e) ? persist_entry_put(&e, b) : 0;
                if (r < 0 && r != -E2BIG)
                        return r;
        }
        return 0;
}

static int write_file(const struct persist *p) {
        _cleanup_(buf_clear) struct buf entries = BUF_INIT(PERSIST_ENTRIES_MAX),
                                        file = BUF_INIT(PERSIST_FILE_MAX);
        int r;

        r = put_entries(p, &entries);
        if (r >= 0)
                r = persist_blob_seal(p->key, p->wrapped, &entries, &file);
        if (r >= 0)
                r = fs_replace_file(p->dir_fd, PERSIST_FILE_NAME, file.data, file.len, 0600);
        return r;
}

static void set_timer(struct persist *p, uint64_t usec) {
        if (sd_event_source_set_time(p->timer, clock_boot_usec() + usec) < 0 ||
            sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT) < 0)
                log_debug("cannot arm the timer of the file \"" PERSIST_FILE_NAME "\"");
}

static void arm(struct persist *p, uint64_t usec) {
        p->is_changed = true; /* so it is written at our end at the latest */
        set_timer(p, usec);
}

static void on_not_written(struct persist *p, int r) {
        if (p->problem == 0) { /* once is enough */
                p->problem_since_sec = clock_wall_sec();
                (void)log_warning(r, "cannot write the file \"" PERSIST_FILE_NAME
                                     "\", so a restart of mfad will cost a code");
        }
        p->problem = r;
        arm(p, PERSIST_AGAIN_SEC * USEC_PER_SEC);
}

/* Brings the file in line with what is held, now. */
static void save(struct persist *p) {
        int r;

        if (!has_creds(p)) {
                if (p->has_file)
                        remove_file(p);
                settle(p);
                return;
        }
        if (!p->is_wrapped)
                return; /* on_wrapped() goes on */
        r = write_file(p);
        if (r < 0) {
                on_not_written(p, r);
                return;
        }
        if (p->problem)
                log_notice("the file \"" PERSIST_FILE_NAME "\" could be written again");
        p->has_file = true;
        p->written_usec = clock_boot_usec();
        settle(p);
}

/* Something stood in the way that may be gone soon. */
static void try_again(struct persist *p) {
        set_timer(p, PERSIST_AGAIN_SEC * USEC_PER_SEC);
}

static void ask_status(struct persist *p);

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct persist *p = userdata;

        if (!p->is_old)
                save(p);
        if ((p->is_old || !p->is_wrapped) && !p->asking)
                ask_status(p); /* and then for the key, if the vault is open */
        return 0;
}

static void save_soon(struct persist *p) {
        uint64_t msec = PERSIST_WRITE_MSEC + roles_n_held(p->roles) * PERSIST_ROLE_MSEC;

        if (!p->is_changed) /* the first of several changes says when */
                arm(p, msec * USEC_PER_MSEC);
}

static void changed(struct persist *p, bool is_urgent) {
        if (p->is_old)
                return; /* that file must be read before it is replaced */
        if (is_urgent || !has_creds(p))
                save(p);
        else
                save_soon(p);
}

void persist_session_changed(struct persist *p, const struct session *session) {
        const struct lease *l = session_lease(session);

        changed(p, lease_creds(l) && l->bought_boot_usec >= p->written_usec);
}

void persist_role_changed(struct persist *p) {
        changed(p, /* is_urgent= */ false);
}

/* --- reading -------------------------------------------------------------------------------- */

/* Gives up the file of an earlier process. */
static void give_up(struct persist *p, int error, const char *why) {
        (void)log_warning(
                error, "the file \"" PERSIST_FILE_NAME "\" %s: removing it, a code is needed", why);
        p->is_old = false;
        p->is_wrapped = false;
        remove_file(p);
}

/* Whether it says nothing about the file, but that we lack something at the moment. */
static bool is_passing(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int load(const struct persist *p, struct buf *ret) {
        return fs_read_private_file(p->dir_fd, PERSIST_FILE_NAME, ret);
}

/* Roles before sessions: what was bought for a profile that has changed must be gone before a session lets it
 * be refreshed. Returns how many came back, or a negative errno. */
static int restore_roles(struct persist *p, const struct buf *entries) {
        struct wire_reader reader;
        int n = 0, r;

        wire_reader_init(&reader, buf_text(entries), entries->len);
        for (;;) {
                _cleanup_(persist_entry_clear) struct persist_entry e = {0};
                struct role_kept kept;

                r = persist_entry_get(&reader, &e);
                if (r <= 0)
                        break;
                if (persist_is_session(e.kind) || !lease_creds(&e.lease))
                        continue;
                kept = (struct role_kept){.name = e.name,
                                          .is_arn = e.kind == PERSIST_ROLE_ARN,
                                          .is_asked_for = e.is_asked_for,
                                          .used_usec = e.used_usec,
                                          .mark = e.mark,
                                          .lease = e.lease};
                r = role_kept_put(p->roles, &kept);
                e.lease = kept.lease;
                n += r >= 0; /* what does not fit is bought again without a code */
        }
        roles_config_changed(p->roles);
        return r < 0 ? r : n;
}

static int restore_sessions(struct persist *p, const struct buf *entries) {
        struct wire_reader reader;
        int n = 0, r;

        wire_reader_init(&reader, buf_text(entries), entries->len);
        for (;;) {
                _cleanup_(persist_entry_clear) struct persist_entry e = {0};

                r = persist_entry_get(&reader, &e);
                if (r <= 0)
                        break;
                if (!persist_is_session(e.kind))
                        continue;
                r = sessions_restore(p->sessions, e.name, e.mfa_serial,
                                     e.kind == PERSIST_DIRECT ? &e.mark : NULL, &e.lease);
                if (r < 0 && r != -EBUSY) /* others, bought meanwhile, may have taken all places */
                        break;
                n += e.lease.creds == NULL; /* taken */
        }
        return r < 0 ? r : n;
}

/* The lock that was due before the machine slept, had mfad been there. */
static bool should_have_locked(const struct persist *p, const struct buf *file) {
        return p->config->lock_on_suspend &&
               clock_asleep_usec() >= persist_blob_asleep_usec(file->data) + SLEEP_USEC;
}

/* Returns whether anything came back. */
static bool restore(struct persist *p) {
        _cleanup_(buf_clear) struct buf file = BUF_INIT(PERSIST_FILE_MAX),
                                        entries = BUF_INIT(PERSIST_ENTRIES_MAX);
        uint8_t wrapped[SIGNER_WRAPPED_LEN];
        int r, n_roles = 0, n_sessions = 0;

        r = load(p, &file);
        if (r >= 0)
                r = persist_blob_check(file.data, file.len, wrapped);
        if (r >= 0)
                r = persist_blob_open(p->key, file.data, file.len, &entries);
        if (r >= 0 && should_have_locked(p, &file)) {
                p->key = secret_free(p->key);
                give_up(p, 0, "is from before the machine slept (lock_on_suspend)");
                return false;
        }
        if (r >= 0)
                r = n_roles = restore_roles(p, &entries);
        if (r >= 0)
                r = n_sessions = restore_sessions(p, &entries);
        if (r < 0) {
                p->key = secret_free(p->key);
                if (is_passing(r)) {
                        (void)log_warning(r, "cannot read the file \"" PERSIST_FILE_NAME
                                             "\" now, and will try again");
                        try_again(p);
                } else {
                        give_up(p, r, "was changed or cannot be read");
                }
                return false;
        }
        p->is_old = false;
        p->is_wrapped = true;
        p->written_usec = clock_boot_usec();
        if (n_sessions + n_roles > 0)
                log_notice("back from before the start: %d session%s, %d role%s", n_sessions,
                           n_sessions == 1 ? "" : "s", n_roles, n_roles == 1 ? "" : "s");
        changed(p, /* is_urgent= */ false);
        return n_sessions + n_roles > 0;
}

/* --- the key -------------------------------------------------------------------------------- */

static void tell(const struct persist *p, bool is_back) {
        if (p->fn && !persist_is_restoring(p))
                p->fn(is_back, p->userdata);
}

/* mfad-signer did not answer. One that starts afresh has closed its connections, and is there again in a moment;
 * else its next news bring the next try. */
static void on_no_answer(struct persist *p, int r) {
        if (r == -ECONNRESET && clock_boot_usec() < p->restore_until_usec)
                ask_status(p);
        tell(p, /* is_back= */ false);
}

static void on_unwrapped(int r, struct signer_answer *answer, void *userdata) {
        struct persist *p = userdata;
        bool is_back = false;

        p->asking = NULL;
        if (r < 0) {
                on_no_answer(p, r);
                return;
        }
        if (answer->type == SIGNER_ANSWER_UNWRAPPED) {
                p->key = secret_free(p->key);
                p->key = TAKE_PTR(answer->blob_key);
                is_back = restore(p);
        } else if (answer->type == SIGNER_ANSWER_REFUSED &&
                   answer->refusal == SIGNER_REFUSED_ALIEN) {
                give_up(p, 0, "is not of this vault, its passphrase and this boot");
        } else { /* sealed meanwhile, or in trouble */
                try_again(p);
        }
        /* then a key of our own, or the one that came back: wrapped under an earlier passphrase, perhaps */
        if (!p->is_old)
                persist_signer_changed(p);
        tell(p, is_back);
}

static void on_wrapped(int r, struct signer_answer *answer, void *userdata) {
        struct persist *p = userdata;

        p->asking = NULL;
        if (r < 0 || answer->type != SIGNER_ANSWER_WRAPPED) {
                try_again(p);
                return;
        }
        memcpy(p->wrapped, answer->wrapped, sizeof(p->wrapped));
        p->is_wrapped = true;
        /* who bought a session meanwhile waits for this; and a file with the key as it was wrapped before is
         * worth nothing once mfad-signer has forgotten an earlier passphrase */
        changed(p, /* is_urgent= */ true);
}

static int make_key(struct persist *p) {
        int r;

        r = secret_new(SIGNER_BLOB_KEY_LEN, &p->key);
        if (r < 0)
                return r;
        if (RAND_priv_bytes((unsigned char *)secret_reveal(p->key), SIGNER_BLOB_KEY_LEN) != 1) {
                p->key = secret_free(p->key);
                return -EIO;
        }
        return 0;
}

/* The vault is open: the old file can be read now, or a new one be written as soon as there is need for it. A key
 * that was wrapped before is wrapped again: the passphrase may be another one now. */
static int on_ask(_unused_ sd_event_source *s, void *userdata) {
        struct persist *p = userdata;
        struct signer_request q = {.type = p->is_old ? SIGNER_REQUEST_UNWRAP : SIGNER_REQUEST_WRAP};
        int r = 0;

        if (signer_client_vault(p->signer) != VAULT_OPEN || (p->is_old && p->asking))
                return 0;
        p->asking = signer_call_cancel(p->asking);
        if (p->is_old) {
                memcpy(q.wrapped, p->wrapped, sizeof(q.wrapped));
        } else {
                r = p->key ? 0 : make_key(p);
                if (r >= 0)
                        memcpy(q.blob_key, secret_reveal(p->key), sizeof(q.blob_key));
        }
        if (r >= 0)
                r = signer_client_ask(p->signer, &q, p->is_old ? on_unwrapped : on_wrapped, p,
                                      &p->asking);
        explicit_bzero(&q, sizeof(q));
        if (r < 0) {
                (void)log_warning(r, "cannot ask mfad-signer about the file \"" PERSIST_FILE_NAME
                                     "\" now, and will try again");
                try_again(p);
                tell(p, /* is_back= */ false);
        }
        return 0;
}

void persist_signer_changed(struct persist *p) {
        if (signer_client_vault(p->signer) == VAULT_OPEN)
                (void)sd_event_source_set_enabled(p->ask, SD_EVENT_ONESHOT); /* cannot fail */
}

static void on_status(int r, _unused_ struct signer_answer *answer, void *userdata) {
        struct persist *p = userdata;

        p->asking = NULL;
        if (r < 0) {
                on_no_answer(p, r);
                return;
        }
        persist_signer_changed(p);
        tell(p, /* is_back= */ false);
}

static void ask_status(struct persist *p) {
        struct signer_request q = {.type = SIGNER_REQUEST_STATUS};

        (void)signer_client_ask(p->signer, &q, on_status, p, &p->asking); /* else later */
}

void persist_start(struct persist *p) {
        p->restore_until_usec = clock_boot_usec() + PERSIST_RESTORE_SEC * USEC_PER_SEC;
        if (p->is_old)
                ask_status(p);
}

void persist_watch(struct persist *p, persist_restored_fn fn, void *userdata) {
        p->fn = fn;
        p->userdata = userdata;
}

int persist_problem(const struct persist *p, int64_t *ret_since_sec) {
        *ret_since_sec = p->problem_since_sec;
        return p->problem;
}

bool persist_is_restoring(const struct persist *p) {
        int is_due = SD_EVENT_OFF;

        if (!p->is_old)
                return false;
        (void)sd_event_source_get_enabled(p->ask, &is_due); /* cannot fail once added */
        return p->asking || is_due != SD_EVENT_OFF;
}

void persist_forget(struct persist *p) {
        p->asking = signer_call_cancel(p->asking);
        p->is_old = false;
        p->is_wrapped = false;
        p->key = secret_free(p->key);
        remove_file(p);
}

/* --- birth and end -------------------------------------------------------------------------- */

static int look(struct persist *p) {
        _cleanup_(buf_clear) struct buf file = BUF_INIT(PERSIST_FILE_MAX);
        int r;

        r = load(p, &file);
        if (r == -ENOENT)
                return 0;
        if (is_passing(r))
                return r; /* rather another start than another code */
        p->has_file = true;
        if (r >= 0)
                r = persist_blob_check(file.data, file.len, p->wrapped);
        if (r < 0)
                give_up(p, r, "is not as mfad leaves it");
        else
                p->is_old = true;
        return 0;
}

int persist_new(sd_event *event, int runtime_dir_fd, const struct config *config,
                struct sessions *sessions, struct roles *roles, struct signer_client *signer,
                struct persist **ret) {
        _cleanup_(persist_freep) struct persist *p = NULL;
        int r;

        assert(ret);

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->dir_fd = fcntl(runtime_dir_fd, F_DUPFD_CLOEXEC, 3);
        if (p->dir_fd < 0)
                return -errno;
        p->config = config;
        p->sessions = sessions;
        p->roles = roles;
        p->signer = signer;
        r = sd_event_add_defer(event, &p->ask, on_ask, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->ask, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(event, &p->timer, CLOCK_BOOTTIME, 0, 0, on_timer, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(p->ask, "persist-ask");     /* for debugging only */
        (void)sd_event_source_set_description(p->timer, "persist-timer"); /* for debugging only */
        r = look(p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

struct persist *persist_free(struct persist *p) {
        if (!p)
                return NULL;
        if (p->is_changed)
                save(p);
        (void)signer_call_cancel(p->asking); /* what these return says nothing */
        (void)sd_event_source_disable_unref(p->timer);
        (void)sd_event_source_disable_unref(p->ask);
        (void)secret_free(p->key);
        (void)fd_close(p->dir_fd);
        free(p);
        return NULL;
}
