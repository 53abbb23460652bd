/* main.c - mfad-fetch: one request from mfad in, one HTTPS exchange, one answer out, exit.
 * Owns:  the process; a straight line from descriptor 3 to AWS and back.
 * Calls: https.h, aws_answer.h, signin_answer.h, common/fetch_proto.h.
 * Limit: FETCH_TOTAL_SEC and one second more, then the kernel ends it; MEMORY_MAX, CPU_SEC_MAX. */
#include "common/buf.h"
#include "common/creds.h"
#include "common/fetch_proto.h"
#include "common/log.h"
#include "common/process.h"
#include "common/sandbox.h"
#include "common/secret.h"
#include "common/wiping.h"
#include "daemon/fetch/aws_answer.h"
#include "daemon/fetch/https.h"
#include "daemon/fetch/signin_answer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MEMORY_MAX  ((rlim_t)256 * 1024 * 1024)
#define CPU_SEC_MAX 5

/* So that no answer, however wicked, and no bug costs more than this. */
static int limit_resources(void) {
        struct rlimit cpu = {CPU_SEC_MAX, CPU_SEC_MAX};
        struct rlimit memory _unused_ = {MEMORY_MAX, MEMORY_MAX};

#ifndef MFAD_SANITIZED /* whose shadow memory alone is terabytes of address space */
        if (setrlimit(RLIMIT_AS, &memory) < 0)
                return -errno;
#endif
        return setrlimit(RLIMIT_CPU, &cpu) < 0 ? -errno : 0;
}

/* The parent's loop blocks signals, and blocked ones stay blocked over execve(2). */
static int limit_life(void) {
        sigset_t none;

        (void)sigemptyset(&none); /* cannot fail */
        if (signal(SIGALRM, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
                return -errno;
        (void)alarm(FETCH_TOTAL_SEC + 1); /* returns what was left of an earlier one */
        return 0;
}

static int prepare(void) {
        static const char *const no_variables[] = {NULL};
        int r;

        if ((r = process_harden()) < 0 || (r = process_clean_environment(no_variables)) < 0 ||
            (r = limit_life()) < 0 || (r = limit_resources()) < 0)
                return r;
        process_close_from(FETCH_SOCKET_FD + 1);
        wiping_install_json();
        r = https_open();
        return r < 0 ? r : secret_arena_open();
}

static int read_request(struct fetch_request *ret) {
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(FETCH_PACKET_MAX);
        ssize_t n;
        char *at;
        int r;

        r = buf_reserve(&packet, FETCH_PACKET_MAX, &at);
        if (r < 0)
                return r;
        /* MSG_TRUNC: the packet's own length, so that a longer one is noticed */
        n = recv(FETCH_SOCKET_FD, at, FETCH_PACKET_MAX, MSG_TRUNC);
        if (n < 0)
                return -errno;
        if ((size_t)n > FETCH_PACKET_MAX)
                return -EBADMSG;
        buf_commit(&packet, (size_t)n);
        return fetch_request_decode(packet.data, packet.len, ret);
}

static int send_answer(const struct fetch_answer *a) {
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(FETCH_PACKET_MAX);
        int r;

        r = fetch_answer_encode(a, &packet);
        if (r < 0)
                return r;
        return send(FETCH_SOCKET_FD, packet.data, packet.len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What came over HTTP becomes what AWS says. */
static int judge(enum aws_op op, const struct buf *body, struct fetch_answer *a) {
        bool is_signin = op == AWS_OP_GET_SIGNIN_TOKEN;

        if (a->http_status == 200 && is_signin)
                return signin_answer_read(buf_text(body), body->len, a);
        if (a->http_status == 200)
                return aws_answer_read(op, buf_text(body), body->len, a);
        if (a->http_status >= 400 && is_signin) {
                signin_answer_read_error(buf_text(body), body->len, a);
                return 0;
        }
        if (a->http_status >= 400)
                return aws_answer_read_error(buf_text(body), body->len, a);
        a->outcome = FETCH_BAD_ANSWER;
        (void)snprintf(a->text, sizeof(a->text), "HTTP status %u, which AWS never sends",
                       (unsigned)a->http_status);
        return 0;
}

/* mfad knows where certificates are from its start on, and we may read no more than it. */
static bool is_ca_file_readable(const struct fetch_request *q, struct fetch_answer *a) {
        _cleanup_(fd_closep) int fd = -EBADF;

        if (!*q->ca_file)
                return true;
        fd = open(q->ca_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0)
                return true;
        a->outcome = FETCH_TLS_FAILED;
        (void)snprintf(a->text, sizeof(a->text), "cannot read the ca_bundle \"%.200s\": %s%s",
                       q->ca_file, strerror(errno),
                       errno == EACCES ? "; if it is new, restart mfad" : "");
        return false;
}

static int fetch(const struct fetch_request *q, struct fetch_answer *a) {
        _cleanup_(buf_clear) struct buf body = BUF_INIT(HTTPS_BODY_MAX);
        int r;

        /* as far as the kernel can; mfad has logged how far */
        (void)sandbox_enter_fetch(q->ca_file);
        if (!is_ca_file_readable(q, a))
                return 0;
        r = https_post(q, a, &body);
        if (r < 0 || a->outcome != FETCH_OK)
                return r;
        return judge(q->op, &body, a);
}

/* An answer that cannot be given in full is none; whether a byte went out stays true. */
static void fail(struct fetch_answer *a, int r) {
        bool was_sent = a->was_sent;

        fetch_answer_clear(a);
        a->outcome = FETCH_INTERNAL;
        a->was_sent = was_sent;
        (void)snprintf(a->text, sizeof(a->text), "mfad-fetch: %s", strerror(-r));
}

/* Also our own trouble is an answer: mfad has to know that the code in the request is still good. */
static int run(void) {
        _cleanup_(fetch_request_clear) struct fetch_request q = {0};
        _cleanup_(fetch_answer_clear) struct fetch_answer a = {0};
        int r;

        if ((r = prepare()) < 0)
                (void)log_error(r, "cannot prepare the process");
        else if ((r = read_request(&q)) < 0)
                (void)log_error(r, "no request on descriptor %d", FETCH_SOCKET_FD);
        else
                r = fetch(&q, &a);
        if (r < 0)
                fail(&a, r);
        r = send_answer(&a);
        return r < 0 ? log_error(r, "cannot answer") : 0;
}

int main(int argc, char *argv[] _unused_) {
        log_open("mfad-fetch", LOG_LEVEL_INFO);
        if (argc != 1) {
                (void)fputs(
                        "mfad-fetch is started by mfad(8), for one call to AWS; it has no options.\n",
                        stderr); /* nobody to tell if that fails */
                return 2;
        }
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
