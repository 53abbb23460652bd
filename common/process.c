#include "common/process.h"
#include "common/log.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int open_standard_fds(void) {
        for (int fd = 0; fd <= 2; fd++) {
                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                /* the lowest free number is this one */
                if (open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
                        return -EIO;
        }
        return 0;
}

static int harden(bool keeps_hard_limit) {
        struct rlimit core;

        if (getuid() != geteuid() || getgid() != getegid())
                abort(); /* never meant to be set-uid: every check of ours assumes one identity */

        if (getrlimit(RLIMIT_CORE, &core) < 0)
                return log_error(-errno, "cannot read the limit of core dumps");
        core.rlim_cur = 0;
        if (!keeps_hard_limit)
                core.rlim_max = 0;
        if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &core) < 0)
                return log_error(-errno, "cannot make this process undumpable");
        (void)umask(0077);
        (void)signal(SIGPIPE, SIG_IGN); /* a closed peer is an errno, not a death */
        (void)setlocale(LC_ALL, "C");
        return open_standard_fds();
}

int process_harden(void) {
        return harden(/* keeps_hard_limit= */ false);
}

int process_harden_client(void) {
        return harden(/* keeps_hard_limit= */ true);
}

int process_clean_environment(const char *const allowed[]) {
        _cleanup_(freep) char *kept = NULL;
        size_t size = 0, n = 0;
        const char *entries[32];

        for (size_t i = 0; allowed[i]; i++) {
                const char *value = getenv(allowed[i]);

                if (value)
                        size += strlen(allowed[i]) + strlen(value) + 2;
        }
        kept = malloc(size + 1);
        if (!kept)
                return -ENOMEM;
        size = 0;
        for (size_t i = 0; allowed[i]; i++) {
                const char *value = getenv(allowed[i]);

                if (!value)
                        continue;
                assert(n < ELEMENTSOF(entries));
                entries[n++] = kept + size;
                size += (size_t)sprintf(kept + size, "%s=%s", allowed[i], value) + 1;
        }
        if (clearenv() != 0)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                char *name = (char *)entries[i], *equals = strchr(name, '=');

                *equals = '\0';
                if (setenv(name, equals + 1, 1) < 0)
                        return -errno;
        }
        return 0;
}

void process_close_from(int first) {
        if (close_range((unsigned)first, ~0U, 0) < 0)
                log_debug("close_range: %s", strerror(errno));
}
