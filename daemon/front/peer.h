/* peer.h - which process of ours holds a socket, and what is known about it: from /proc.
 * Owns:  nothing.
 * Calls: the kernel (proc(5)).
 * Limit: PEER_PROCESSES_MAX processes, the newest first, until the caller's time is over.
 *
 * A process that made itself undumpable hides its descriptors and its executable. Of several processes that
 * share a socket one is named. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_PROCESSES_MAX 16384
#define PEER_EXE_MAX       255
#define PEER_COMM_MAX      15 /* TASK_COMM_LEN - 1 */
#define PEER_UNIT_MAX      127

/* "" for what nobody knows. A process can have any bytes in its names. */
struct peer {
        pid_t pid; /* 0: not known, and nothing else then */
        char exe[PEER_EXE_MAX + 1];
        char comm[PEER_COMM_MAX +
                  1]; /* as the process calls itself: "aws" for a script of python3's */
        char unit[PEER_UNIT_MAX + 1];
};

/* The process that holds the socket with @inode; those in @recent are looked at first. @ret->pid is 0 when
 * none was found before clock_boot_usec() reached @until_usec. */
void peer_find(uint32_t inode, const pid_t *recent, size_t n_recent, uint64_t until_usec,
               struct peer *ret);
/* What is known about the process @pid. */
void peer_describe(pid_t pid, struct peer *ret);

/* The systemd unit that a text of /proc/PID/cgroup names, of the user's manager if it is there, into @out of
 * @size bytes; "" for none. */
void peer_unit(const char *cgroup, char *out, size_t size);
