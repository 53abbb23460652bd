#include "daemon/front/manager.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/attempts.h"
#include "daemon/front/audit.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/aws_clock.h"
#include "daemon/front/config.h"
#include "daemon/front/control.h"
#include "daemon/front/control_parts.h"
#include "daemon/front/endpoint.h"
#include "daemon/front/fetcher.h"
#include "daemon/front/hooks.h"
#include "daemon/front/http_in.h"
#include "daemon/front/lock.h"
#include "daemon/front/lease.h"
#include "daemon/front/persist.h"
#include "daemon/front/peers.h"
#include "daemon/front/profiles.h"
#include "daemon/front/recent.h"
#include "daemon/front/reload.h"
#include "daemon/front/roles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"
#include "daemon/front/tokens.h"
#include "daemon/shared/listen.h"
#include "daemon/shared/notify.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_SEC (24 * 60 * 60)

struct manager {
        char **argv;
        char status[96]; /* as last told */
        sd_event *event;
        struct recent *recent;
        struct peers *peers;
        struct audit *audit;
        struct reload *reload;
        struct signer_client *signer;
        struct aws_clock *clock;
        struct attempts *attempts;
        struct aws_api *aws;
        struct sessions *sessions;
        struct profiles *profiles;
        struct roles *roles;
        struct persist *persist;
        struct tokens *tokens;
        struct endpoint *endpoint;
        struct http_in *http;
        struct control *control;
        struct hooks *hooks;
        sd_event_source *end; /* NULL until we are to end, which waits for a code's answer */
};

/* "unlocked until 18:20, 3 roles", for `systemctl --user status`. */
static void describe(const struct manager *m, char *out, size_t size) {
        size_t n = 0, n_roles = roles_n_held(m->roles), len;
        const struct session *s;
        int64_t ends = 0;
        char at[32] = "";
        struct tm tm;
        time_t t;

        for (size_t i = 0; (s = sessions_at(m->sessions, i)); i++) {
                const struct lease *l = session_lease(s);

                if (lease_creds(l) && (n++ == 0 || lease_expires_wall_sec(l) < ends))
                        ends = lease_expires_wall_sec(l);
        }
        t = (time_t)ends;
        if (localtime_r(&t, &tm)) /* else it is left out */
                (void)strftime(at, sizeof(at),
                               ends - clock_wall_sec() < DAY_SEC ? "until %H:%M" : "until %a %H:%M",
                               &tm);
        if (n == 0)
                (void)snprintf(out, size, "locked");
        else if (n == 1)
                (void)snprintf(out, size, "unlocked %s", at);
        else
                (void)snprintf(out, size, "%zu keys unlocked, the first %s", n, at);
        len = strlen(out);
        if (n_roles > 0)
                (void)snprintf(out + len, size - len, ", %zu role%s", n_roles,
                               n_roles == 1 ? "" : "s");
}

/* @more: further lines, or "". Only what is new is told. */
static void tell_systemd(struct manager *m, const char *more) {
        char status[96], text[128];

        describe(m, status, sizeof(status));
        if (!*more && strcmp(status, m->status) == 0)
                return;
        strcpy(m->status, status);
        (void)snprintf(text, sizeof(text), "%sSTATUS=%s", more, status); /* see their sizes */
        notify_send(text);
}

/* Whether there is anything that a lock would take. */
static bool is_unlocked(const struct manager *m) {
        const struct session *s;

        for (size_t i = 0; (s = sessions_at(m->sessions, i)); i++)
                if (lease_creds(session_lease(s)))
                        return true;
        return roles_n_held(m->roles) > 0;
}

static void update_hooks(struct manager *m) {
        hooks_set_unlocked(m->hooks, is_unlocked(m));
}

static bool is_code_under_way(const struct manager *m) {
        const struct session *s;

        for (size_t i = 0; (s = sessions_at(m->sessions, i)); i++)
                if (session_is_busy(s))
                        return true;
        return false;
}

static void on_session_changed(const struct session *session, void *userdata) {
        struct manager *m = userdata;

        if (m->end && !is_code_under_way(m)) /* now, but after all who wait for it have heard */
                (void)sd_event_source_set_time(m->end, 0); /* else it is due in a moment */
        persist_session_changed(m->persist, session);
        sessions_follow_profiles(m->sessions, m->profiles); /* they may have changed meanwhile */
        tell_systemd(userdata, "");
        update_hooks(userdata);
}

static void on_role_changed(_unused_ const struct role *role, void *userdata) {
        struct manager *m = userdata;

        persist_role_changed(m->persist);
        tell_systemd(userdata, "");
        update_hooks(userdata); /* roles may be all that there is */
}

static void on_restored(bool is_back, void *userdata) {
        struct manager *m = userdata;

        if (is_back)
                hooks_came_back(m->hooks);
        if (m->endpoint)
                endpoint_restored(m->endpoint);
}

static void on_profiles_changed(void *userdata) {
        struct manager *m = userdata;

        sessions_follow_profiles(m->sessions, m->profiles);
        roles_config_changed(m->roles);
        control_changed(m->control);
}

static void on_signer_changed(void *userdata) {
        struct manager *m = userdata;

        persist_signer_changed(m->persist);
        control_changed(m->control);
}

/* Whatever any library has left in memory goes with the process image; the listeners stay open. */
static void lock(int ack_fd, void *userdata) {
        struct manager *m = userdata;
        struct listen_set set = {.fds = {{.name = "http", .fd = -EBADF},
                                         {.name = "http6", .fd = -EBADF},
                                         {.name = "control", .fd = -EBADF},
                                         {.name = "ack", .fd = ack_fd},
                                         {.name = "peers", .fd = -EBADF},
                                         {.name = "locked", .fd = -EBADF}},
                                 .n = 6};

        log_notice("locking: starting afresh");
        set.fds[2].fd = fcntl(control_listen_fd(m->control), F_DUPFD_CLOEXEC, 3);
        if (set.fds[2].fd >= 0)
                m->control = control_free(m->control); /* those who wait hear it */
        else
                set.fds[2].fd = control_listen_fd(m->control);    /* those who wait are cut off */
        set.fds[5].fd = fcntl(set.fds[2].fd, F_DUPFD_CLOEXEC, 3); /* a mark: any descriptor does */
        http_in_detach(m->http, &set.fds[0].fd, &set.fds[1].fd);
        /* no mfad-fetch may go on with a request of ours */
        m->roles = roles_free(m->roles);
        m->sessions = sessions_free(m->sessions);
        m->aws = aws_api_free(m->aws);
        m->audit = audit_free(m->audit);
        set.fds[4].fd = peers_detach_fd(m->peers);
        persist_forget(m->persist); /* last: nothing is left that would be written again */
        if (m->end)
                (void)raise(SIGTERM); /* it is blocked: the new image finds it, and ends */
        lock_become_new(m->argv, &set);
}

static void on_hook(void *userdata) {
        lock(-EBADF, userdata);
}

static int on_lock_signal(_unused_ sd_event_source *s, _unused_ const struct signalfd_siginfo *info,
                          void *userdata) {
        lock(-EBADF, userdata);
        return 0;
}

/* Everybody works on the one configuration: what is not told here looks when it needs to know. */
static int on_reload_signal(_unused_ sd_event_source *s,
                            _unused_ const struct signalfd_siginfo *info, void *userdata) {
        struct manager *m = userdata;

        notify_send("RELOADING=1");
        if (reload_read(m->reload) >= 0) {
                profiles_config_changed(m->profiles);
                hooks_set_unlocked(m->hooks, false); /* others may be on now */
                update_hooks(m);
        }
        control_changed(m->control); /* also what is wrong with it */
        tell_systemd(m, "READY=1\n");
        return 0;
}

static int on_end(sd_event_source *s, _unused_ uint64_t usec, _unused_ void *userdata) {
        /* only fails when the loop has ended already */
        (void)sd_event_exit(sd_event_source_get_event(s), 0);
        return 0;
}

/* A code is good for one call: what that call buys would be lost with us. */
static int on_end_signal(sd_event_source *s, _unused_ const struct signalfd_siginfo *info,
                         void *userdata) {
        struct manager *m = userdata;
        int r = -EALREADY;

        if (!m->end && is_code_under_way(m))
                r = sd_event_add_time(m->event, &m->end, CLOCK_BOOTTIME,
                                      clock_boot_usec() + MANAGER_END_SEC * USEC_PER_SEC, 1, on_end,
                                      m);
        if (r >= 0)
                r = sd_event_source_set_priority(m->end, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return on_end(s, 0, m);
        log_notice("ending when AWS has answered, in %d s at most", MANAGER_END_SEC);
        notify_send("STOPPING=1\nSTATUS=waiting for AWS's answer to a code");
        return 0;
}

static const struct {
        int number;
        sd_event_signal_handler_t fn;
} signals[] = {{SIGTERM, on_end_signal},
               {SIGINT, on_end_signal},
               {SIGUSR1, on_lock_signal},
               {SIGHUP, on_reload_signal}};

void manager_hold_signals(void) {
        sigset_t mask;

        (void)sigemptyset(&mask);        /* these cannot fail on valid numbers */
        (void)sigaddset(&mask, SIGCHLD); /* sd_event_add_child(3) wants it blocked */
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void)sigaddset(&mask, signals[i].number);
        (void)sigprocmask(SIG_BLOCK, &mask, NULL);
}

static int open_event(struct manager *m) {
        int r = sd_event_new(&m->event);

        return r < 0 ? r : notify_start(m->event);
}

static int heed_signals(struct manager *m) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signals); i++)
                r = sd_event_add_signal(m->event, NULL, signals[i].number, signals[i].fn, m);
        return r < 0 ? log_error(r, "cannot heed signals") : 0;
}

static int make_core(struct manager *m, const struct manager_start *start) {
        char path[PATH_LEN_MAX];
        int r;

        r = recent_new(&m->recent);
        if (r >= 0)
                r = peers_new(start->peers_fd, &m->peers);
        if (r >= 0)
                r = audit_new(m->event, m->peers, &m->audit);
        if (r >= 0)
                r = reload_new(start->config, start->places, start->http_port, &m->reload);
        if (r >= 0)
                r = fs_join(path, sizeof(path), start->runtime_dir, "sign");
        if (r >= 0)
                r = signer_client_new(m->event, path, &m->signer);
        if (r >= 0)
                r = aws_clock_new(start->runtime_dir_fd, &m->clock);
        if (r >= 0)
                r = attempts_new(start->runtime_dir_fd, &m->attempts);
        if (r >= 0)
                r = fetcher_find(path);
        if (r >= 0)
                r = aws_api_new(m->event, start->config, m->signer, m->clock, path, &m->aws);
        if (r >= 0)
                r = sessions_new(m->event, m->aws, m->attempts, &m->sessions);
        if (r >= 0)
                r = profiles_new(m->event, start->config, m->signer, &m->profiles);
        if (r >= 0)
                r = roles_new(m->event, m->aws, m->profiles, m->sessions, &m->roles);
        if (r >= 0)
                r = persist_new(m->event, start->runtime_dir_fd, start->config, m->sessions,
                                m->roles, m->signer, &m->persist);
        if (r >= 0)
                r = hooks_new(m->event, start->config, on_hook, m, &m->hooks);
        return r;
}

/* Who connects meanwhile waits in the queues of the listening sockets, as long as a request would be held for
 * a call in flight. */
static void wait_for_sessions(struct manager *m) {
        uint64_t end = clock_boot_usec() + ENDPOINT_HOLD_MSEC * USEC_PER_MSEC, now;

        persist_watch(m->persist, on_restored, m);
        persist_start(m->persist);
        while (persist_is_restoring(m->persist) && (now = clock_boot_usec()) < end)
                if (sd_event_run(m->event, end - now) < 0)
                        return; /* manager_run() meets it again, and says so */
}

static int make_faces(struct manager *m, const struct manager_start *start, int *http_fd,
                      int *http6_fd, int *control_fd) {
        struct control_parts parts = {.sessions = m->sessions,
                                      .roles = m->roles,
                                      .profiles = m->profiles,
                                      .signer = m->signer,
                                      .aws = m->aws,
                                      .config = start->config,
                                      .reload = m->reload,
                                      .audit = m->audit,
                                      .recent = m->recent,
                                      .persist = m->persist,
                                      .http_port = start->http_port,
                                      .lock = lock,
                                      .lock_userdata = m};
        int r;

        r = tokens_new(start->runtime_dir_fd, &m->tokens);
        if (r < 0)
                return log_error(r, "cannot use the client token \"%s/token\"", start->runtime_dir);
        r = endpoint_new(m->event,
                         &(struct endpoint_parts){.sessions = m->sessions,
                                                  .roles = m->roles,
                                                  .profiles = m->profiles,
                                                  .tokens = m->tokens,
                                                  .signer = m->signer,
                                                  .persist = m->persist,
                                                  .audit = m->audit},
                         &m->endpoint);
        if (r >= 0)
                r = http_in_new(m->event, TAKE_FD(*http_fd), TAKE_FD(*http6_fd), start->http_port,
                                m->endpoint, m->audit, &m->http);
        if (r < 0)
                return log_error(r, "cannot serve HTTP");
        r = control_new(m->event, TAKE_FD(*control_fd), &parts, &m->control);
        if (r >= 0)
                r = sessions_watch(m->sessions, on_session_changed, m);
        if (r >= 0)
                r = roles_watch(m->roles, on_role_changed, m);
        if (r < 0)
                return log_error(r, "cannot serve the control socket");
        profiles_watch(m->profiles, on_profiles_changed, m);
        signer_client_watch(m->signer, on_signer_changed, m);
        sessions_follow_profiles(m->sessions, m->profiles); /* those that came back */
        return 0;
}

int manager_new(const struct manager_start *start, struct manager **ret) {
        _cleanup_(fd_closep) int http_fd = start->http_fd;
        _cleanup_(fd_closep) int http6_fd = start->http6_fd;
        _cleanup_(fd_closep) int control_fd = start->control_fd;
        _cleanup_(manager_freep) struct manager *m = NULL;
        int r;

        assert(ret);

        m = calloc(1, sizeof(*m));
        if (!m)
                return log_error(-ENOMEM, "cannot start");
        m->argv = start->argv;
        r = open_event(m);
        if (r < 0)
                return log_error(r, "cannot make an event loop");
        r = make_core(m, start);
        if (r < 0)
                return log_error(r, "cannot start");
        wait_for_sessions(m);
        r = make_faces(m, start, &http_fd, &http6_fd, &control_fd);
        if (r >= 0)
                r = heed_signals(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

struct manager *manager_free(struct manager *m) {
        if (!m)
                return NULL;
        notify_stop();
        if (m->peers) /* first, so that it has ended by itself when systemd looks for what is left */
                (void)fd_close(peers_detach_fd(m->peers)); /* always -EBADF */
        if (m->signer)
                signer_client_watch(m->signer, NULL, NULL);
        (void)sd_event_source_disable_unref(m->end);
        (void)control_free(m->control); /* all of these return NULL */
        (void)http_in_free(m->http);
        (void)endpoint_free(m->endpoint);
        (void)tokens_free(m->tokens);
        (void)persist_free(m->persist);
        (void)roles_free(m->roles);
        (void)profiles_free(m->profiles);
        (void)sessions_free(m->sessions);
        (void)hooks_free(m->hooks);
        (void)aws_api_free(m->aws);
        (void)attempts_free(m->attempts);
        (void)aws_clock_free(m->clock);
        (void)signer_client_free(m->signer);
        (void)reload_free(m->reload);
        (void)audit_free(m->audit);
        (void)peers_free(m->peers);
        (void)recent_free(m->recent);
        (void)sd_event_unref(m->event);
        free(m);
        return NULL;
}

int manager_run(struct manager *m) {
        struct signer_request status = {.type = SIGNER_REQUEST_STATUS};
        int r;

        tell_systemd(m, "READY=1\n");
        update_hooks(m); /* an earlier process may have left something unlocked */
        /* which keys there are decides what the first request hears; nobody waits for it */
        r = signer_client_ask(m->signer, &status, NULL, NULL, NULL);
        if (r < 0)
                (void)log_warning(r, "cannot ask mfad-signer");
        r = sd_event_loop(m->event);
        notify_send("STOPPING=1");
        return r < 0 ? log_error(r, "the event loop failed") : r;
}
