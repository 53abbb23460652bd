#include "sandbox-world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

static struct {
        char root[64];
        char abstract[64];
        struct sockaddr_in tcp;
        int tcp_fd, unix_fd, datagram_fd, abstract_fd, unheard_fd, terminal_fd;
        pid_t other;
} world;

struct fs_places world_places;
struct config world_config;

const char *in_world(const char *path) {
        static char out[4][PATH_LEN_MAX];
        static unsigned i;

        i = (i + 1) % ELEMENTSOF(out);
        (void)snprintf(out[i], PATH_LEN_MAX, "%s/%s", world.root, path);
        return out[i];
}

/* ---- what is tried: each returns 0 or an errno ------------------------------------------------ */

static int result(long r) {
        return r < 0 ? errno : 0;
}

static int try_open(const char *path, int flags) {
        return result(open(path, flags | O_CLOEXEC, 0600));
}

static int read_key_of_ssh(void) {
        return try_open(in_world("home/.ssh/id"), O_RDONLY);
}

static int list_home(void) {
        return try_open(in_world("home"), O_RDONLY | O_DIRECTORY);
}

static int read_vault(void) {
        return try_open(in_world("home/.local/share/mfad/vault"), O_RDONLY);
}

static int replace_vault(void) {
        int r = try_open(in_world("home/.local/share/mfad/vault.new"), O_WRONLY | O_CREAT);

        return r ? r
                 : result(rename(in_world("home/.local/share/mfad/vault.new"),
                                 in_world("home/.local/share/mfad/vault")));
}

static int carry_vault_away(void) {
        return result(link(in_world("home/.local/share/mfad/vault"), in_world("run/mfad/copy")));
}

int read_aws_config(void) {
        return try_open(in_world("home/.aws/config"), O_RDONLY);
}

static int read_what_it_links_to(void) {
        return try_open(in_world("dotfiles/other"), O_RDONLY);
}

static int read_credentials_in_home(void) {
        return try_open(in_world("home/credentials"), O_RDONLY);
}

static int read_certificates(void) {
        return try_open(in_world("home/certificates/ca.pem"), O_RDONLY);
}

static int write_aws_config(void) {
        return try_open(in_world("home/.aws/config"), O_WRONLY);
}

static int write_runtime(void) {
        return try_open(in_world("run/mfad/file"), O_WRONLY | O_CREAT | O_TRUNC);
}

static int make_folder(void) {
        return result(mkdir(in_world("run/mfad/folder"), 0700));
}

static int make_link(void) {
        return result(symlink("/", in_world("run/mfad/link")));
}

static int write_elsewhere(void) {
        return try_open(in_world("file"), O_WRONLY | O_CREAT);
}

static int read_system(void) {
        return try_open("/etc/passwd", O_RDONLY);
}

/* What takes the right to ptrace(2): so do its descriptors, its environment and its memory. */
static int look_into_other(void) {
        char path[64], target[PATH_LEN_MAX];

        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)world.other);
        return result(readlink(path, target, sizeof(target)));
}

static int connect_tcp(void) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd < 0 ? errno
                      : result(connect(fd, (struct sockaddr *)&world.tcp, sizeof(world.tcp)));
}

static int bind_tcp(void) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd < 0 ? errno : result(bind(fd, (struct sockaddr *)&any, sizeof(any)));
}

static int listen_somewhere(void) {
        return result(listen(world.unheard_fd, 1));
}

static int make_netlink(void) {
        return result(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int make_other_family(void) {
        return result(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int connect_to(const struct sockaddr_un *to, size_t len) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd < 0 ? errno : result(connect(fd, (const struct sockaddr *)to, (socklen_t)len));
}

static int connect_unix(void) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};

        (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", in_world("socket"));
        return connect_to(&to, sizeof(to));
}

static int send_datagram(int fd) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};

        (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", in_world("datagrams"));
        return fd < 0 ? errno
                      : result(sendto(fd, "x", 1, MSG_DONTWAIT, (const struct sockaddr *)&to,
                                      sizeof(to)));
}

static int send_unix(void) {
        return send_datagram(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int make_pair(void) {
        int fds[2];

        return result(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

/* Each end of such a pair sends to whom it likes. */
static int send_from_pair(void) {
        int fds[2];

        return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) < 0 ? errno
                                                                          : send_datagram(fds[0]);
}

/* With nobody to ask but files: a cache or a resolver would be behind a unix socket. */
static int look_up_name(void) {
        struct addrinfo *found;
        int r = getaddrinfo("localhost", "443", NULL, &found);

        if (r == 0)
                freeaddrinfo(found);
        return r == 0 ? 0 : EPERM;
}

static int connect_abstract(void) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};

        (void)snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "%s", world.abstract);
        return connect_to(&to, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(world.abstract));
}

static int execute(const char *path, const char *argument) {
        char *const argv[] = {(char *)path, (char *)argument, NULL};

        return result(execv(path, argv)); /* what is executed ends with 0 */
}

static int execute_true(void) {
        return execute("/bin/true", NULL);
}

static int execute_self(void) {
        return execute("/proc/self/exe", NAME_OF_SELF);
}

static int wait_for(pid_t pid) {
        int status;

        return waitpid(pid, &status, 0) < 0 ? errno : status;
}

static int spawn_self(void) {
        char *const argv[] = {(char *)"self", (char *)NAME_OF_SELF, NULL}, *const none[] = {NULL};
        pid_t pid;
        int r = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, none);

        return r ? r : wait_for(pid);
}

static int make_process(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid < 0 ? errno : wait_for(pid);
}

static void *end(void *userdata) {
        return userdata;
}

static int make_thread(void) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, end, NULL);

        return r ? r : pthread_join(thread, NULL);
}

static int trace_other(void) {
        return result(ptrace(PTRACE_SEIZE, world.other, NULL, NULL));
}

static int signal_other(void) {
        return result(kill(world.other, 0));
}

static int look_at_limits_of_other(void) {
        struct rlimit limit;

        return result(prlimit(world.other, RLIMIT_NOFILE, NULL, &limit));
}

static int change_own_limits(void) {
        struct rlimit limit;

        return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? errno
                                                    : result(setrlimit(RLIMIT_NOFILE, &limit));
}

static int command_terminal(void) {
        unsigned number;

        return result(ioctl(world.terminal_fd, TIOCGPTN, &number));
}

static int make_code(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);

        return p == MAP_FAILED ? errno : 0;
}

static int make_data_code(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return p == MAP_FAILED ? errno : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int map_written(int fd) {
        void *p;

        if (fd < 0 || ftruncate(fd, 4096) < 0 || pwrite(fd, "\xc3", 1, 0) < 0)
                return errno;
        p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        return p == MAP_FAILED ? errno : 0;
}

static int make_code_in_memory_file(void) {
        return map_written(memfd_create("code", MFD_CLOEXEC));
}

static int make_code_in_file(void) {
        return map_written(open(in_world("run/mfad/file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static int make_namespace(void) {
        return result(unshare(CLONE_NEWUSER));
}

static int use_keyring(void) {
        return result(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* session's */, 1));
}

static int make_io_uring(void) {
        char parameters[120] = {0}; /* struct io_uring_params */

        return result(syscall(SYS_io_uring_setup, 1, parameters));
}

static int make_userfaultfd(void) {
        return result(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */ | O_CLOEXEC));
}

static int open_perf_event(void) {
        struct {
                uint32_t type, size;
                uint64_t rest[15];
        } attributes = {.type = 1 /* software */, .size = sizeof(attributes)};

        return result(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

static int use_bpf(void) {
        uint32_t map[32] = {2 /* array */, 4, 4, 1};

        return result(syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, map, sizeof(map)));
}

static int change_personality(void) {
        return result(syscall(SYS_personality, 0xffffffffUL));
}

#define S (1U << SANDBOX_SIGNER)
#define F (1U << SANDBOX_FRONT)
#define T (1U << SANDBOX_FETCH)
#define P (1U << SANDBOX_FINDER)

const struct attempt attempts[] = {
        {"read a key of ssh", read_key_of_ssh, P, 1, false},
        {"list the home", list_home, P, 1, false},
        {"read the vault", read_vault, S | P, 1, false},
        {"replace the vault", replace_vault, S, 1, false},
        {"give the vault a name elsewhere", carry_vault_away, 0, 1, false},
        {"read ~/.aws/config", read_aws_config, F | P, 1, false},
        {"read beside what it links to", read_what_it_links_to, F | P, 1, false},
        {"read the credentials file, alone in the home", read_credentials_in_home, F | P, 1, false},
        {"read certificates", read_certificates, F | T | P, 1, false},
        {"write ~/.aws/config", write_aws_config, 0, 1, false},
        {"write in the runtime directory", write_runtime, S | F, 1, false},
        {"make a folder", make_folder, 0, 1, false},
        {"make a symbolic link", make_link, 0, 1, false},
        {"write elsewhere", write_elsewhere, 0, 1, false},
        {"read /etc", read_system, S | F | T | P, 1, false},
        {"look into another process", look_into_other, P, 1, false},
        {"connect by TCP", connect_tcp, F | T, 0, false},
        {"take a TCP port", bind_tcp, 0, 4, false},
        {"listen", listen_somewhere, 0, 0, false},
        {"ask the kernel by netlink", make_netlink, F | T, 0, false},
        {"another kind of socket", make_other_family, 0, 0, true},
        {"connect to a unix socket", connect_unix, F, 0, false},
        {"send to a unix socket", send_unix, S | F, 0, false},
        {"make a pair of sockets", make_pair, F | T, 0, false},
        {"send from a pair of sockets to others", send_from_pair, F, 0, false},
        {"look up a name", look_up_name, S | F | T | P, 0, false},
        {"connect to an abstract socket", connect_abstract, 0, 6, false},
        {"execute /bin/true", execute_true, 0, 1, false},
        {"execute itself", execute_self, S | F, 0, false},
        {"start itself once more", spawn_self, F, 0, false},
        {"fork", make_process, 0, 0, false},
        {"start a thread", make_thread, F | T, 0, false},
        {"trace another process", trace_other, 0, 0, true},
        {"signal another process", signal_other, 0, 6, false},
        {"look at another process's limits", look_at_limits_of_other, 0, 0, false},
        {"change its own limits", change_own_limits, S | F | T, 0, false},
        {"give a terminal commands", command_terminal, 0, 0, false},
        {"map memory for writing and executing", make_code, 0, 0, true},
        {"make data executable", make_data_code, 0, 0, true},
        {"make code in a memory file", make_code_in_memory_file, 0, 0, true},
        /* that, alas, is what loading a library is, and no rule says of which file */
        {"make code in a file of its own", make_code_in_file, S | F, 1, true},
        {"make a user namespace", make_namespace, 0, 0, true},
        {"use a keyring", use_keyring, 0, 0, true},
        {"make an io_uring", make_io_uring, 0, 0, true},
        {"make a userfaultfd", make_userfaultfd, 0, 0, true},
        {"open a perf event", open_perf_event, 0, 0, true},
        {"use bpf", use_bpf, 0, 0, true},
        {"ask for the personality", change_personality, 0, 0, true},
};

const size_t n_attempts = ELEMENTSOF(attempts);

/* ---- the world ------------------------------------------------------------------------------- */

void world_make_file(const char *path) {
        FILE *f = fopen(in_world(path), "we");

        assert_non_null(f);
        assert_int_equal(fclose(f), 0);
}

void world_tidy(void) {
        char byte;

        (void)unlink(in_world("home/.local/share/mfad/vault.new"));
        (void)unlink(in_world("run/mfad/copy"));
        (void)unlink(in_world("run/mfad/file"));
        (void)unlink(in_world("run/mfad/link"));
        (void)unlink(in_world("file"));
        (void)rmdir(in_world("run/mfad/folder"));
        while (recv(world.datagram_fd, &byte, 1, MSG_DONTWAIT) > 0) {
                /* or its queue would be full some time */
        }
}

static const char *const folders[] = {
        "home",
        "home/.ssh",
        "home/.aws",
        "home/certificates",
        "home/.config",
        "home/.config/mfad",
        "home/.local",
        "home/.local/share",
        "home/.local/share/mfad",
        "run",
        "run/mfad",
        "dotfiles",
};
static const char *const files[] = {"home/.ssh/id",     "home/.local/share/mfad/vault",
                                    "dotfiles/config",  "dotfiles/other",
                                    "home/credentials", "home/certificates/ca.pem"};

static int bound(int family, int type, const void *address, size_t len) {
        int fd = socket(family, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, address, (socklen_t)len), 0);
        return fd;
}

static int listener(int family, const void *address, size_t len, bool is_heard) {
        int fd = bound(family, SOCK_STREAM, address, len);

        if (is_heard)
                assert_int_equal(listen(fd, 100), 0);
        return fd;
}

static void make_sockets(void) {
        struct sockaddr_un path = {.sun_family = AF_UNIX}, name = path, silent = path;
        struct sockaddr_un datagrams = path;
        socklen_t len = sizeof(world.tcp);

        world.tcp = (struct sockaddr_in){.sin_family = AF_INET,
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        world.tcp_fd = listener(AF_INET, &world.tcp, sizeof(world.tcp), true);
        assert_int_equal(getsockname(world.tcp_fd, (struct sockaddr *)&world.tcp, &len), 0);
        (void)snprintf(path.sun_path, sizeof(path.sun_path), "%s", in_world("socket"));
        world.unix_fd = listener(AF_UNIX, &path, sizeof(path), true);
        (void)snprintf(datagrams.sun_path, sizeof(datagrams.sun_path), "%s", in_world("datagrams"));
        world.datagram_fd = bound(AF_UNIX, SOCK_DGRAM, &datagrams, sizeof(datagrams));
        (void)snprintf(silent.sun_path, sizeof(silent.sun_path), "%s", in_world("unheard"));
        world.unheard_fd = listener(AF_UNIX, &silent, sizeof(silent), false);
        (void)snprintf(world.abstract, sizeof(world.abstract), "mfad-test-%d", (int)getpid());
        strcpy(name.sun_path + 1, world.abstract);
        world.abstract_fd =
                listener(AF_UNIX, &name,
                         offsetof(struct sockaddr_un, sun_path) + 1 + strlen(world.abstract), true);
}

int world_make(void **state _unused_) {
        strcpy(world.root, "/tmp/mfad-sandbox-XXXXXX");
        assert_non_null(mkdtemp(world.root));
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                assert_int_equal(mkdir(in_world(folders[i]), 0700), 0);
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                world_make_file(files[i]);
        assert_int_equal(symlink(in_world("dotfiles/config"), in_world("home/.aws/config")), 0);
        make_sockets();
        world.terminal_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(world.terminal_fd >= 0);

        strcpy(world_places.home, in_world("home"));
        strcpy(world_places.runtime, in_world("run/mfad"));
        strcpy(world_places.config, in_world("home/.config/mfad"));
        strcpy(world_places.data, in_world("home/.local/share/mfad"));
        strcpy(world_config.aws_config_file, in_world("home/.aws/config"));
        strcpy(world_config.aws_credentials_file, in_world("home/credentials"));
        strcpy(world_config.ca_bundle, in_world("home/certificates/ca.pem"));
        world.other = fork();
        assert_true(world.other >= 0);
        if (world.other == 0) {
                (void)pause();
                _exit(0);
        }
        return 0;
}

int world_end(void **state _unused_) {
        (void)kill(world.other, SIGKILL);
        (void)waitpid(world.other, NULL, 0);
        world_tidy();
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                (void)unlink(in_world(files[i]));
        (void)unlink(in_world("home/.aws/config"));
        (void)unlink(in_world("socket"));
        (void)unlink(in_world("datagrams"));
        (void)unlink(in_world("unheard"));
        for (size_t i = ELEMENTSOF(folders); i > 0; i--)
                (void)rmdir(in_world(folders[i - 1]));
        assert_int_equal(rmdir(world.root), 0);
        return 0;
}
