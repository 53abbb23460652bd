/* moved_clock.c - a clock that a test moves: for LD_PRELOAD into mfad and mfad-signer, never installed.
 * Owns:  a read-only view of the file that MFAD_TEST_CLOCK names: microseconds as int64_t, written by the test.
 * Calls: the C library's own functions, which it stands before.
 * Limit: CLOCK_REALTIME and CLOCK_BOOTTIME move, and the timers on them; CLOCK_MONOTONIC does not, so that
 *        limits of libraries (idle connections) stay what they are. Not inherited by mfad-fetch, whose
 *        environment is empty, nor by a new process image after a lock.
 *
 * The clock leaps, it does not run faster: between two leaps everything takes its real time, also a child
 * that has 17 s, or a connection that may live 5. A timer that fell due by a leap runs as soon as anything
 * wakes its process (sd-event looks at all its timers then), so a test leaps and asks. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_USEC INT64_C(1000)
#define FDS_MAX       1024

static const volatile int64_t *moved_usec; /* NULL: not asked for */
static bool is_moved_timer[FDS_MAX];       /* by timerfd_create()'s descriptor */

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_timerfd_create)(int, int);
static int (*real_timerfd_settime)(int, int, const struct itimerspec *, struct itimerspec *);

static void *find(const char *name) {
        void *function = dlsym(RTLD_NEXT, name);

        if (!function)
                abort();
        return function;
}

/* Before main(): the programs clear their environment. */
__attribute__((constructor)) static void start(void) {
        const char *path = getenv("MFAD_TEST_CLOCK");
        void *view;
        int fd;

        if (!path)
                return;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                abort();
        view = mmap(NULL, sizeof(*moved_usec), PROT_READ, MAP_SHARED, fd, 0);
        if (view == MAP_FAILED)
                abort();
        (void)close(fd);
        moved_usec = view;
}

static int64_t moved_nsec(void) {
        return moved_usec ? *moved_usec * NSEC_PER_USEC : 0;
}

static bool moves(clockid_t clock) {
        return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ||
               clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM ||
               clock == CLOCK_REALTIME_ALARM;
}

static void add(struct timespec *ts, int64_t nsec) {
        int64_t sum = ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec + nsec;

        if (sum < 1) /* 0 would disarm a timer */
                sum = 1;
        ts->tv_sec = sum / NSEC_PER_SEC;
        ts->tv_nsec = sum % NSEC_PER_SEC;
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
        int r;

        if (!real_clock_gettime)
                real_clock_gettime = find("clock_gettime");
        r = real_clock_gettime(clock, ts);
        if (r == 0 && moves(clock))
                add(ts, moved_nsec());
        return r;
}

time_t time(time_t *ret) {
        struct timespec ts;

        if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
                return -1;
        if (ret)
                *ret = ts.tv_sec;
        return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
        struct timespec ts;

        (void)zone;
        if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
                return -1;
        tv->tv_sec = ts.tv_sec;
        tv->tv_usec = ts.tv_nsec / NSEC_PER_USEC;
        return 0;
}

int timerfd_create(int clock, int flags) {
        int fd;

        if (!real_timerfd_create)
                real_timerfd_create = find("timerfd_create");
        fd = real_timerfd_create(clock, flags);
        if (fd >= 0 && fd < FDS_MAX)
                is_moved_timer[fd] = moves(clock);
        return fd;
}

/* An absolute deadline in moved time, as the kernel has to hear it. */
int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old) {
        struct itimerspec real = *new;

        if (!real_timerfd_settime)
                real_timerfd_settime = find("timerfd_settime");
        if ((flags & TFD_TIMER_ABSTIME) && fd >= 0 && fd < FDS_MAX && is_moved_timer[fd] &&
            (new->it_value.tv_sec != 0 || new->it_value.tv_nsec != 0))
                add(&real.it_value, -moved_nsec());
        return real_timerfd_settime(fd, flags, &real, old);
}
