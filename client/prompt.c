#include "client/prompt.h"
#include "client/output.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/secret.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <termios.h>

#define TTY_PATH "/dev/tty"

static const int caught[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
static volatile sig_atomic_t last_signal;

static void on_signal(int number) {
        last_signal = number;
}

static int tty_open(void) {
        int fd = open(TTY_PATH, O_RDWR | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -ENXIO : fd;
}

bool prompt_is_possible(void) {
        _cleanup_(fd_closep) int fd = tty_open();

        return fd >= 0;
}

/* One line into @line, without its end. The first byte that does not fit makes it -E2BIG, but the line
 * is still read to its end. Returns 0, -EINTR, -ENODATA, -E2BIG or another errno. */
static int read_line(int fd, struct buf *line) {
        bool is_too_long = false, has_byte = false;
        char c;

        for (;;) {
                ssize_t n = read(fd, &c, 1);

                if (n < 0 && errno == EINTR && last_signal == 0)
                        continue; /* not one of ours, such as SIGWINCH */
                if (n < 0)
                        return -errno;
                if (n == 0 && !has_byte)
                        return -ENODATA;
                if (n == 0 || c == '\n')
                        break;
                has_byte = true;
                is_too_long = is_too_long || buf_put(line, &c, 1) < 0;
        }
        explicit_bzero(&c, sizeof(c));
        return is_too_long ? -E2BIG : 0;
}

static void set_echo(int tty, const struct termios *before, bool on) {
        struct termios quiet = *before;

        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
        /* TCSAFLUSH: what was typed before the question does not answer it. A terminal that refuses
         * is asked all the same: the user sees that it shows what is typed. */
        while (tcsetattr(tty, TCSAFLUSH, on ? before : &quiet) < 0 && errno == EINTR)
                ;
}

/* Asks once, with our handlers in place. Returns as read_line(); -EINTR after one of our signals. */
static int ask_once(int tty, const char *question, bool is_secret, struct buf *line) {
        _cleanup_(buf_clear) struct buf safe = BUF_INIT(OUTPUT_TEXT_MAX);
        struct termios before;
        bool has_termios = tcgetattr(tty, &before) == 0;
        int r;

        if (is_secret && has_termios)
                set_echo(tty, &before, false);
        (void)output_filter(question, false, &safe); /* cut at worst */
        r = fs_write_all(tty, buf_text(&safe), safe.len);
        if (r >= 0 && last_signal == 0)
                r = read_line(tty, line);
        if (last_signal != 0)
                r = -EINTR;
        if (is_secret && has_termios) {
                set_echo(tty, &before, true);
                (void)fs_write_all(tty, "\n", 1); /* for the one that was not shown */
        }
        return r;
}

static int ask(const char *question, bool is_secret, struct buf *line) {
        _cleanup_(fd_closep) int tty = tty_open();
        struct sigaction ours = {.sa_handler = on_signal}, before[ELEMENTSOF(caught)];
        int r;

        if (tty < 0)
                return tty;
        for (;;) {
                last_signal = 0;
                for (size_t i = 0; i < ELEMENTSOF(caught); i++)
                        (void)sigaction(caught[i], &ours,
                                        &before[i]); /* fails for no signal of these */
                r = ask_once(tty, question, is_secret, line);
                for (size_t i = 0; i < ELEMENTSOF(caught); i++)
                        (void)sigaction(caught[i], &before[i], NULL);
                if (last_signal == 0)
                        return r;
                buf_clear(line);
                (void)raise(last_signal); /* ends us, unless it was SIGTSTP or is ignored */
                if (last_signal != SIGTSTP)
                        return -EINTR;
        }
}

static int take_secret(struct buf *line, struct secret **ret) {
        if (line->len > 0 && line->data[line->len - 1] == '\r')
                line->len--;
        return secret_copy(line->data ? line->data : "", line->len, ret);
}

int prompt_secret(const char *question, struct secret **ret) {
        _cleanup_(buf_clear) struct buf line = BUF_INIT(PROMPT_LINE_MAX);
        int r = ask(question, true, &line);

        return r < 0 ? r : take_secret(&line, ret);
}

int prompt_line(const char *question, char *out, size_t size) {
        _cleanup_(buf_clear) struct buf line = BUF_INIT(size - 1);
        int r = ask(question, false, &line);

        if (r < 0)
                return r;
        if (strlen(buf_text(&line)) != line.len)
                return -EINVAL; /* a NUL in it */
        strcpy(out, buf_text(&line));
        return 0;
}

bool prompt_yes(const char *question, bool otherwise) {
        char text[512], answer[16];
        int r;

        /* a question that is too long is cut: its end is the least of it */
        (void)snprintf(text, sizeof(text), "%.480s %s ", question, otherwise ? "[Y/n]" : "[y/N]");
        for (;;) {
                r = prompt_line(text, answer, sizeof(answer));
                if (r < 0 && r != -E2BIG)
                        return false;
                if (r == 0 && answer[0] == '\0')
                        return otherwise;
                if (r == 0 && (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0))
                        return true;
                if (r == 0 && (strcasecmp(answer, "n") == 0 || strcasecmp(answer, "no") == 0))
                        return false;
        }
}

int prompt_read_fd(int fd, struct secret **ret) {
        _cleanup_(buf_clear) struct buf line = BUF_INIT(PROMPT_LINE_MAX);
        int r;

        last_signal = 0;
        r = read_line(fd, &line);
        return r < 0 ? r : take_secret(&line, ret);
}
