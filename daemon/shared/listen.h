/* listen.h - listening sockets by name: from systemd (sd_listen_fds_with_names(3)), from our own earlier
 * process image (same protocol), or made here.
 * Owns:  nothing; descriptors are handed out.
 * Calls: libsystemd, fs.h, log.h.
 * Limit: LISTEN_NAMES_MAX inherited descriptors. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LISTEN_NAMES_MAX 16
#define LISTEN_BACKLOG   128 /* unix sockets; TCP uses 1024 */

struct listen_fd {
        char name[32]; /* FileDescriptorName= of the socket unit; see listen_inherit() */
        int fd;        /* CLOEXEC and non-blocking */
};
struct listen_set {
        struct listen_fd fds[LISTEN_NAMES_MAX];
        unsigned n;
};

/* Takes all inherited descriptors and removes LISTEN_* from the environment. Those that are named after a
 * socket unit ("mfad.socket") are called by their addresses: "http" for IPv4, "http6" for IPv6, a unix socket
 * as its file.
 * Returns 0 (also when there are none), or a negative errno with all of them closed. */
int listen_inherit(struct listen_set *ret);
/* Takes the descriptor @name out of the set. Returns it, or -ENOENT. */
int listen_take(struct listen_set *set, const char *name);
/* Closes what nobody took. */
void listen_close(struct listen_set *set);

/* Opens the folder of our sockets, which is made if need be. @path: "" when XDG_RUNTIME_DIR is not set. Logs why
 * not. Returns a descriptor or a negative errno. */
int listen_open_dir(const char *path);
/* Makes a listening unix socket @dir_path/@name, 0600, replacing a stale one only when nobody
 * listens on it. @type: SOCK_STREAM or SOCK_SEQPACKET. Returns a descriptor, -EADDRINUSE when
 * another process serves it, or another errno. */
int listen_unix(const char *dir_path, const char *name, int type);
/* Makes a listening TCP socket on 127.0.0.1 or [::1]. Returns a descriptor or a negative errno. */
int listen_loopback(uint16_t port, bool is_v6);

/* Checks that @fd is a listening TCP socket bound to 127.0.0.1 (or [::1]) and nothing else, and gives it the
 * options of one that listen_loopback() makes. Returns 0 and the port, -EINVAL, or another errno. */
int listen_adopt_loopback(int fd, bool is_v6, uint16_t *ret_port);
/* Checks that @fd is a listening unix socket of @type. Returns 0 or -EINVAL. */
int listen_check_unix(int fd, int type);

/* Replaces this process image by itself (/proc/self/exe, @argv, environment as it is now), handing
 * over @set in the same protocol as systemd does; negative descriptors in it are left out. Blocked
 * signals stay blocked and pending. Returns only on failure, and then nothing but exiting is safe:
 * descriptors from 3 on may have been replaced. */
int listen_exec_again(char *const argv[], const struct listen_set *set);
