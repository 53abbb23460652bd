#include "common/sandbox.h"
#include "common/encode.h"
#include "common/fs.h"
#include "common/log.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* <linux/landlock.h> by our own hand: the one we are built with may be older than the kernel we run on. */
struct ruleset_attr {
        uint64_t handled_access_fs;
        uint64_t handled_access_net; /* ABI 4 */
        uint64_t scoped;             /* ABI 6 */
};

struct path_beneath_attr {
        uint64_t allowed_access;
        int32_t parent_fd;
} __attribute__((packed));

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH      1

#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_ALL_ABI_1   ((UINT64_C(1) << 13) - 1)
#define FS_REFER       (UINT64_C(1) << 13) /* ABI 2: into another folder; below that never allowed */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* ABI 5 */
/* What a rule for a file, rather than a folder, may name. */
#define FS_OF_FILES    (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

#define NET_BIND_TCP    (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL               (UINT64_C(1) << 1)

static uint64_t known_to(int abi) {
        return FS_ALL_ABI_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
               (abi >= 5 ? FS_IOCTL_DEV : 0);
}

/* Everything is refused that no rule allows. */
static struct ruleset_attr ruleset_of(enum sandbox_program program, int abi) {
        const char *notify = getenv("NOTIFY_SOCKET");
        struct ruleset_attr a = {.handled_access_fs = known_to(abi)};

        if (abi >= 4)
                a.handled_access_net =
                        program == SANDBOX_SIGNER ? NET_BIND_TCP | NET_CONNECT_TCP : NET_BIND_TCP;
        if (abi >= 6)
                a.scoped = SCOPE_SIGNAL | SCOPE_ABSTRACT_UNIX_SOCKET;
        if (notify && *notify == '@') /* a service manager that wants to hear us there */
                a.scoped &= ~SCOPE_ABSTRACT_UNIX_SOCKET;
        return a;
}

void sandbox_open(enum sandbox_program program, struct sandbox *ret) {
        struct sandbox s = {.program = program, .ruleset_fd = -EBADF};
        struct ruleset_attr attr;
        int abi;

#ifdef MFAD_SANITIZED /* which look at /proc, start processes and trace them */
        *ret = s;
        return;
#endif
        abi = sandbox_calls_inherited(program);
        if (abi >= 0) {
                s.abi = abi;
                s.is_inherited = s.has_filter = true;
                *ret = s;
                return;
        }
        abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
        if (abi > 0) {
                attr = ruleset_of(program, abi);
                s.ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
        }
        if (s.ruleset_fd < 0)
                log_debug("no Landlock: %s", strerror(errno));
        else
                s.abi = abi;
        *ret = s;
}

void sandbox_close(struct sandbox *s) {
        s->ruleset_fd = fd_close(s->ruleset_fd);
}

static uint64_t rights_of(enum sandbox_use use) {
        switch (use) {
        case SANDBOX_READ: return FS_READ_FILE | FS_READ_DIR;
        case SANDBOX_WRITE:
                return FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG |
                       FS_REMOVE_FILE;
        case SANDBOX_EXECUTE: return FS_READ_FILE | FS_READ_DIR | FS_EXECUTE;
        }
        abort();
}

void sandbox_allow(struct sandbox *s, const char *path, enum sandbox_use use) {
        struct path_beneath_attr rule = {.allowed_access = rights_of(use) & known_to(s->abi)};
        _cleanup_(fd_closep) int fd = -EBADF;
        struct stat st;

        if (s->ruleset_fd < 0)
                return;
        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0) {
                if (errno != ENOENT)
                        log_debug("\"%s\" will not be seen: %s", path, strerror(errno));
                return;
        }
        if (!S_ISDIR(st.st_mode))
                rule.allowed_access &= FS_OF_FILES;
        rule.parent_fd = fd;
        if (syscall(SYS_landlock_add_rule, s->ruleset_fd, RULE_PATH_BENEATH, &rule, 0) < 0)
                log_debug("\"%s\" will not be seen: %s", path, strerror(errno));
}

/* Is @path @folder, or in it? Both as realpath(3) gives them. */
static bool is_in(const char *path, const char *folder) {
        size_t n = strlen(folder);

        if (n == 1) /* "/" */
                return true;
        return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool is_too_wide(const char *folder, const char *const private[]) {
        char real[PATH_MAX], inside[PATH_MAX];
        struct stat st;

        if (!realpath(folder, real) || stat(real, &st) < 0 || (st.st_mode & S_ISVTX))
                return true;
        for (size_t i = 0; private[i]; i++)
                if (is_in(realpath(private[i], inside) ? inside : private[i], real))
                        return true;
        return false;
}

static void allow_folder_of(struct sandbox *s, const char *path, const char *const private[],
                            enum sandbox_use use) {
        char folder[PATH_MAX];
        char *slash;

        (void)snprintf(folder, sizeof(folder), "%s", path); /* cut, it is not found */
        slash = strrchr(folder, '/');
        if (!slash)
                return;
        slash[slash == folder ? 1 : 0] = '\0';
        sandbox_allow(s, is_too_wide(folder, private) ? path : folder, use);
}

void sandbox_allow_file(struct sandbox *s, const char *path, const char *const private[]) {
        char target[PATH_MAX];

        if (s->ruleset_fd < 0)
                return;
        allow_folder_of(s, path, private, SANDBOX_READ);
        /* the kernel asks about the file that is opened in the end, not about the links on the way */
        if (realpath(path, target) && strcmp(target, path) != 0)
                allow_folder_of(s, target, private, SANDBOX_READ);
}

static void allow_all(struct sandbox *s, const char *const paths[], enum sandbox_use use) {
        for (size_t i = 0; paths[i]; i++)
                sandbox_allow(s, paths[i], use);
}

void sandbox_allow_system(struct sandbox *s) {
        /* /proc, and not only what we read there: its folders have no lasting identity for a rule to name.
         * What is in it of other processes' memory and descriptors Landlock refuses by itself. */
        static const char *const paths[] = {
                "/etc",       "/usr", "/bin",         "/lib",        "/lib32", "/lib64",
                "/nix/store", "/gnu", "/dev/urandom", "/dev/random", "/proc",  NULL,
        };
        static const char *const sinks[] = {"/dev/null", NULL};

        allow_all(s, paths, SANDBOX_READ);
        allow_all(s, sinks, SANDBOX_WRITE);
}

void sandbox_allow_lookups(struct sandbox *s) {
        static const char *const nothing[] = {"/run", "/var/run", NULL};
        static const char *const paths[] = {
                /* resolv.conf(5) is a link into one of these */
                "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman",
                /* nsswitch.conf(5): caches of sssd, nscd, db, extrausers */
                "/var/lib/sss", "/run/nscd", "/var/cache/nscd", "/var/lib/misc",
                "/var/lib/extrausers",
                /* /etc/ssl/certs is a link to it on some systems */
                "/var/lib/ca-certificates", "/opt", NULL};

        if (s->ruleset_fd < 0)
                return;
        allow_all(s, paths, SANDBOX_READ);
        sandbox_allow_file(s, "/etc/resolv.conf", nothing);
}

/* The loader that execve(2) opens for this program; NULL when it is linked statically. */
static const char *loader(void) {
        const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
        size_t n = getauxval(AT_PHNUM);
        uintptr_t base = 0;

        for (size_t i = 0; i < n; i++)
                if (headers[i].p_type == PT_PHDR)
                        base = (uintptr_t)headers - headers[i].p_vaddr;
        for (size_t i = 0; i < n; i++)
                if (headers[i].p_type == PT_INTERP)
                        return (const char *)(base + headers[i].p_vaddr);
        return NULL;
}

void sandbox_allow_self(struct sandbox *s, const char *const private[]) {
        const char *interpreter = loader();
        char target[PATH_MAX];

        if (interpreter && realpath(interpreter, target))
                allow_folder_of(s, target, private, SANDBOX_EXECUTE);
        sandbox_allow(s, "/proc/self/exe", SANDBOX_EXECUTE);
}

void sandbox_allow_sibling(struct sandbox *s, const char *name, const char *const private[]) {
        char folder[PATH_LEN_MAX], path[PATH_LEN_MAX];
        ssize_t n;
        char *slash;

        if (s->ruleset_fd < 0)
                return;
        n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
        folder[n < 0 ? 0 : n] = '\0';
        slash = strrchr(folder, '/');
        if (!slash || slash == folder)
                return;
        *slash = '\0';
        if (!is_too_wide(folder, private))
                sandbox_allow(s, folder, SANDBOX_EXECUTE);
        else if (fs_join(path, sizeof(path), folder, name) >= 0)
                sandbox_allow(s, path, SANDBOX_EXECUTE);
}

void sandbox_enter(struct sandbox *s) {
        int r;

        if (s->is_inherited)
                return;
#ifdef MFAD_SANITIZED
        return;
#endif
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                log_debug("no_new_privs: %s", strerror(errno));
        if (s->ruleset_fd >= 0 && syscall(SYS_landlock_restrict_self, s->ruleset_fd, 0) < 0) {
                log_debug("no Landlock: %s", strerror(errno));
                s->abi = 0;
        }
        sandbox_close(s);
        r = sandbox_calls_install(s->program, s->abi);
        if (r < 0)
                log_debug("no seccomp filter: %s", strerror(-r));
        s->has_filter = r >= 0;
}

struct sandbox sandbox_enter_signer(const char *data_dir, const char *runtime_dir) {
        const char *const private[] = {data_dir, runtime_dir, NULL};
        struct sandbox s;

        sandbox_open(SANDBOX_SIGNER, &s);
        /* a folder that is not there cannot be allowed; what is wrong with it is said when it is used */
        if (!s.is_inherited)
                (void)fd_close(fs_open_private_dir(data_dir, /* create= */ true));
        sandbox_allow_system(&s);
        sandbox_allow(&s, data_dir, SANDBOX_WRITE);
        if (*runtime_dir)
                sandbox_allow(&s, runtime_dir, SANDBOX_WRITE);
        sandbox_allow_self(&s, private);
        sandbox_enter(&s);
        return s;
}

struct sandbox sandbox_enter_fetch(const char *ca_file) {
        struct sandbox s;

        sandbox_open(SANDBOX_FETCH, &s);
        sandbox_allow_system(&s);
        sandbox_allow_lookups(&s);
        if (*ca_file)
                sandbox_allow(&s, ca_file, SANDBOX_READ);
        sandbox_enter(&s);
        return s;
}

struct sandbox sandbox_enter_finder(void) {
        struct sandbox s = {.program = SANDBOX_FINDER, .ruleset_fd = -EBADF};

        sandbox_enter(&s);
        return s;
}

void sandbox_describe(const struct sandbox *s, char out[SANDBOX_NAME_MAX]) {
        size_t n = 0;

        if (s->abi > 0)
                n = (size_t)snprintf(out, SANDBOX_NAME_MAX, "landlock %d%s", s->abi,
                                     s->has_filter ? ", " : "");
        if (s->has_filter || s->abi <= 0)
                (void)snprintf(out + n, SANDBOX_NAME_MAX - n, "%s",
                               s->has_filter ? "seccomp" : "none");
}
