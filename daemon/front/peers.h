/* peers.h - who is at the other end of a connection: asked of a process of its own, remembered, within a budget.
 * Owns:  the socket to that process, and what is known of the last PEERS_MAX programs that asked.
 * Calls: peer.h, fork(2).
 * Limit: PEERS_LOOK_USEC for one look, PEERS_SHARE of all time for all; beyond that nobody knows.
 *
 * A process in a Landlock domain may not look into others (landlock(7)), and mfad is to be one. So a child that
 * is forked before anything else looks for it. It holds no secret, no socket but the one, and hears numbers. */
#pragma once
#include "common/macros.h"
#include "daemon/front/peer.h"
#include <stdbool.h>

#define PEERS_MAX         64
#define PEERS_LOOK_USEC   5000
#define PEERS_SHARE       100 /* one hundredth */
#define PEERS_CREDIT_USEC 50000

/* Starts the process. Returns a descriptor that leads to it, or a negative errno. Single-threaded, and
 * before there is anything to hide. It ends when the descriptor is closed, also by a crash. */
int peers_start(void);

struct peers;
/* @fd: of peers_start(), also of an earlier process image; taken, also on failure. Negative: nobody is ever
 * known. */
int peers_new(int fd, struct peers **ret);
struct peers *peers_free(struct peers *p);
DEFINE_FREEP(struct peers, peers)
/* For a new process image. */
int peers_detach_fd(struct peers *p);

/* The other end of one connection; all zero at birth, then inode or pid are set by who accepted it. */
struct peer_end {
        uint32_t inode; /* of the client's socket */
        pid_t pid;      /* told by the kernel, where it tells */
        bool is_looked_up;
        uint32_t id; /* 0: not known */
};
/* What is known about @end; looked up once. Never NULL: its pid is 0 when nobody knows. Lent until the next
 * call here. @p may be NULL. */
const struct peer *peers_look(struct peers *p, struct peer_end *end);
