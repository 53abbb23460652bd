/* main.c - mfad: holds the sessions, and serves their credentials to this user's programs.
 * Owns:  the process: its hardening, configuration, runtime directory and listening sockets.
 * Calls: manager.h and what it needs to be made.
 * Limit: no secret is here before the manager runs. */
#include "common/fs.h"
#include "common/log.h"
#include "common/process.h"
#include "common/secret.h"
#include "common/sockdiag.h"
#include "common/wiping.h"
#include "daemon/front/config.h"
#include "daemon/front/confine.h"
#include "daemon/front/http_in.h"
#include "daemon/front/lock.h"
#include "daemon/front/manager.h"
#include "daemon/front/peers.h"
#include "daemon/front/tokens.h"
#include "daemon/shared/listen.h"
#include "daemon/shared/notify.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static const char *const environment_allowed[] = {
        "HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "LISTEN_PID",
        "DBUS_SYSTEM_BUS_ADDRESS",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "JOURNAL_STREAM",
        "MFAD_LOG_LEVEL",
        NULL,
};

static const char usage[] =
        "mfad serves temporary AWS credentials to this user's programs, bought with one MFA code.\n"
        "It needs no arguments: mfactl talks to it. See mfad(8) and mfad.conf(5).\n"
        "\n"
        "  --help        show this\n"
        "  --make-token  make the client token if there is none, and end (for mfad.socket)\n"
        "  --version     show the version\n";

/* What is open besides HTTP connections: sockets, epolls, timers, a file being replaced. */
#define OTHER_FDS_MAX    256
#define FAILED_START_SEC 5

/* The usual soft limit of 1024 would be reached before HTTP_CONNECTIONS_MAX is. */
static void raise_descriptor_limit(void) {
        struct rlimit limit;
        rlim_t wanted = HTTP_CONNECTIONS_MAX + OTHER_FDS_MAX;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
                return;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                log_debug("cannot raise RLIMIT_NOFILE: %s", strerror(errno));
}

static int open_control(struct listen_set *set, const char *runtime_dir) {
        int fd = listen_take(set, "control"), r;

        if (fd >= 0) {
                r = listen_check_unix(fd, SOCK_STREAM);
                if (r >= 0)
                        return fd;
                (void)fd_close(fd); /* always -EBADF */
                return log_error(r, "the inherited socket \"control\" is of the wrong kind");
        }
        fd = listen_unix(runtime_dir, "control", SOCK_STREAM);
        if (fd == -EADDRINUSE)
                return log_error(fd, "another mfad serves %s/control", runtime_dir);
        if (fd < 0)
                return log_error(fd, "cannot make the socket %s/control", runtime_dir);
        return fd;
}

/* Never another port: what is configured in a hundred places must not be handed to a stranger. */
static int say_who_has(uint16_t port) {
        _cleanup_(fd_closep) int diag = sockdiag_open();
        uid_t uid;

        if (diag >= 0 && sockdiag_listener_uid(diag, port, &uid) >= 0)
                return log_error(-EADDRINUSE,
                                 "127.0.0.1:%u is served by uid %u; set another port in "
                                 "mfad.conf(5), and start mfad again",
                                 port, uid);
        return log_error(-EADDRINUSE,
                         "127.0.0.1:%u is taken; set another port in mfad.conf(5), and start mfad "
                         "again",
                         port);
}

/* [::1] is held only so that nobody else answers there to "localhost". */
static int make_http6(uint16_t port) {
        int fd = listen_loopback(port, /* is_v6= */ true);

        if (fd == -EADDRINUSE)
                return log_error(fd,
                                 "[::1]:%u is taken, and its owner would be asked by whoever says "
                                 "localhost; set another port in mfad.conf(5), and start mfad "
                                 "again",
                                 port);
        if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT)
                log_notice("this machine has no IPv6, so [::1] is left alone");
        else if (fd < 0)
                return log_error(fd, "cannot listen on [::1]:%u", port);
        return fd < 0 ? 0 : fd;
}

static int check_http(int fd, bool is_v6, uint16_t *ret_port) {
        int r = listen_adopt_loopback(fd, is_v6, ret_port);

        return r < 0 ? log_error(r, "the inherited socket \"%s\" does not listen on %s alone",
                                 is_v6 ? "http6" : "http", is_v6 ? "[::1]" : "127.0.0.1")
                     : 0;
}

/* Fills the descriptors and the port of @start: inherited ones, else our own. */
static int open_http(struct listen_set *set, struct manager_start *start) {
        uint16_t port6;
        int r;

        start->http_fd = listen_take(set, "http");
        if (start->http_fd >= 0) {
                start->http6_fd = listen_take(set, "http6");
                r = check_http(start->http_fd, /* is_v6= */ false, &start->http_port);
                if (r >= 0 && start->http6_fd >= 0)
                        r = check_http(start->http6_fd, /* is_v6= */ true, &port6);
                return r;
        }
        start->http_port = start->config->port;
        start->http_fd = listen_loopback(start->http_port, /* is_v6= */ false);
        if (start->http_fd == -EADDRINUSE)
                return say_who_has(start->http_port);
        if (start->http_fd < 0)
                return log_error(start->http_fd, "cannot listen on 127.0.0.1:%u", start->http_port);
        r = make_http6(start->http_port);
        if (r > 0)
                start->http6_fd = r;
        return r < 0 ? r : 0;
}

static int open_sockets(struct listen_set *set, struct manager_start *start) {
        int r;

        start->control_fd = open_control(set, start->runtime_dir);
        if (start->control_fd < 0)
                return start->control_fd;
        r = open_http(set, start);
        if (r >= 0)
                return 0;
        (void)fd_close(start->http_fd); /* all of these return -EBADF */
        (void)fd_close(start->http6_fd);
        (void)fd_close(start->control_fd);
        return r;
}

static int find_places(struct fs_places *ret) {
        int r = fs_places(ret);

        return r < 0 ? log_error(r, "HOME and the XDG_* variables must be absolute paths, and HOME "
                                    "must be set")
                     : 0;
}

static int run(char *argv[], struct listen_set *set, int peers_fd, bool is_locked) {
        _cleanup_(manager_freep) struct manager *m = NULL;
        _cleanup_(fd_closep) int runtime_dir_fd = -EBADF;
        char error[CONFIG_ERROR_MAX], sandbox_name[SANDBOX_NAME_MAX];
        struct fs_places places;
        struct sandbox sandbox;
        struct config config;
        struct manager_start start = {.argv = argv,
                                      .config = &config,
                                      .places = &places,
                                      .runtime_dir = places.runtime,
                                      .http_fd = -EBADF,
                                      .http6_fd = -EBADF,
                                      .control_fd = -EBADF,
                                      .peers_fd = peers_fd};
        int r;

        r = find_places(&places);
        if (r < 0)
                return r;
        r = config_load(&places, &config, error);
        if (r < 0) {
                log_write(LOG_LEVEL_ERROR, 0, "%s", error); /* it says the errno where that helps */
                return r;
        }
        runtime_dir_fd = listen_open_dir(places.runtime);
        if (runtime_dir_fd < 0)
                return runtime_dir_fd;
        start.runtime_dir_fd = runtime_dir_fd;
        r = open_sockets(set, &start);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < set->n; i++)
                (void)log_warning(0, "nothing is served on one more inherited socket, \"%s\"",
                                  set->fds[i].name);
        listen_close(set);
        sandbox = confine_enter(&places, &config);
        r = manager_new(&start, &m);
        if (r < 0)
                return r;
        sandbox_describe(&sandbox, sandbox_name);
        if (is_locked)
                log_event(EVENT_LOCKED, NULL,
                          log_is_in_journal() ? "locked; what was before is in the journal"
                                              : "locked; the log begins anew here, as it does not "
                                                "go to the journal");
        log_event(EVENT_STARTED, NULL,
                  "ready on 127.0.0.1:%u, secrets are kept in %s memory, sandbox: %s",
                  start.http_port, secret_arena_name(secret_arena_kind()), sandbox_name);
        return manager_run(m);
}

/* Before anybody has connected: a client reads its token first. */
static int make_token(void) {
        _cleanup_(tokens_freep) struct tokens *tokens = NULL;
        _cleanup_(fd_closep) int runtime_dir_fd = -EBADF;
        struct fs_places places;
        int r;

        r = find_places(&places);
        if (r < 0)
                return r;
        runtime_dir_fd = listen_open_dir(places.runtime);
        if (runtime_dir_fd < 0)
                return runtime_dir_fd;
        r = tokens_new(runtime_dir_fd, &tokens);
        return r < 0 ? log_error(r, "cannot make the client token \"%s/token\"", places.runtime)
                     : 0;
}

static int start(char *argv[]) {
        struct listen_set set = {0};
        int locked_fd, peers_fd, r;
        bool is_locked;

        r = wiping_install_crypto();
        if (r < 0)
                return log_error(r, "cannot make OpenSSL wipe its memory");
        wiping_install_json();
        raise_descriptor_limit();
        r = process_clean_environment(environment_allowed);
        if (r < 0)
                return log_error(r, "cannot clean the environment");
        r = listen_inherit(&set);
        if (r < 0)
                return log_error(r, "cannot take over the sockets");
        lock_acknowledge(listen_take(&set, "ack"));
        peers_fd = listen_take(&set, "peers");
        locked_fd = listen_take(&set, "locked"); /* its name is all that is wanted */
        is_locked = locked_fd >= 0 || peers_fd >= 0;
        (void)fd_close(locked_fd); /* always -EBADF */
        if (!is_locked)
                peers_fd = peers_start();
        else if (peers_fd < 0) /* it has died, and one that starts in our sandbox sees nothing */
                peers_fd = -ESRCH;
        if (peers_fd < 0)
                (void)log_warning(peers_fd, "cannot find out who asks; the log will name nobody");
        r = secret_arena_open();
        if (r < 0)
                (void)log_error(r, "cannot set up memory for secrets");
        else if (secret_arena_kind() == SECRET_ARENA_PLAIN)
                (void)log_warning(0, "RLIMIT_MEMLOCK is too low to lock memory: secrets may reach "
                                     "the swap");
        if (r >= 0)
                r = run(argv, &set, peers_fd, is_locked);
        listen_close(&set);
        return r;
}

/* What keeps us from starting will be there in a moment, too, and the service manager tries again at once:
 * without a rest, the journal would fill. The manager's end of it is heard. */
static void rest(void) {
        const struct timespec pause = {.tv_sec = FAILED_START_SEC};
        sigset_t ends;

        if (!getenv("NOTIFY_SOCKET"))
                return;
        notify_send("STATUS=cannot start, and tries again: journalctl --user -n 20 -u mfad");
        (void)sigemptyset(&ends); /* these cannot fail on valid numbers */
        (void)sigaddset(&ends, SIGTERM);
        (void)sigaddset(&ends, SIGINT);
        (void)sigtimedwait(&ends, NULL, &pause); /* over, or a signal: both are the end */
}

int main(int argc, char *argv[]) {
        int r;

        manager_hold_signals();
        r = process_harden();
        log_open("mfad", LOG_LEVEL_INFO);
        if (r < 0)
                return EXIT_FAILURE;
        if (argc == 2 && strcmp(argv[1], "--help") == 0) {
                fputs(usage, stdout);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                puts("mfad " MFAD_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && strcmp(argv[1], "--make-token") == 0)
                return make_token() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc > 1) {
                fputs(usage, stderr);
                return 2;
        }
        if (start(argv) >= 0)
                return EXIT_SUCCESS;
        rest();
        return EXIT_FAILURE;
}
