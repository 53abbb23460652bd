/* test-persist.c - when the file of sessions is written, read and removed, with mfad-signer and the roles in our
 * hands; and sessions_restore(), with the real sessions. */
#include "common/clock.h"
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/attempts.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/lease.h"
#include "daemon/front/persist.h"
#include "daemon/front/role_kept.h"
#include "daemon/front/roles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define WALL   INT64_C(1800000000)
#define SERIAL "arn:aws:iam::123456789012:mfa/alice"
#define HOUR   UINT64_C(3600)

/* AWS: one call that is never answered but by answer_code() */

static struct {
        aws_api_fn fn;
        void *userdata;
} aws;

int aws_api_ask(struct aws_api *a _unused_, const struct aws_api_request *q _unused_, aws_api_fn fn,
                void *userdata, struct aws_api_call **ret) {
        aws.fn = fn;
        aws.userdata = userdata;
        *ret = (struct aws_api_call *)&aws;
        return 0;
}

struct aws_api_call *aws_api_call_cancel(struct aws_api_call *call _unused_) {
        return NULL;
}

int64_t aws_api_now_sec(const struct aws_api *a _unused_) {
        return clock_wall_sec();
}

uint32_t attempts_wait_sec(const struct attempts *a _unused_, const char *serial _unused_) {
        return 0;
}

void attempts_refused(struct attempts *a _unused_, const char *serial _unused_) {
}

void attempts_accepted(struct attempts *a _unused_, const char *serial _unused_) {
}

/* the roles: as many as we say, all alike */

static size_t n_roles;

size_t roles_n_held(const struct roles *r _unused_) {
        return n_roles;
}

bool role_kept_get(const struct roles *r _unused_, size_t i _unused_,
                   struct role_kept *ret _unused_) {
        return false;
}

int role_kept_put(struct roles *r _unused_, struct role_kept *kept _unused_) {
        fail();
        return 0;
}

void roles_config_changed(struct roles *r _unused_) {
}

/* mfad-signer: wraps by turning bytes around, and answers when we say */

static struct {
        enum vault_state vault;
        enum signer_refusal refusal; /* 0 for none */
        int r;                       /* of the next answer */
        struct signer_request last;
        signer_answer_fn fn; /* NULL: nothing is asked */
        void *userdata;
        unsigned n_wrap, n_unwrap;
} signer;

enum vault_state signer_client_vault(const struct signer_client *c _unused_) {
        return signer.vault;
}

int signer_client_ask(struct signer_client *c _unused_, const struct signer_request *q,
                      signer_answer_fn fn, void *userdata, struct signer_call **ret) {
        assert_null(signer.fn); /* one question at a time */
        signer.last = *q;
        signer.fn = fn;
        signer.userdata = userdata;
        signer.n_wrap += q->type == SIGNER_REQUEST_WRAP;
        signer.n_unwrap += q->type == SIGNER_REQUEST_UNWRAP;
        *ret = (struct signer_call *)&signer;
        return 0;
}

struct signer_call *signer_call_cancel(struct signer_call *call) {
        if (call)
                signer.fn = NULL;
        return NULL;
}

/* one world per test */

static char dir[64];
static int dir_fd = -EBADF;
static sd_event *event;
static struct sessions *sessions;
static struct persist *persist;

static void run_events(void) {
        int r;

        do {
                r = sd_event_run(event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

static void on_session_changed(const struct session *session, void *userdata _unused_) {
        if (persist)
                persist_session_changed(persist, session);
}

static void answer(void) {
        struct signer_answer a = {0};
        signer_answer_fn fn = signer.fn;

        assert_non_null(fn);
        signer.fn = NULL;
        if (signer.refusal) {
                a.type = SIGNER_ANSWER_REFUSED;
                a.refusal = signer.refusal;
        } else if (signer.last.type == SIGNER_REQUEST_WRAP) {
                a.type = SIGNER_ANSWER_WRAPPED;
                memcpy(a.wrapped, signer.last.blob_key, sizeof(signer.last.blob_key));
        } else if (signer.last.type == SIGNER_REQUEST_UNWRAP) {
                a.type = SIGNER_ANSWER_UNWRAPPED;
                assert_int_equal(secret_copy(signer.last.wrapped, SIGNER_BLOB_KEY_LEN, &a.blob_key),
                                 0);
        } else {
                a.type = SIGNER_ANSWER_STATUS;
        }
        fn(signer.r, signer.r < 0 ? NULL : &a, signer.userdata);
        signer_answer_clear(&a);
        run_events();
}

/* A process begins. */
static void begin(void) {
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(sessions_new(event, NULL, NULL, &sessions), 0);
        assert_int_equal(sessions_watch(sessions, on_session_changed, NULL), 0);
        assert_int_equal(persist_new(event, dir_fd, sessions, NULL, NULL, &persist), 0);
        persist_start(persist);
}

static void end(void) {
        persist = persist_free(persist);
        sessions = sessions_free(sessions);
        event = sd_event_unref(event);
        signer.fn = NULL;
}

/* mfad-signer tells the vault's state. */
static void tell(enum vault_state vault) {
        signer.vault = vault;
        persist_signer_changed(persist);
        run_events();
}

static int set_up(void **state _unused_) {
        memset(&signer, 0, sizeof(signer));
        n_roles = 0;
        clock_freeze(clock_boot_usec(), WALL);
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (secret_arena_open() < 0 || !mkdtemp(dir))
                return -1;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        begin();
        return 0;
}

static int tear_down(void **state _unused_) {
        end();
        (void)unlinkat(dir_fd, PERSIST_FILE_NAME, 0);
        dir_fd = fd_close(dir_fd);
        return rmdir(dir); /* nothing else was left in it */
}

static bool has_file(void) {
        return faccessat(dir_fd, PERSIST_FILE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static ino_t inode(void) {
        struct stat st;

        assert_int_equal(fstatat(dir_fd, PERSIST_FILE_NAME, &st, 0), 0);
        return st.st_ino;
}

static struct lease lease_of(const char *id, uint64_t sec) {
        struct lease l = {.bought_boot_usec = clock_boot_usec(),
                          .ends_boot_usec = clock_boot_usec() + sec * USEC_PER_SEC,
                          .bought_wall_sec = clock_wall_sec(),
                          .ends_wall_sec = clock_wall_sec() + (int64_t)sec};

        assert_int_equal(creds_new(&l.creds), 0);
        strcpy(l.creds->access_key_id, id);
        l.creds->expiration_sec = l.ends_wall_sec;
        assert_int_equal(secret_copy("secret", 6, &l.creds->secret_key), 0);
        assert_int_equal(secret_copy("token", 5, &l.creds->session_token), 0);
        return l;
}

/* As if bought: persist sees no difference. */
static void hold(const char *name, const char *id, uint64_t sec) {
        struct lease l = lease_of(id, sec);

        assert_int_equal(sessions_restore(sessions, name, SERIAL, &l), 0);
        lease_clear(&l);
}

static void on_heard(const struct session *session _unused_, const struct failure *failure _unused_,
                     bool already _unused_, void *userdata _unused_) {
}

static void give_code(void) {
        struct session_unlock u = {.name = "work",
                                   .key = "work",
                                   .code = "123456",
                                   .duration_sec = 43200,
                                   .mfa_serial = SERIAL,
                                   .user_arn = ""};

        assert_int_equal(sessions_unlock(sessions, &u, on_heard, NULL, NULL), 0);
}

static const char *id_of(const char *name) {
        const struct session *s = sessions_find(sessions, name);

        return s && lease_creds(session_lease(s)) ? lease_creds(session_lease(s))->access_key_id
                                                  : "";
}

static void test_written_at_once_when_the_key_is_wrapped(void **state _unused_) {
        tell(VAULT_OPEN);
        assert_int_equal(signer.n_wrap, 1);
        answer();
        assert_false(has_file()); /* there is nothing to be lost */
        hold("work", "ASIAONE", 12 * HOUR);
        assert_true(has_file());
}

static void test_written_when_the_wrapped_key_comes(void **state _unused_) {
        tell(VAULT_OPEN);
        hold("work", "ASIAONE", 12 * HOUR);
        assert_false(has_file());
        answer();
        assert_true(has_file());
}

static void test_never_written_without_a_wrapped_key(void **state _unused_) {
        signer.refusal = SIGNER_REFUSED_INTERNAL;
        tell(VAULT_OPEN);
        answer();
        hold("work", "ASIAONE", 12 * HOUR);
        persist_role_changed(persist);
        clock_advance(5 * USEC_PER_SEC);
        run_events();
        assert_false(has_file());
}

static void held(void) {
        tell(VAULT_OPEN);
        answer();
        hold("work", "ASIAONE", 12 * HOUR);
        assert_true(has_file());
        clock_advance(USEC_PER_SEC);
}

static void test_other_changes_are_written_a_moment_later(void **state _unused_) {
        ino_t before;

        held();
        before = inode();
        n_roles = 250;
        persist_role_changed(persist);
        run_events();
        assert_int_equal(inode(), before);
        end(); /* what waits is written at the end at the latest */
        assert_int_not_equal(inode(), before);
        begin();
}

static void test_comes_back(void **state _unused_) {
        held();
        end();
        begin();
        assert_true(persist_is_restoring(persist)); /* the state of the vault is asked for */
        assert_string_equal(id_of("work"), "");
        signer.vault = VAULT_OPEN;
        answer();
        assert_int_equal(signer.n_unwrap, 1);
        assert_true(persist_is_restoring(persist));
        answer();
        assert_false(persist_is_restoring(persist));
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKED);
        assert_string_equal(session_mfa_serial(sessions_find(sessions, "work")), SERIAL);
        assert_true(has_file());
}

static void test_waits_for_the_vault(void **state _unused_) {
        held();
        end();
        begin();
        signer.vault = VAULT_SEALED;
        answer();
        assert_false(persist_is_restoring(persist));
        assert_int_equal(signer.n_unwrap, 0);
        persist_role_changed(persist); /* nothing of what is there may be lost meanwhile */
        assert_true(has_file());

        tell(VAULT_OPEN);
        assert_true(persist_is_restoring(persist));
        signer.refusal = SIGNER_REFUSED_SEALED;
        answer();
        assert_false(persist_is_restoring(persist));
        signer.refusal = 0;

        tell(VAULT_OPEN);
        signer.r = -ETIMEDOUT;
        answer();
        assert_false(persist_is_restoring(persist));
        assert_true(has_file());
        signer.r = 0;

        tell(VAULT_OPEN);
        answer();
        assert_string_equal(id_of("work"), "ASIAONE");
}

static void test_alien_file_goes(void **state _unused_) {
        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        signer.refusal = SIGNER_REFUSED_ALIEN;
        answer();
        assert_false(has_file());
        assert_int_equal(signer.n_wrap, 2); /* from now on with a key of our own */
        signer.refusal = 0;
        answer();
        hold("work", "ASIATWO", 12 * HOUR);
        assert_true(has_file());
}

static void test_what_was_bought_meanwhile_wins(void **state _unused_) {
        held();
        end();
        begin();
        hold("work", "ASIATWO", 12 * HOUR);
        hold("home", "ASIAHOME", 12 * HOUR);
        signer.vault = VAULT_OPEN;
        answer();
        answer();
        assert_string_equal(id_of("work"), "ASIATWO");
        assert_string_equal(id_of("home"), "ASIAHOME");
}

static void test_comes_back_beside_a_code(void **state _unused_) {
        struct failure f;

        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        give_code();
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKING);
        answer();
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKED);
        assert_true(session_is_busy(sessions_find(sessions, "work")));
        failure_set(&f, FAILURE_WRONG_CODE, NULL);
        aws.fn(&f, NULL, aws.userdata);
        run_events();
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKED);
}

static void test_expired_meanwhile(void **state _unused_) {
        held();
        end();
        clock_advance(12 * HOUR * USEC_PER_SEC);
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        answer();
        assert_string_equal(id_of("work"), "");
        assert_true(session_has_expired(sessions_find(sessions, "work")));
        assert_false(has_file());
}

static void test_nearly_over(void **state _unused_) {
        held();
        end();
        clock_advance((12 * HOUR - 25 * 60) * USEC_PER_SEC);
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        answer();
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_EXPIRING);
}

static void test_goes_with_the_last_credentials(void **state _unused_) {
        held();
        n_roles = 1;
        clock_advance(12 * HOUR * USEC_PER_SEC);
        sessions_check_time(sessions);
        assert_true(has_file()); /* the role's are still good */
        n_roles = 0;
        persist_role_changed(persist);
        assert_false(has_file());
}

static void test_forget(void **state _unused_) {
        held();
        persist_role_changed(persist);
        persist_forget(persist);
        assert_false(has_file());
        clock_advance(5 * USEC_PER_SEC);
        run_events();
        assert_false(has_file());

        end();
        assert_false(has_file());
        begin();
        assert_false(persist_is_restoring(persist));
}

static void test_forget_what_waits(void **state _unused_) {
        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        persist_forget(persist); /* mfad-signer has been asked */
        assert_null(signer.fn);
        assert_false(persist_is_restoring(persist));
        assert_string_equal(id_of("work"), "");
        assert_false(has_file());
}

static void test_news_of_the_vault_wraps_anew(void **state _unused_) {
        ino_t before;

        held();
        before = inode();
        tell(VAULT_OPEN); /* another passphrase, perhaps */
        assert_int_equal(signer.n_wrap, 2);
        answer();
        end();
        assert_int_not_equal(inode(), before);
        begin();
        tell(VAULT_SEALED);
        assert_int_equal(signer.n_wrap, 2);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_written_at_once_when_the_key_is_wrapped),
                WORLD(test_written_when_the_wrapped_key_comes),
                WORLD(test_never_written_without_a_wrapped_key),
                WORLD(test_other_changes_are_written_a_moment_later),
                WORLD(test_comes_back),
                WORLD(test_waits_for_the_vault),
                WORLD(test_alien_file_goes),
                WORLD(test_what_was_bought_meanwhile_wins),
                WORLD(test_comes_back_beside_a_code),
                WORLD(test_expired_meanwhile),
                WORLD(test_nearly_over),
                WORLD(test_goes_with_the_last_credentials),
                WORLD(test_forget),
                WORLD(test_forget_what_waits),
                WORLD(test_news_of_the_vault_wraps_anew),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
