#include "daemon/front/peer.h"
#include "common/clock.h"
#include "common/macros.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CGROUP_TEXT_MAX 8192
#define FDS_PER_LOOK    64 /* at the clock */
#define PATH_LEN        64 /* of what is below /proc/PID */
#define LINK_LEN        32 /* "socket:[4294967295]" */

static void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir); /* read only */
}

static DIR *open_fds(pid_t pid) {
        char path[PATH_LEN];

        (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid); /* fits */
        return opendir(path);
}

static bool is_link_to(int dir_fd, const char *name, const char *target) {
        char link[LINK_LEN];
        ssize_t n = readlinkat(dir_fd, name, link, sizeof(link) - 1);

        if (n < 0)
                return false;
        link[n] = '\0';
        return strcmp(link, target) == 0;
}

/* Whether the process @pid holds @socket, "socket:[INODE]". If so, it is described as long as it does. */
static bool look_at(pid_t pid, const char *socket, uint64_t until_usec, struct peer *ret) {
        _cleanup_(closedirp) DIR *dir = open_fds(pid);
        const struct dirent *entry;
        unsigned n = 0;

        if (!dir)
                return false; /* another user's, undumpable, or gone */
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                if (++n % FDS_PER_LOOK == 0 && clock_boot_usec() >= until_usec)
                        return false;
                if (!is_link_to(dirfd(dir), entry->d_name, socket))
                        continue;
                peer_describe(pid, ret);
                /* still the same process, or it would not hold the socket */
                if (is_link_to(dirfd(dir), entry->d_name, socket))
                        return true;
                *ret = (struct peer){0};
                return false;
        }
        return false;
}

/* The numbers of all processes, in the order of /proc: ascending. */
static size_t list_processes(pid_t *ret) {
        _cleanup_(closedirp) DIR *proc = opendir("/proc");
        const struct dirent *entry;
        size_t n = 0;

        while (proc && n < PEER_PROCESSES_MAX && (entry = readdir(proc)))
                if (isdigit((unsigned char)entry->d_name[0]))
                        ret[n++] = (pid_t)atoi(entry->d_name);
        return n;
}

void peer_find(uint32_t inode, const pid_t *recent, size_t n_recent, uint64_t until_usec,
               struct peer *ret) {
        static pid_t all[PEER_PROCESSES_MAX]; /* too large for a stack, and only one can run */
        char socket[LINK_LEN];
        size_t n;

        *ret = (struct peer){0};
        (void)snprintf(socket, sizeof(socket), "socket:[%u]", (unsigned)inode); /* fits */
        for (size_t i = 0; i < n_recent; i++)
                if (look_at(recent[i], socket, until_usec, ret))
                        return;
        /* who asks for credentials has mostly just been started */
        for (n = list_processes(all); n > 0 && clock_boot_usec() < until_usec; n--)
                if (look_at(all[n - 1], socket, until_usec, ret))
                        return;
}

/* Reads the file @name of the process @pid. Returns its length, "" in @out on failure. */
static size_t read_text(pid_t pid, const char *name, char *out, size_t size) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char path[PATH_LEN];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name); /* fits */
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? 0 : read(fd, out, size - 1);
        if (n < 0)
                n = 0;
        out[n] = '\0';
        return (size_t)n;
}

void peer_describe(pid_t pid, struct peer *ret) {
        char path[PATH_LEN], cgroup[CGROUP_TEXT_MAX];
        ssize_t n;

        *ret = (struct peer){.pid = pid};
        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid); /* fits */
        n = readlink(path, ret->exe, sizeof(ret->exe) - 1);
        ret->exe[n < 0 ? 0 : n] = '\0';

        (void)read_text(pid, "comm", ret->comm, sizeof(ret->comm)); /* "" when it cannot be read */
        ret->comm[strcspn(ret->comm, "\n")] = '\0';

        (void)read_text(pid, "cgroup", cgroup, sizeof(cgroup)); /* the same */
        peer_unit(cgroup, ret->unit, sizeof(ret->unit));
}

static bool ends_with(const char *text, size_t len, const char *end) {
        size_t n = strlen(end);

        return len > n && strncmp(text + len - n, end, n) == 0;
}

/* The length of the path of the group that systemd knows, at @ret: of the one hierarchy of cgroup v2, or
 * of the one that is named after systemd (cgroups(7)). */
static size_t find_path(const char *cgroup, const char **ret) {
        static const char *const marks[] = {"0::/", ":name=systemd:/"};
        const char *end, *line, *found;

        for (size_t i = 0; i < ELEMENTSOF(marks); i++)
                for (line = cgroup; *line; line = *end ? end + 1 : end) {
                        end = line + strcspn(line, "\n");
                        found = memmem(line, (size_t)(end - line), marks[i], strlen(marks[i]));
                        if (!found || (i == 0 && found != line))
                                continue;
                        found += strlen(marks[i]);
                        if (found == end)
                                continue; /* the root: systemd uses the other one */
                        *ret = found;
                        return (size_t)(end - found);
                }
        return 0;
}

void peer_unit(const char *cgroup, char *out, size_t size) {
        const char *path = NULL, *unit = NULL;
        size_t left = find_path(cgroup, &path), unit_len = 0;

        out[0] = '\0';
        while (left > 0) {
                const char *slash = memchr(path, '/', left);
                size_t len = slash ? (size_t)(slash - path) : left;
                bool is_slice = ends_with(path, len, ".slice");
                bool is_service = ends_with(path, len, ".service");
                bool is_manager = is_service && strncmp(path, "user@", 5) == 0;

                if (is_service || ends_with(path, len, ".scope")) {
                        unit = path;
                        unit_len = len;
                }
                if (!is_slice && !is_manager)
                        break; /* groups below a unit are its own business */
                path += len + (slash ? 1 : 0);
                left -= len + (slash ? 1 : 0);
        }
        if (unit_len == 0 || unit_len >= size)
                return;
        memcpy(out, unit, unit_len);
        out[unit_len] = '\0';
}
