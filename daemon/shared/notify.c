#include "daemon/shared/notify.h"
#include "common/clock.h"
#include "common/log.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define READY  "READY=1"
#define STATUS "STATUS="

/* One process has one service manager. */
static struct {
        sd_event_source *watchdog, *retry; /* NULL: there is none, or no event loop yet */
        uint64_t watchdog_usec;            /* between two signs of life */
        bool is_ready_dropped;
        char dropped[NOTIFY_TEXT_MAX + 1];
} notify;

static int send_now(const char *text) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(fd_closep) int fd = -EBADF;
        size_t len;

        if (!path || !*path)
                return 0;
        len = strlen(path);
        if (len >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, len);
        if (*path == '@') /* the abstract name space */
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
                return -errno;
        return 0;
}

static bool has_prefix(const char *text, const char *prefix) {
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Later states replace what was dropped, but for our being ready, which is told only once. */
static void tell_later(const char *text) {
        (void)snprintf(notify.dropped, sizeof(notify.dropped), "%s", text);
        notify.is_ready_dropped = has_prefix(text, READY);
        /* neither can fail for a timer of a running loop */
        (void)sd_event_source_set_time_relative(notify.retry, NOTIFY_RETRY_SEC * USEC_PER_SEC);
        (void)sd_event_source_set_enabled(notify.retry, SD_EVENT_ONESHOT);
}

void notify_send(const char *text) {
        char with_ready[NOTIFY_TEXT_MAX + 1];
        int r;

        assert(strlen(text) + sizeof(READY) <= NOTIFY_TEXT_MAX);

        if (notify.is_ready_dropped && has_prefix(text, STATUS)) {
                (void)snprintf(with_ready, sizeof(with_ready), READY "\n%s", text);
                text = with_ready;
        }
        r = send_now(text);
        if (r == -EAGAIN && notify.retry && strstr(text, STATUS)) {
                tell_later(text);
                return;
        }
        if (r < 0)
                log_debug("the service manager was not told: %s", strerror(-r));
        if (!strstr(text, STATUS))
                return; /* which says nothing of the state that may have been dropped */
        notify.is_ready_dropped = false;
        if (notify.retry)
                (void)sd_event_source_set_enabled(notify.retry, SD_EVENT_OFF); /* cannot fail */
}

static int on_retry(_unused_ sd_event_source *s, _unused_ uint64_t usec, _unused_ void *userdata) {
        char text[sizeof(notify.dropped)];

        notify.is_ready_dropped = false; /* it is in there */
        strcpy(text, notify.dropped);
        notify_send(text);
        return 0;
}

static int on_watchdog(sd_event_source *s, _unused_ uint64_t usec, _unused_ void *userdata) {
        bool is_dropped = send_now("WATCHDOG=1") == -EAGAIN;

        /* neither can fail for a timer of a running loop */
        (void)sd_event_source_set_time_relative(s, is_dropped ? notify.watchdog_usec / 8
                                                              : notify.watchdog_usec);
        (void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

int notify_start(sd_event *event) {
        uint64_t usec;
        int r;

        r = sd_event_add_time(event, &notify.retry, CLOCK_MONOTONIC, 0, 0, on_retry, NULL);
        if (r >= 0)
                r = sd_event_source_set_enabled(notify.retry, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(notify.retry, "notify-retry"); /* for debugging */
        r = sd_watchdog_enabled(/* unset_environment= */ false, &usec);
        if (r <= 0)
                return r;
        notify.watchdog_usec = usec / 2;
        /* the first at once, then after half of the time that we are given, and little more */
        r = sd_event_add_time(event, &notify.watchdog, CLOCK_MONOTONIC, 0, usec / 16, on_watchdog,
                              NULL);
        if (r >= 0)
                (void)sd_event_source_set_description(notify.watchdog, "notify-watchdog");
        return r;
}

void notify_stop(void) {
        notify.watchdog = sd_event_source_disable_unref(notify.watchdog);
        notify.retry = sd_event_source_disable_unref(notify.retry);
        notify.is_ready_dropped = false;
}
