#include "client/browser.h"
#include "common/buf.h"
#include "common/fs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NAME_TEMPLATE   "console-XXXXXX.html"
#define NAME_ENDING_LEN 5 /* ".html" */
#define EXIT_NOT_FOUND  127

/* In an attribute between double quotes (HTML Standard, "Attribute value (double-quoted) state"). */
static int put_attribute(struct buf *b, const char *text) {
        int r = 0;

        for (; *text && r >= 0; text++)
                r = *text == '&'   ? buf_puts(b, "&amp;")
                    : *text == '"' ? buf_puts(b, "&quot;")
                    : *text == '<' ? buf_puts(b, "&lt;")
                    : *text == '>' ? buf_puts(b, "&gt;")
                                   : buf_put(b, text, 1);
        return r;
}

int browser_page(const char *url, struct buf *ret) {
        int r = buf_puts(ret, "<!doctype html>\n<meta charset=\"utf-8\">\n"
                              "<meta name=\"referrer\" content=\"no-referrer\">\n"
                              "<meta http-equiv=\"refresh\" content=\"0;url=");

        if (r >= 0)
                r = put_attribute(ret, url);
        return r < 0 ? r : buf_puts(ret, "\">\n<title>AWS console</title>\n");
}

/* Writes the page to a new file of ours; its path is in @path. */
static int write_page(const char *url, char path[PATH_LEN_MAX]) {
        _cleanup_(buf_clear) struct buf page = BUF_INIT(BROWSER_PAGE_MAX);
        _cleanup_(fd_closep) int dir = -EBADF, fd = -EBADF;
        struct fs_places places;
        int r;

        r = fs_places(&places);
        if (r >= 0 && !*places.runtime)
                r = -ENOENT;
        if (r >= 0)
                r = fs_join(path, PATH_LEN_MAX, places.runtime, NAME_TEMPLATE);
        if (r >= 0)
                r = browser_page(url, &page);
        if (r < 0)
                return r;
        dir = fs_open_private_dir(places.runtime, /* create= */ false);
        if (dir < 0)
                return dir;
        fd = mkostemps(path, NAME_ENDING_LEN, O_CLOEXEC); /* 0600, and new */
        if (fd < 0)
                return -errno;
        r = fs_write_all(fd, buf_text(&page), page.len);
        if (r < 0)
                (void)unlink(path); /* the failure that counts is the one before */
        return r;
}

_noreturn_ static void become_opener(const char *path, void (*prepare)(void)) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        /* a browser talks a lot, and must not hold a pipe that somebody reads us through */
        if (null >= 0)
                for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                        (void)dup2(null, fd);
        prepare();
        (void)execlp("xdg-open", "xdg-open", path, (char *)NULL);
        _exit(EXIT_NOT_FOUND);
}

/* Waits a little for xdg-open; one that goes on is the browser itself. Returns 0 or as browser_open(). */
static int wait_for_opener(pid_t pid) {
        _cleanup_(fd_closep) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int status;

        if (fd < 0)
                return 0; /* it will do its work unobserved */
        if (poll(&p, 1, BROWSER_WAIT_SEC * 1000) <= 0 || waitpid(pid, &status, WNOHANG) != pid)
                return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND)
                return -ENOENT;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOEXEC;
}

/* A process of its own that removes the page later: mfactl ends before the browser has read it. */
static int start_remover(const char *path) {
        pid_t pid = fork();

        if (pid != 0)
                return pid < 0 ? -errno : 0;
        (void)setsid(); /* the terminal may be closed meanwhile */
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                (void)close(fd);
        (void)signal(SIGTERM, SIG_IGN);
        for (unsigned left = BROWSER_PAGE_SEC; left > 0;)
                left = sleep(left);
        (void)unlink(path);
        _exit(0);
}

int browser_open(const char *url, void (*prepare)(void)) {
        char path[PATH_LEN_MAX];
        pid_t pid;
        int r;

        r = write_page(url, path);
        if (r < 0)
                return r;
        r = start_remover(path); /* first: whoever is tired of waiting for the opener ends us */
        if (r >= 0) {
                pid = fork();
                if (pid == 0)
                        become_opener(path, prepare);
                r = pid < 0 ? -errno : wait_for_opener(pid);
        }
        if (r < 0)
                (void)unlink(path);
        return r;
}
