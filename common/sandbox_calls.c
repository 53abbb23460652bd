#include "common/sandbox_calls.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH 0 /* no filter: its numbers and conventions were never tried */
#endif

/* Harmless ones that the headers may be too old for. From 424 on all architectures have the same numbers. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#define NR_MAP_SHADOW_STACK 453
#define NR_FUTEX_WAKE       454
#define NR_FUTEX_WAIT       455
#define NR_FUTEX_REQUEUE    456
#define NR_MSEAL            462
/* What is newer than these lists fails with ENOSYS, as on a kernel that is as old as they are. */
#define NR_LAST_KNOWN       462

/* What of a socket's type is not a flag. */
#define SOCK_TYPE_BITS 0xfU

/* ioctl(2) of a later glibc's isatty(3) */
#define NR_TCGETS2 0x802c542aU

/* prctl(2) with this number exists nowhere: our filter answers it, so that a process that was executed
 * anew knows that it is under the filter still. */
#define MARK           0x6d666164U
#define MARK_ERRNO     3000 /* + Landlock's ABI; no errno of the kernel's */
#define MARK_ERRNO_MAX 3999

#define S   (1U << SANDBOX_SIGNER)
#define F   (1U << SANDBOX_FRONT)
#define T   (1U << SANDBOX_FETCH)
#define P   (1U << SANDBOX_FINDER)
#define ALL (S | F | T)

/* Free of arguments that matter. Landlock sees to the files. */
static const struct {
        int nr;
        unsigned who;
} calls[] = {
        /* files */
        {SYS_openat, S | F},
        {SYS_openat2, S | F},
        {SYS_close, ALL | P},
        {SYS_close_range, ALL},
        {SYS_read, ALL | P},
        {SYS_readv, ALL},
        {SYS_pread64, ALL},
        {SYS_preadv, ALL},
        {SYS_write, ALL | P},
        {SYS_writev, ALL},
        {SYS_pwrite64, S | F},
        {SYS_lseek, ALL | P},
        {SYS_fstat, ALL | P},
        {SYS_newfstatat, ALL | P},
        {SYS_statx, ALL | P},
        {SYS_statfs, ALL},
        {SYS_fstatfs, ALL},
        {SYS_faccessat, ALL},
        {SYS_faccessat2, ALL},
        {SYS_readlinkat, ALL | P},
        {SYS_getdents64, ALL | P},
        {SYS_getcwd, ALL},
        {SYS_fcntl, ALL},
        {SYS_dup, ALL},
        {SYS_dup3, ALL},
        {SYS_umask, ALL},
        {SYS_fadvise64, ALL},
        {SYS_ftruncate, S | F},
        {SYS_fallocate, S | F},
        {SYS_fsync, S | F},
        {SYS_fdatasync, S | F},
        {SYS_flock, ALL},
        {SYS_fchmod, S | F},
        {SYS_fchmodat, S | F},
        {SYS_linkat, S | F},
        {SYS_renameat2, S | F},
        {SYS_unlinkat, S | F},
        {SYS_mkdirat, S | F},
#ifdef SYS_open /* what newer architectures never had */
        {SYS_open, S | F},
        {SYS_stat, ALL | P},
        {SYS_lstat, ALL | P},
        {SYS_access, ALL},
        {SYS_readlink, ALL | P},
        {SYS_dup2, ALL},
        {SYS_pipe, ALL},
        {SYS_link, S | F},
        {SYS_unlink, S | F},
        {SYS_mkdir, S | F},
        {SYS_poll, ALL},
        {SYS_select, ALL},
        {SYS_epoll_create, ALL},
        {SYS_epoll_wait, ALL},
        {SYS_eventfd, ALL},
        {SYS_time, ALL},
        {SYS_alarm, F},
        {SYS_arch_prctl, ALL},
#endif
#ifdef SYS_getrlimit
        {SYS_getrlimit, ALL},
        {SYS_setrlimit, ALL},
#endif
#ifdef SYS_rename
        {SYS_rename, S | F},
#endif
#ifdef SYS_renameat
        {SYS_renameat, S | F},
#endif
        /* memory */
        {SYS_brk, ALL | P},
        {SYS_munmap, ALL | P},
        {SYS_mremap, ALL | P},
        {SYS_madvise, ALL | P},
        {SYS_mlock, ALL},
        {SYS_mlock2, ALL},
        {SYS_munlock, ALL},
        {SYS_membarrier, ALL},
        {SYS_memfd_secret, ALL},
        {NR_MAP_SHADOW_STACK, ALL},
        {NR_MSEAL, ALL},
        /* this process */
        {SYS_exit, ALL | P},
        {SYS_exit_group, ALL | P},
        {SYS_getpid, ALL | P},
        {SYS_getppid, ALL},
        {SYS_gettid, ALL},
        {SYS_getpgid, ALL},
        {SYS_getsid, ALL},
        {SYS_getuid, ALL},
        {SYS_geteuid, ALL},
        {SYS_getgid, ALL},
        {SYS_getegid, ALL},
        {SYS_getresuid, ALL},
        {SYS_getresgid, ALL},
        {SYS_getgroups, ALL},
        {SYS_capget, ALL},
        {SYS_getrusage, ALL},
        {SYS_rt_sigaction, ALL},
        {SYS_rt_sigprocmask, ALL},
        {SYS_rt_sigreturn, ALL | P},
        {SYS_rt_sigpending, ALL},
        {SYS_rt_sigtimedwait, ALL},
        {SYS_sigaltstack, ALL},
        {SYS_signalfd4, S | F},
        {SYS_restart_syscall, ALL | P},
        {SYS_setitimer, F}, /* mfad-fetch's alarm(2), before it narrows itself */
        {SYS_set_tid_address, ALL},
        {SYS_set_robust_list, ALL},
        {SYS_get_robust_list, ALL},
        {SYS_rseq, ALL},
        {SYS_sched_yield, ALL},
        {SYS_sched_getaffinity, ALL},
        {SYS_getcpu, ALL},
        {SYS_futex, ALL | P},
        {SYS_futex_waitv, ALL},
        {NR_FUTEX_WAKE, ALL},
        {NR_FUTEX_WAIT, ALL},
        {NR_FUTEX_REQUEUE, ALL},
        /* time, chance, this machine */
        {SYS_clock_gettime, ALL | P},
        {SYS_clock_getres, ALL},
        {SYS_clock_nanosleep, ALL},
        {SYS_nanosleep, ALL},
        {SYS_gettimeofday, ALL},
        {SYS_times, ALL},
        {SYS_getrandom, ALL},
        {SYS_uname, ALL},
        {SYS_sysinfo, ALL},
        {SYS_cachestat, ALL},
        /* events */
        {SYS_epoll_create1, ALL},
        {SYS_epoll_ctl, ALL},
        {SYS_epoll_pwait, ALL},
        {SYS_epoll_pwait2, ALL},
        {SYS_ppoll, ALL},
        {SYS_pselect6, ALL},
        {SYS_eventfd2, ALL},
        {SYS_pipe2, ALL},
        {SYS_timerfd_create, S | F},
        {SYS_timerfd_settime, S | F},
        {SYS_timerfd_gettime, S | F},
        {SYS_inotify_init1, S | F},
        {SYS_inotify_add_watch, S | F},
        {SYS_inotify_rm_watch, S | F},
        /* sockets that there are, and those that only_sockets() lets be made; never listen(2) */
        {SYS_connect, ALL},
        {SYS_accept, S | F},
        {SYS_accept4, S | F},
        {SYS_bind, ALL},
        {SYS_getsockname, ALL},
        {SYS_getpeername, ALL},
        {SYS_getsockopt, ALL},
        {SYS_setsockopt, ALL},
        {SYS_sendto, ALL | P},
        {SYS_recvfrom, ALL | P},
        {SYS_sendmsg, ALL},
        {SYS_recvmsg, ALL},
        {SYS_sendmmsg, ALL},
        {SYS_recvmmsg, ALL},
        {SYS_shutdown, ALL},
        /* itself anew; mfad-fetch; which file, is Landlock's affair */
        {SYS_execve, S | F},
        {SYS_kill, F},
        {SYS_tgkill, F},
        {SYS_pidfd_open, F},
        {SYS_pidfd_send_signal, F},
        {SYS_waitid, F},
        {SYS_wait4, F},
        /* mfad-fetch's own sandbox within ours */
        {SYS_landlock_create_ruleset, F},
        {SYS_landlock_add_rule, F},
        {SYS_landlock_restrict_self, F},
};

struct filter {
        struct sock_filter code[SANDBOX_FILTER_MAX];
        unsigned short n;
};

static void put(struct filter *f, unsigned code, uint32_t k, uint8_t if_true, uint8_t if_false) {
        assert(f->n < SANDBOX_FILTER_MAX);
        f->code[f->n++] = (struct sock_filter){(uint16_t)code, if_true, if_false, k};
}

static void put_load(struct filter *f, size_t offset) {
        put(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_return(struct filter *f, uint32_t what) {
        put(f, BPF_RET | BPF_K, what, 0, 0);
}

static void put_error(struct filter *f, unsigned error) {
        put_return(f, SECCOMP_RET_ERRNO | error);
}

/* The lower half; all that we look at are ints, or flags that are in it. */
static void put_load_argument(struct filter *f, unsigned i) {
        put_load(f, offsetof(struct seccomp_data, args) + i * sizeof(uint64_t) +
                            (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizeof(uint32_t)));
}

/* Begins what is said of @nr. Returns where to note its end. */
static unsigned short begin_call(struct filter *f, int nr) {
        put(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 0);
        return (unsigned short)(f->n - 1);
}

/* Every path of it has returned before here. */
static void end_call(struct filter *f, unsigned short begin) {
        assert(f->n - begin - 1 <= UINT8_MAX);
        f->code[begin].jf = (uint8_t)(f->n - begin - 1);
}

static void allow(struct filter *f, int nr) {
        unsigned short begin = begin_call(f, nr);

        put_return(f, SECCOMP_RET_ALLOW);
        end_call(f, begin);
}

static void refuse(struct filter *f, int nr, unsigned error) {
        unsigned short begin = begin_call(f, nr);

        put_error(f, error);
        end_call(f, begin);
}

/* Only where argument @i is one of @values. */
static void allow_values(struct filter *f, int nr, unsigned i, const uint32_t values[], size_t n) {
        unsigned short begin = begin_call(f, nr);

        put_load_argument(f, i);
        for (size_t v = 0; v < n; v++) {
                put(f, BPF_JMP | BPF_JEQ | BPF_K, values[v], 0, 1);
                put_return(f, SECCOMP_RET_ALLOW);
        }
        put_error(f, EPERM);
        end_call(f, begin);
}

/* Only where not all of @bits are set in argument @i. */
static void allow_without(struct filter *f, int nr, unsigned i, uint32_t bits) {
        unsigned short begin = begin_call(f, nr);

        put_load_argument(f, i);
        put(f, BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
        put(f, BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1);
        put_error(f, EPERM);
        put_return(f, SECCOMP_RET_ALLOW);
        end_call(f, begin);
}

/* Only where none of @bits is set in argument @i. */
static void allow_none(struct filter *f, int nr, unsigned i, uint32_t bits) {
        unsigned short begin = begin_call(f, nr);

        put_load_argument(f, i);
        put(f, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
        put_error(f, EPERM);
        put_return(f, SECCOMP_RET_ALLOW);
        end_call(f, begin);
}

/* Of the unix sockets only those of @type. */
static void allow_unix(struct filter *f, int nr, uint32_t type) {
        unsigned short begin = begin_call(f, nr);

        put_load_argument(f, 0);
        put(f, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 4);
        put_load_argument(f, 1);
        put(f, BPF_ALU | BPF_AND | BPF_K, SOCK_TYPE_BITS, 0, 0);
        put(f, BPF_JMP | BPF_JEQ | BPF_K, type, 0, 1);
        put_return(f, SECCOMP_RET_ALLOW);
        put_error(f, EPERM);
        end_call(f, begin);
}

/* Landlock knows no paths of unix sockets, and behind many of them is somebody who does what he is asked: the
 * service manager starts any program, our own `control` gives credentials. All of those are streams.
 * AF_NETLINK is for getaddrinfo(3), and for asking who owns a connection. */
static void only_sockets(struct filter *f, enum sandbox_program program) {
        static const uint32_t families[] = {AF_INET, AF_INET6, AF_NETLINK, AF_UNIX};

        switch (program) {
        case SANDBOX_SIGNER: /* the journal and the service manager take datagrams */
                allow_unix(f, SYS_socket, SOCK_DGRAM);
                return;
        case SANDBOX_FRONT: /* also the system bus, mfad-signer, and mfad-fetch's own pair */
                allow_values(f, SYS_socket, 0, families, ELEMENTSOF(families));
                allow_values(f, SYS_socketpair, 0, families + 3, 1);
                return;
        case SANDBOX_FETCH: /* libcurl's threads wake each other; a pair of datagrams could be led elsewhere */
                allow_values(f, SYS_socket, 0, families, 3);
                allow_unix(f, SYS_socketpair, SOCK_STREAM);
                return;
        case SANDBOX_FINDER: return;
        }
}

/* A thread for libcurl's look-up; in the front what posix_spawn(3) does. clone3(2) hides its flags from us,
 * and every glibc can do without it. */
static void only_threads(struct filter *f, enum sandbox_program program) {
        unsigned short begin;

        refuse(f, SYS_clone3, ENOSYS);
        if (program == SANDBOX_SIGNER)
                return;
        begin = begin_call(f, SYS_clone);
        put_load_argument(f, 0);
        put(f, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
        put_return(f, SECCOMP_RET_ALLOW);
        if (program == SANDBOX_FRONT) {
                put(f, BPF_JMP | BPF_JEQ | BPF_K, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 1);
                put_return(f, SECCOMP_RET_ALLOW);
        }
        put_error(f, EPERM);
        end_call(f, begin);
}

/* Files are opened for reading; what creates or empties one is not that either. */
static void only_reading(struct filter *f) {
        allow_none(f, SYS_openat, 2, O_ACCMODE | O_CREAT | O_TRUNC);
#ifdef SYS_open
        allow_none(f, SYS_open, 1, O_ACCMODE | O_CREAT | O_TRUNC);
#endif
}

/* Neither typing into the terminal that we were started from, nor any device's own commands. */
static void only_harmless_ioctls(struct filter *f) {
        static const uint32_t commands[] = {FIONREAD, FIONBIO, TCGETS, NR_TCGETS2};

        allow_values(f, SYS_ioctl, 1, commands, ELEMENTSOF(commands));
}

static void put_mark(struct filter *f, enum sandbox_program program, unsigned landlock_abi) {
        unsigned short begin = begin_call(f, SYS_prctl);

        put_load_argument(f, 0);
        put(f, BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 3);
        put_load_argument(f, 1);
        put(f, BPF_JMP | BPF_JEQ | BPF_K, program, 0, 1);
        put_error(f, MARK_ERRNO + landlock_abi);
        put_return(f, SECCOMP_RET_ALLOW);
        end_call(f, begin);
}

static void put_head(struct filter *f) {
        put_load(f, offsetof(struct seccomp_data, arch));
        put(f, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
        put_return(f, SECCOMP_RET_KILL_PROCESS); /* other numbers, other meanings */
        put_load(f, offsetof(struct seccomp_data, nr));
}

static void build(struct filter *f, enum sandbox_program program, unsigned landlock_abi) {
        /* mfad-fetch is born in the front's sandbox */
        unsigned who = program == SANDBOX_FRONT ? F | T : 1U << program;
        uint32_t pid = (uint32_t)getpid(), self = 0;

        put_head(f);
        /* no memory is made code that was data; a file may be, which is how libraries are loaded */
        allow_without(f, SYS_mmap, 2, PROT_WRITE | PROT_EXEC);
        allow_without(f, SYS_mprotect, 2, PROT_EXEC);
        if (program != SANDBOX_FINDER) {
                allow_values(f, SYS_prlimit64, 0, &self, 1); /* others have the same uid */
                put_mark(f, program, landlock_abi);
                only_sockets(f, program);
                only_threads(f, program);
                only_harmless_ioctls(f);
        }
        if (who & (T | P) && !(who & F))
                only_reading(f);
        if (!(who & F)) /* abort(3); nobody else is to be signalled */
                allow_values(f, SYS_tgkill, 0, &pid, 1);
        /* at last those whose verdict the kernel keeps, and need not ask us for again */
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                if (calls[i].who & who)
                        allow(f, calls[i].nr);
        /* x32's numbers are large, too, and get the same answer */
        put(f, BPF_JMP | BPF_JGT | BPF_K, NR_LAST_KNOWN, 0, 1);
        put_error(f, ENOSYS);
        put_error(f, EPERM);
}

int sandbox_calls_install(enum sandbox_program program, int landlock_abi) {
        struct filter f = {.n = 0};
        struct sock_fprog text = {.filter = f.code};

        assert(landlock_abi >= 0);

        if (ARCH == 0)
                return -EOPNOTSUPP;
        if (landlock_abi > MARK_ERRNO_MAX - MARK_ERRNO)
                landlock_abi = MARK_ERRNO_MAX - MARK_ERRNO;
        build(&f, program, (unsigned)landlock_abi);
        text.len = f.n;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &text) < 0 ? -errno : 0;
}

int sandbox_calls_inherited(enum sandbox_program program) {
        if (prctl(MARK, program, 0, 0, 0) < 0 && errno >= MARK_ERRNO && errno <= MARK_ERRNO_MAX)
                return errno - MARK_ERRNO;
        return -ENOENT;
}
