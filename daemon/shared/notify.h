/* notify.h - what the service manager is told (sd_notify(3)), without ever waiting for it.
 * Owns:  nothing.
 * Calls: the kernel.
 * Limit: a message that the service manager does not take at once is lost.
 * sd_notify() itself waits while the manager's queue is full, and credentials would wait with it. */
#pragma once

/* @text: lines such as "READY=1\nSTATUS=locked". Without $NOTIFY_SOCKET nobody is told. */
void notify_send(const char *text);
