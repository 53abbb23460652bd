/* clock.h - the clocks we decide by, and the one place where tests replace them.
 * Owns:  the test override.
 * Calls: clock_gettime(2).
 * Limit: none.
 * Deadlines run on CLOCK_BOOTTIME, which counts suspend and never jumps; AWS speaks wall time. */
#pragma once
#include <stdint.h>

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX

/* CLOCK_BOOTTIME in microseconds. */
uint64_t clock_boot_usec(void);
/* CLOCK_MONOTONIC in microseconds: as above without the time for which the machine was asleep. */
uint64_t clock_awake_usec(void);
/* For how long the machine has been asleep since it was started: the difference between the two. */
uint64_t clock_asleep_usec(void);
/* The wall clock, seconds since 1970. */
int64_t clock_wall_sec(void);

/* For tests: from now on all clocks stand still at these values, and the machine has never slept. */
void clock_freeze(uint64_t boot_usec, int64_t wall_sec);
/* For tests: moves frozen clocks by @usec. */
void clock_advance(uint64_t usec);
/* For tests: the same, in the machine's sleep. */
void clock_sleep(uint64_t usec);
