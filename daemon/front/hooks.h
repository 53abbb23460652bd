/* hooks.h - what locks besides the user's word: suspend, screen lock, idle time and logout, told by systemd-logind.
 * Owns:  the connection to the system bus, open only while something is unlocked and a hook is on; the inhibitor
 *        that makes the machine's sleep wait for the lock.
 * Calls: sd-bus (org.freedesktop.login1(5)), config.h, clock.h. What a lock is, its maker knows.
 * Limit: one question of each kind under way. Nothing waits; without a bus nothing fails. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct config;
struct hooks;

/* @config is lent until hooks_free(). Touches no bus. @fn locks, and need not return. */
typedef void (*hooks_lock_fn)(void *userdata);
int hooks_new(sd_event *event, const struct config *config, hooks_lock_fn fn, void *userdata,
              struct hooks **ret);
struct hooks *hooks_free(struct hooks *h);
DEFINE_FREEP(struct hooks, hooks)

/* Whether there is anything to lock. Every true that finds no connection begins to make one; what stands in
 * the way is logged once. */
void hooks_set_unlocked(struct hooks *h, bool is_unlocked);

/* What is unlocked was so before this process began: what logind announced meanwhile and still holds is asked for. */
void hooks_came_back(struct hooks *h);

/* How long the machine has slept between two readings of clock_asleep_usec(). That takes two clocks, and what
 * passes between looking at them makes the later reading the smaller one at times. */
uint64_t hooks_slept_usec(uint64_t before, uint64_t now);

/* The user's idle time, as logind tells it. */
struct hooks_idle {
        bool is_idle;              /* IdleHint */
        uint64_t since_awake_usec; /* IdleSinceHintMonotonic; 0 when logind does not know */
        uint64_t from_usec;        /* CLOCK_BOOTTIME: nothing before this counts */
        uint64_t limit_usec;
};
/* Pure but for the clock. True: idle for @i->limit_usec. Else @ret_due_usec (CLOCK_BOOTTIME) is the earliest
 * time at which that may be. */
bool hooks_idle_is_over(const struct hooks_idle *i, uint64_t *ret_due_usec);
