/* manager.h - mfad's parts, put together: who is made in which order, who hears of whom, and the lock.
 * Owns:  every part and the event loop.
 * Calls: all of daemon/front.
 * Limit: one event loop, no threads, no timer while nothing is unlocked. An end waits MANAGER_END_SEC at most. */
#pragma once
#include "common/macros.h"
#include <stdint.h>

#define MANAGER_END_SEC 4 /* TimeoutStopSec= of mfad.service is one second more */

struct config;
struct fs_places;
struct manager;

struct manager_start {
        char **argv;           /* of the new image when we are locked */
        struct config *config; /* these are lent until manager_free(); a reload changes it */
        const struct fs_places *places; /* that it was read from */
        const char *runtime_dir;
        int runtime_dir_fd;
        int http_fd; /* these are taken, also on failure; [::1] may be negative */
        int http6_fd;
        int control_fd;
        int peers_fd; /* of peers_start(), or negative */
        uint16_t http_port;
};

/* First thing in main(): a signal that manager_run() heeds waits until then. By default it would end mfad, which
 * is started again with what SIGUSR1 was to lock. */
void manager_hold_signals(void);

/* Logs why it fails. */
int manager_new(const struct manager_start *start, struct manager **ret);
struct manager *manager_free(struct manager *m);
DEFINE_FREEP(struct manager, manager)
/* Tells the service manager that we are ready, and serves until SIGTERM or SIGINT. The first of them waits for
 * what becomes of a code that was sent, the second does not. SIGUSR1 locks, SIGHUP reads mfad.conf again. */
int manager_run(struct manager *m);
