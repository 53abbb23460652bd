/* test-signer-client.c - the front's side of the `sign` socket, with a signer in our hands. */
#include "common/buf.h"
#include "common/macros.h"
#include "daemon/front/signer_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

static char dir[64], path[128];
static sd_event *event;
static struct signer_client *client;
static int listen_fd = -EBADF, fd = -EBADF; /* the signer's ends */
static unsigned n_changes;

struct heard {
        unsigned n;
        int r;
        enum signer_answer_type type;
};

static void on_changed(void *userdata) {
        assert_ptr_equal(userdata, &n_changes);
        n_changes++;
}

static void on_heard(int r, struct signer_answer *answer, void *userdata) {
        struct heard *h = userdata;

        h->n++;
        h->r = r;
        h->type = answer ? answer->type : 0;
}

static void start_signer(void) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        strcpy(a.sun_path, path);
        (void)unlink(path); /* of an earlier one */
        listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(listen_fd, 4), 0);
}

static void accept_client(void) {
        fd = fd_close(fd);
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(fd >= 0);
}

static int setup(void **state _unused_) {
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(dir))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/sign", dir);
        n_changes = 0;
        if (sd_event_new(&event) < 0 || signer_client_new(event, path, &client) < 0)
                return -1;
        signer_client_watch(client, on_changed, &n_changes);
        return 0;
}

static int teardown(void **state _unused_) {
        char command[128];

        client = signer_client_free(client);
        event = sd_event_unref(event);
        fd = fd_close(fd);
        listen_fd = fd_close(listen_fd);
        (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static void run_events(void) {
        int r;

        do {
                r = sd_event_run(event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

static uint32_t next_request(enum signer_request_type type) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX);
        struct signer_request q;
        char *at;
        ssize_t n;

        assert_int_equal(buf_reserve(&b, SIGNER_PACKET_MAX, &at), 0);
        n = recv(fd, at, SIGNER_PACKET_MAX, 0);
        assert_true(n > 0);
        assert_int_equal(signer_request_decode(at, (size_t)n, &q), 0);
        assert_int_equal(q.type, type);
        assert_int_not_equal(q.id, 0);
        return q.id;
}

static void answer(uint32_t id, enum signer_answer_type type, enum vault_state vault,
                   const char *key) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX);
        struct signer_key k = {.access_key_id = "AKIAEXAMPLE"};
        struct signer_answer a = {.type = type, .id = id, .vault = vault};

        if (type == SIGNER_ANSWER_REFUSED)
                a.refusal = SIGNER_REFUSED_SEALED;
        if (key) {
                strcpy(k.name, key);
                a.keys = &k;
                a.n_keys = 1;
        }
        assert_int_equal(signer_answer_encode(&a, &b), 0);
        assert_int_equal(send(fd, b.data, b.len, MSG_NOSIGNAL), b.len);
        run_events();
}

static void ask(enum signer_request_type type, struct heard *h, struct signer_call **ret) {
        struct signer_request q = {.type = type};

        if (type == SIGNER_REQUEST_SIGN) {
                strcpy(q.key, "work");
                q.call = (struct aws_call){.op = AWS_OP_GET_CALLER_IDENTITY, .wall_sec = 1};
                strcpy(q.call.region, "us-east-1");
                strcpy(q.call.endpoint, "https://sts.us-east-1.amazonaws.com");
        }
        assert_int_equal(signer_client_ask(client, &q, on_heard, h, ret), 0);
        assert_int_equal(h->n, 0); /* never before it returns */
}

/* Connected, and told that the vault is open with one key. */
static void connected(void) {
        struct heard h = {0};

        start_signer();
        ask(SIGNER_REQUEST_STATUS, &h, NULL);
        accept_client();
        answer(next_request(SIGNER_REQUEST_STATUS), SIGNER_ANSWER_STATUS, VAULT_OPEN, "work");
        answer(next_request(SIGNER_REQUEST_STATUS), SIGNER_ANSWER_STATUS, VAULT_OPEN, "work");
        assert_int_equal(h.n, 1);
        assert_true(signer_client_is_connected(client));
}

static void test_nobody_there(void **state _unused_) {
        struct heard h = {0};

        ask(SIGNER_REQUEST_STATUS, &h, NULL);
        run_events();
        assert_int_equal(h.n, 1);
        assert_int_equal(h.r, -ENOENT);
        assert_false(signer_client_is_connected(client));
        assert_int_equal(signer_client_vault(client), VAULT_SEALED);
}

static void test_state_and_keys(void **state _unused_) {
        connected();
        assert_int_equal(signer_client_vault(client), VAULT_OPEN);
        assert_int_equal(signer_client_n_keys(client), 1);
        assert_non_null(signer_client_find_key(client, "work"));
        assert_null(signer_client_find_key(client, "home"));
        assert_true(n_changes > 0);

        n_changes = 0;
        answer(0, SIGNER_ANSWER_STATUS, VAULT_SEALED, NULL); /* unasked */
        assert_int_equal(n_changes, 1);
        assert_int_equal(signer_client_vault(client), VAULT_SEALED);
        assert_null(signer_client_find_key(client, "work"));
}

static void test_answers_find_their_calls(void **state _unused_) {
        struct heard h[2] = {0};
        uint32_t ids[2];

        connected();
        ask(SIGNER_REQUEST_SIGN, &h[0], NULL);
        ask(SIGNER_REQUEST_FORGET_CODE, &h[1], NULL);
        ids[0] = next_request(SIGNER_REQUEST_SIGN);
        ids[1] = next_request(SIGNER_REQUEST_FORGET_CODE);
        answer(ids[1], SIGNER_ANSWER_DONE, 0, NULL);
        assert_int_equal(h[0].n, 0);
        assert_int_equal(h[1].type, SIGNER_ANSWER_DONE);
        answer(ids[1], SIGNER_ANSWER_DONE, 0, NULL); /* again: nobody waits for it */
        answer(ids[0], SIGNER_ANSWER_REFUSED, 0, NULL);
        assert_int_equal(h[0].type, SIGNER_ANSWER_REFUSED);
        assert_int_equal(h[0].n + h[1].n, 2);
}

/* Whoever asks for the state is no reason to tell everybody what they know. */
static void test_the_same_state_is_no_news(void **state _unused_) {
        connected();
        n_changes = 0;
        for (unsigned i = 0; i < 3; i++) {
                struct heard h = {0};

                ask(SIGNER_REQUEST_STATUS, &h, NULL);
                answer(next_request(SIGNER_REQUEST_STATUS), SIGNER_ANSWER_STATUS, VAULT_OPEN,
                       i < 2 ? "work" : "home");
                assert_int_equal(h.n, 1);
                assert_int_equal(n_changes, i < 2 ? 0 : 1);
        }
        answer(0, SIGNER_ANSWER_STATUS, VAULT_OPEN, "home"); /* it has a reason to speak */
        assert_int_equal(n_changes, 2);
}

static void test_cancelled_call_hears_nothing(void **state _unused_) {
        struct signer_call *call;
        struct heard h = {0};
        uint32_t id;

        connected();
        ask(SIGNER_REQUEST_SIGN, &h, &call);
        id = next_request(SIGNER_REQUEST_SIGN);
        assert_null(signer_call_cancel(call));
        answer(id, SIGNER_ANSWER_REFUSED, 0, NULL);
        assert_int_equal(h.n, 0);
}

static void test_signer_dies_and_comes_back(void **state _unused_) {
        struct heard h[2] = {0};

        connected();
        ask(SIGNER_REQUEST_SIGN, &h[0], NULL);
        listen_fd = fd_close(listen_fd);
        fd = fd_close(fd);
        run_events();
        assert_int_equal(h[0].n, 1);
        assert_int_equal(h[0].r, -ECONNRESET);
        assert_false(signer_client_is_connected(client));
        assert_int_equal(signer_client_vault(client), VAULT_SEALED);
        assert_int_equal(signer_client_n_keys(client), 0);

        start_signer();
        ask(SIGNER_REQUEST_SIGN, &h[1], NULL);
        accept_client();
        (void)next_request(SIGNER_REQUEST_STATUS); /* the state is always the first question */
        answer(next_request(SIGNER_REQUEST_SIGN), SIGNER_ANSWER_REFUSED, 0, NULL);
        assert_int_equal(h[1].type, SIGNER_ANSWER_REFUSED);
}

/* The end of the connection has come, but the event loop has not told it yet. */
static void test_unnoticed_end_is_mended(void **state _unused_) {
        struct heard h = {0};

        connected();
        n_changes = 0;
        fd = fd_close(fd);
        ask(SIGNER_REQUEST_SIGN, &h, NULL);
        assert_int_equal(n_changes, 0); /* from the event loop only */
        accept_client();
        (void)next_request(SIGNER_REQUEST_STATUS);
        answer(next_request(SIGNER_REQUEST_SIGN), SIGNER_ANSWER_REFUSED, 0, NULL);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.type, SIGNER_ANSWER_REFUSED);
        assert_int_equal(n_changes, 1);
}

static void test_reconnects_by_itself_after_a_life(void **state _unused_) {
        connected();
        (void)usleep(1100 * 1000); /* a connection that ends sooner is left until somebody asks */
        fd = fd_close(fd);
        run_events();
        accept_client();
        answer(next_request(SIGNER_REQUEST_STATUS), SIGNER_ANSWER_STATUS, VAULT_SEALED, NULL);
        assert_true(signer_client_is_connected(client));

        fd = fd_close(fd); /* at once: no loop of reconnecting */
        run_events();
        assert_int_equal(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC), -1);
        assert_false(signer_client_is_connected(client));
}

static void test_nonsense_ends_the_connection(void **state _unused_) {
        struct heard h = {0};

        connected();
        ask(SIGNER_REQUEST_SIGN, &h, NULL);
        assert_int_equal(send(fd, "nonsense", 8, MSG_NOSIGNAL), 8);
        run_events();
        assert_int_equal(h.r, -ECONNRESET);
        assert_false(signer_client_is_connected(client));
}

static void test_limit(void **state _unused_) {
        struct signer_request q = {.type = SIGNER_REQUEST_STATUS};
        struct heard h = {0};

        for (size_t i = 0; i < SIGNER_CALLS_MAX; i++)
                ask(SIGNER_REQUEST_STATUS, &h, NULL);
        assert_int_equal(signer_client_ask(client, &q, on_heard, &h, NULL), -EBUSY);
        run_events();
        assert_int_equal(h.n, SIGNER_CALLS_MAX);
        assert_int_equal(signer_client_ask(client, &q, NULL, NULL, NULL), 0); /* nobody listens */
        run_events();
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_nobody_there),
                WORLD(test_state_and_keys),
                WORLD(test_answers_find_their_calls),
                WORLD(test_the_same_state_is_no_news),
                WORLD(test_cancelled_call_hears_nothing),
                WORLD(test_signer_dies_and_comes_back),
                WORLD(test_unnoticed_end_is_mended),
                WORLD(test_reconnects_by_itself_after_a_life),
                WORLD(test_nonsense_ends_the_connection),
                WORLD(test_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
