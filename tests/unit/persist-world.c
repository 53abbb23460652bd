#include "tests/unit/persist-world.h"
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/attempts.h"
#include "daemon/front/role_kept.h"
#include "daemon/front/roles.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

/* AWS: one call that is never answered but by answer_code() */

struct world_aws aws;

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

size_t n_roles;

size_t roles_n_held(const struct roles *r _unused_) {
        return n_roles;
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

bool keeps_role;
static struct lease kept_lease;

bool role_kept_get(const struct roles *r _unused_, size_t i, struct role_kept *ret) {
        if (!keeps_role || i > 0)
                return false;
        if (!kept_lease.creds)
                kept_lease = lease_of("ASIADEV", HOUR);
        *ret = (struct role_kept){.name = "dev", .lease = kept_lease};
        return true;
}

int role_kept_put(struct roles *r _unused_, struct role_kept *kept) {
        assert_string_equal(kept->name, "dev");
        return -EBUSY;
}

void roles_config_changed(struct roles *r _unused_) {
}

/* mfad-signer: wraps by turning bytes around, and answers when we say */

struct world_signer signer;

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
int dir_fd = -EBADF;
sd_event *event;
struct config config;
struct sessions *sessions;
struct persist *persist;

void run_events(void) {
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

void answer(void) {
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
void begin(void) {
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(sessions_new(event, NULL, NULL, &sessions), 0);
        assert_int_equal(sessions_watch(sessions, on_session_changed, NULL), 0);
        assert_int_equal(persist_new(event, dir_fd, &config, sessions, NULL, NULL, &persist), 0);
        persist_start(persist);
}

void end(void) {
        persist = persist_free(persist);
        sessions = sessions_free(sessions);
        event = sd_event_unref(event);
        signer.fn = NULL;
}

/* mfad-signer tells the vault's state. */
void tell(enum vault_state vault) {
        signer.vault = vault;
        persist_signer_changed(persist);
        run_events();
}

int set_up(void **state _unused_) {
        memset(&signer, 0, sizeof(signer));
        memset(&config, 0, sizeof(config));
        n_roles = 0;
        clock_freeze(clock_boot_usec(), WALL);
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (secret_arena_open() < 0 || !mkdtemp(dir))
                return -1;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        begin();
        return 0;
}

int tear_down(void **state _unused_) {
        end();
        keeps_role = false;
        lease_clear(&kept_lease);
        (void)unlinkat(dir_fd, PERSIST_FILE_NAME, 0);
        dir_fd = fd_close(dir_fd);
        return rmdir(dir); /* nothing else was left in it */
}

bool has_file(void) {
        return faccessat(dir_fd, PERSIST_FILE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

ino_t inode(void) {
        struct stat st;

        assert_int_equal(fstatat(dir_fd, PERSIST_FILE_NAME, &st, 0), 0);
        return st.st_ino;
}

/* As if bought: persist sees no difference. */
void hold(const char *name, const char *id, uint64_t sec) {
        struct lease l = lease_of(id, sec);

        assert_int_equal(sessions_restore(sessions, name, SERIAL, NULL, &l), 0);
        lease_clear(&l);
}

static void on_heard(const struct session *session _unused_, const struct failure *failure _unused_,
                     bool already _unused_, void *userdata _unused_) {
}

void give_code(void) {
        struct session_unlock u = {.name = "work",
                                   .key = "work",
                                   .code = "123456",
                                   .duration_sec = 43200,
                                   .mfa_serial = SERIAL,
                                   .user_arn = ""};

        assert_int_equal(sessions_unlock(sessions, &u, on_heard, NULL, NULL), 0);
}

const char *id_of(const char *name) {
        const struct session *s = sessions_find(sessions, name);

        return s && lease_creds(session_lease(s)) ? lease_creds(session_lease(s))->access_key_id
                                                  : "";
}

void held(void) {
        tell(VAULT_OPEN);
        answer();
        hold("work", "ASIAONE", 12 * HOUR);
        assert_true(has_file());
        clock_advance(USEC_PER_SEC);
}
