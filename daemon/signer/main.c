/* main.c - mfad-signer: the only program that ever holds a long-term key.
 * Owns:  the process: its hardening, sockets, signals, and its end or replacement.
 * Calls: every module of daemon/signer; the only file that knows them all.
 * Limit: one event loop, no threads, no network. */
#include "common/fs.h"
#include "common/log.h"
#include "common/process.h"
#include "common/sandbox.h"
#include "common/secret.h"
#include "common/varlink.h"
#include "common/wiping.h"
#include "daemon/shared/listen.h"
#include "daemon/shared/notify.h"
#include "daemon/shared/varlink_server.h"
#include "daemon/signer/credential.h"
#include "daemon/signer/sign_api.h"
#include "daemon/signer/vault.h"
#include "daemon/signer/vault_api.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#define ACK_MAX ((size_t)256)

static const char *const environment_allowed[] = {
        "HOME",
        "XDG_RUNTIME_DIR",
        "XDG_DATA_HOME",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "CREDENTIALS_DIRECTORY",
        "JOURNAL_STREAM",
        "MFAD_LOG_LEVEL",
        NULL,
};

static const char usage[] =
        "mfad-signer keeps long-term AWS keys in an encrypted vault and signs the few requests that\n"
        "its policy allows. It takes no arguments: mfactl talks to it. See mfad-signer(8).\n"
        "\n"
        "  --help     show this\n"
        "  --version  show the version\n";

#define STATUS_MAX 64

struct signer {
        char **argv;
        sd_event *event;
        struct vault *vault;
        struct vault_api *vault_api;
        struct sign_api *sign_api;
};

static void tell_systemd(struct signer *s, bool is_ready) {
        const struct vault_keys *keys = vault_keys(s->vault);
        char status[STATUS_MAX] = "", text[STATUS_MAX + 32];

        switch (vault_state(s->vault)) {
        case VAULT_NONE: strcpy(status, "no vault yet"); break;
        case VAULT_SEALED: strcpy(status, "vault sealed"); break;
        case VAULT_OPEN:
                (void)snprintf(status, sizeof(status), "vault open, %zu key%s", keys->n,
                               keys->n == 1 ? "" : "s");
                break;
        }
        (void)snprintf(text, sizeof(text), "%sSTATUS=%s", is_ready ? "READY=1\n" : "", status);
        notify_send(text);
}

static void on_vault_changed(void *userdata) {
        struct signer *s = userdata;

        tell_systemd(s, /* is_ready= */ false);
        sign_api_tell(s->sign_api);
}

/* Replaces the process image: whatever any library has left in memory goes with it. */
static void seal(struct signer *s, int ack_fd) {
        struct listen_set set = {
                .fds = {{.name = "vault", .fd = vault_api_listen_fd(s->vault_api)},
                        {.name = "sign", .fd = sign_api_listen_fd(s->sign_api)},
                        {.name = "ack", .fd = ack_fd}},
                .n = 3,
        };
        int r;

        vault_seal(s->vault); /* the front learns it before its connection ends */
        log_event(EVENT_VAULT, NULL, "sealed, starting afresh");
        r = listen_exec_again(s->argv, &set);
        /* rather no signer than one that may remember: systemd starts another */
        (void)log_error(r, "cannot start afresh, ending");
        (void)sd_event_exit(s->event, r); /* only fails when the loop has ended already */
}

static void on_seal_call(struct varlink_call *call, void *userdata) {
        seal(userdata, varlink_call_detach_fd(call));
}

static int on_seal_signal(sd_event_source *source _unused_,
                          const struct signalfd_siginfo *info _unused_, void *userdata) {
        seal(userdata, -EBADF);
        return 0;
}

static int on_end_signal(sd_event_source *source, const struct signalfd_siginfo *info _unused_,
                         void *userdata _unused_) {
        /* only fails when the loop has ended already */
        (void)sd_event_exit(sd_event_source_get_event(source), 0);
        return 0;
}

/* Tells whoever called Seal on our earlier image that nothing of it is left. */
static void acknowledge(int fd) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(ACK_MAX);
        _cleanup_(fd_closep) int ack_fd = fd;

        if (varlink_put_reply(&b, NULL, /* continues= */ false) < 0 ||
            send(ack_fd, b.data, b.len, MSG_NOSIGNAL) != (ssize_t)b.len)
                log_debug("whoever asked for sealing did not wait for the answer");
}

/* The socket @name: from systemd or our earlier image when it is in @set, else made here. */
static int open_socket(struct listen_set *set, const struct fs_places *places, const char *name,
                       int type) {
        _cleanup_(fd_closep) int dir_fd = -EBADF;
        int fd = listen_take(set, name), r;

        if (fd >= 0) {
                r = listen_check_unix(fd, type);
                if (r < 0) {
                        (void)fd_close(fd);
                        return log_error(r, "the inherited socket \"%s\" is of the wrong kind",
                                         name);
                }
                return fd;
        }
        dir_fd = listen_open_dir(places->runtime);
        if (dir_fd < 0)
                return dir_fd; /* it has said why */
        fd = listen_unix(places->runtime, name, type);
        if (fd == -EADDRINUSE)
                return log_error(fd, "another mfad-signer serves %s/%s", places->runtime, name);
        if (fd < 0)
                return log_error(fd, "cannot make the socket %s/%s", places->runtime, name);
        return fd;
}

static int open_apis(struct signer *s, struct listen_set *set, const struct fs_places *places) {
        _cleanup_(fd_closep) int runtime_fd = -EBADF;
        int fd, r;

        fd = open_socket(set, places, "vault", SOCK_STREAM);
        if (fd < 0)
                return fd;
        r = vault_api_new(s->event, fd, s->vault, on_seal_call, s, &s->vault_api);
        if (r < 0)
                return log_error(r, "cannot serve the vault socket");
        fd = open_socket(set, places, "sign", SOCK_SEQPACKET);
        if (fd < 0)
                return fd;
        if (*places->runtime)
                runtime_fd = fs_open_private_dir(places->runtime, /* create= */ false);
        r = sign_api_new(s->event, fd, runtime_fd, s->vault, &s->sign_api);
        if (r < 0)
                return log_error(r, "cannot serve the sign socket");
        vault_watch(s->vault, on_vault_changed, s);
        return 0;
}

static const struct {
        int number;
        sd_event_signal_handler_t fn;
} signals[] = {{SIGTERM, on_end_signal}, {SIGINT, on_end_signal}, {SIGUSR1, on_seal_signal}};

/* They wait for the loop. A SIGUSR1 that ends us instead, while a passphrase from the service manager is tried,
 * would be undone by the next start. */
static void hold_signals(void) {
        sigset_t mask;

        (void)sigemptyset(&mask); /* these cannot fail on valid numbers */
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void)sigaddset(&mask, signals[i].number);
        (void)sigprocmask(SIG_BLOCK, &mask, NULL);
}

static int open_event(struct signer *s) {
        int r = sd_event_new(&s->event);

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signals); i++)
                r = sd_event_add_signal(s->event, NULL, signals[i].number, signals[i].fn, s);
        if (r < 0)
                return r;
        return notify_start(s->event);
}

static void signer_close(struct signer *s) {
        if (s->vault)
                vault_watch(s->vault, NULL, NULL);
        s->vault_api = vault_api_free(s->vault_api);
        s->sign_api = sign_api_free(s->sign_api);
        s->vault = vault_free(s->vault);
        notify_stop();
        s->event = sd_event_unref(s->event);
}

static int run(char *argv[], struct listen_set *set) {
        _cleanup_(signer_close) struct signer s = {.argv = argv};
        char sandbox_name[SANDBOX_NAME_MAX];
        struct sandbox sandbox;
        struct fs_places places;
        int r;

        r = fs_places(&places);
        if (r < 0)
                return log_error(r, "HOME and the XDG_* variables must be absolute paths, and HOME "
                                    "must be set");
        r = vault_new(places.data, KDF_LOG2N_DEFAULT, &s.vault);
        if (r < 0)
                return log_error(r, "cannot look for the vault");
        credential_open_vault(s.vault); /* whoever connects meanwhile waits in the backlog */
        r = open_event(&s);
        if (r < 0)
                return log_error(r, "cannot make an event loop");
        r = open_apis(&s, set, &places);
        if (r < 0)
                return r;
        sandbox = sandbox_enter_signer(places.data, places.runtime);
        sandbox_describe(&sandbox, sandbox_name);
        tell_systemd(&s, /* is_ready= */ true);
        log_info("ready, secrets are kept in %s memory, sandbox: %s",
                 secret_arena_name(secret_arena_kind()), sandbox_name);
        r = sd_event_loop(s.event);
        return r < 0 ? log_error(r, "the event loop failed") : r;
}

static int start(char *argv[]) {
        struct listen_set set = {};
        int ack_fd, r;

        r = wiping_install_crypto();
        if (r < 0)
                return log_error(r, "cannot make OpenSSL wipe its memory");
        wiping_install_json();
        r = secret_arena_open();
        if (r < 0)
                return log_error(r, "cannot set up memory for secrets");
        if (secret_arena_kind() == SECRET_ARENA_PLAIN)
                (void)log_warning(0, "RLIMIT_MEMLOCK is too low to lock memory: secrets may reach "
                                     "the swap");
        r = process_clean_environment(environment_allowed);
        if (r < 0)
                return log_error(r, "cannot clean the environment");
        r = listen_inherit(&set);
        if (r < 0)
                return log_error(r, "cannot take over the sockets");
        ack_fd = listen_take(&set, "ack");
        if (ack_fd >= 0)
                acknowledge(ack_fd);
        r = run(argv, &set);
        listen_close(&set);
        return r;
}

int main(int argc, char *argv[]) {
        int r;

        hold_signals();
        r = process_harden();
        log_open("mfad-signer", LOG_LEVEL_INFO);
        if (r < 0)
                return EXIT_FAILURE;
        if (argc == 2 && strcmp(argv[1], "--help") == 0) {
                fputs(usage, stdout);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                puts("mfad-signer " MFAD_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc > 1) {
                fputs(usage, stderr);
                return 2;
        }
        return start(argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
