#include "common/clock.h"

#include <stdbool.h>
#include <time.h>

static bool clock_is_frozen;
static uint64_t frozen_boot_usec;
static uint64_t frozen_asleep_usec;
static uint64_t frozen_wall_usec;

static uint64_t read_clock(clockid_t id) {
        struct timespec ts;

        if (clock_is_frozen)
                return frozen_boot_usec;
        (void)clock_gettime(id, &ts); /* cannot fail for a known clock */
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_boot_usec(void) {
        return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_awake_usec(void) {
        return read_clock(CLOCK_MONOTONIC) - (clock_is_frozen ? frozen_asleep_usec : 0);
}

uint64_t clock_asleep_usec(void) {
        uint64_t awake = clock_awake_usec(), boot = clock_boot_usec();

        return boot > awake ? boot - awake : 0;
}

int64_t clock_wall_sec(void) {
        if (clock_is_frozen)
                return (int64_t)(frozen_wall_usec / USEC_PER_SEC);
        return (int64_t)time(NULL);
}

void clock_freeze(uint64_t boot_usec, int64_t wall_sec) {
        clock_is_frozen = true;
        frozen_boot_usec = boot_usec;
        frozen_asleep_usec = 0;
        frozen_wall_usec = (uint64_t)wall_sec * USEC_PER_SEC;
}

void clock_advance(uint64_t usec) {
        frozen_boot_usec += usec;
        frozen_wall_usec += usec;
}

void clock_sleep(uint64_t usec) {
        clock_advance(usec);
        frozen_asleep_usec += usec;
}
