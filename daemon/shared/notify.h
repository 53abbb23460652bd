/* notify.h - what the service manager is told (sd_notify(3)), its watchdog too, without ever waiting for it.
 * Owns:  the watchdog's timer, and the last message that the manager had no room for.
 * Calls: the kernel, sd-event.
 * Limit: NOTIFY_TEXT_MAX bytes a message. What the manager does not take at once is told again after
 *        NOTIFY_RETRY_SEC, unless there is something newer to be told.
 * sd_notify() waits while the manager's queue is full, and credentials would wait with it; so does
 * sd_event_set_watchdog(3). */
#pragma once
#include <systemd/sd-event.h>

#define NOTIFY_TEXT_MAX  256
#define NOTIFY_RETRY_SEC 1

/* From now on the manager hears from @event's loop that it lives, if it wants to, and dropped messages are
 * told again. Returns 0 or a negative errno; end it with notify_stop() in either case. */
int notify_start(sd_event *event);
/* Before the event loop goes. */
void notify_stop(void);

/* @text: lines such as "READY=1\nSTATUS=locked", these two in that order. What has no STATUS= is not told again
 * when it was dropped. Without $NOTIFY_SOCKET nobody is told. */
void notify_send(const char *text);
