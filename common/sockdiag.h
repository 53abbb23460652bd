/* sockdiag.h - which uid owns the other end of a loopback TCP connection, or a listening port.
 * Owns:  one netlink descriptor per handle.
 * Calls: the kernel (sock_diag(7)); one exact query, never a dump.
 * Limit: IPv4 and IPv6 TCP.
 * A peer that has closed may read as uid 0 with inode 0: that is an error here, not root. */
#pragma once
#include <netinet/in.h>
#include <sys/types.h>

/* Opens a NETLINK_SOCK_DIAG socket. Returns a descriptor or a negative errno. */
int sockdiag_open(void);
/* The uid of the process that owns the client end of the connection from @peer to @local, both as
 * the server sees them, and the inode of its socket (NULL: not wanted). Returns 0, -ENOENT when the kernel
 * knows no live owner, or another errno. */
int sockdiag_peer_uid(int fd, const struct sockaddr_in *peer, const struct sockaddr_in *local,
                      uid_t *ret_uid, uint32_t *ret_inode);
/* The uid that listens on 127.0.0.1:@port. Returns 0, -ENOENT when nobody does, or another errno. */
int sockdiag_listener_uid(int fd, uint16_t port, uid_t *ret_uid);
/* The same for [::1]:@port. */
int sockdiag_listener6_uid(int fd, uint16_t port, uid_t *ret_uid);
