/* evil_fetch.c - stands in for an mfad-fetch that was taken over: in the sandbox of the real one, it asks mfad for
 * credentials. The test leaves the path of `control` in the file "control-path" beside it. */
#include "common/sandbox.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int fail(const char *what) {
        fprintf(stderr, "evil: %s: %s\n", what, strerror(errno));
        return EXIT_FAILURE;
}

static int read_path(struct sockaddr_un *to) {
        char name[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", name, sizeof(name) - sizeof("control-path"));
        FILE *f;

        if (n < 0)
                return -errno;
        name[n] = '\0';
        strcpy(strrchr(name, '/') + 1, "control-path");
        f = fopen(name, "re");
        if (!f)
                return -errno;
        if (!fgets(to->sun_path, sizeof(to->sun_path), f))
                to->sun_path[0] = '\0';
        (void)fclose(f);
        return 0;
}

int main(void) {
        static const char call[] = "{\"method\":\"org.mfad.Control.GetCredentials\"}";
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        char answer[4096] = "";
        int fd;

        if (read_path(&to) < 0)
                return fail("control-path");
        (void)sandbox_enter_fetch("");
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return fail("no socket");
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
                return fail("no connection");
        if (send(fd, call, sizeof(call), MSG_NOSIGNAL) < 0 ||
            recv(fd, answer, sizeof(answer) - 1, 0) < 0)
                return fail("no answer");
        fprintf(stderr, "evil: got %.40s\n", answer);
        return EXIT_SUCCESS;
}
