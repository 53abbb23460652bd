#include "common/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <poll.h>

static const char *log_program = "mfad";
static enum log_level log_max = LOG_LEVEL_INFO;
static unsigned long log_dropped;

void log_open(const char *program, enum log_level max) {
        log_program = program;
        log_max = max;
}

/* Control characters and everything beyond ASCII would let a peer write to the reader's terminal
 * or fake a second journal line. */
static void make_printable(char *line) {
        for (char *p = line; *p; p++)
                if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
                        *p = '?';
}

static bool stderr_takes_a_line(void) {
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

        return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void write_line(enum log_level level, const char *text) {
        char line[LOG_LINE_MAX + 64];
        int n;

        if (!stderr_takes_a_line()) {
                log_dropped++;
                return;
        }
        if (isatty(STDERR_FILENO))
                n = snprintf(line, sizeof(line), "%s: %s\n", log_program, text);
        else
                n = snprintf(line, sizeof(line), "<%d>%s: %s\n", (int)level, log_program, text);
        if (n > 0 && write(STDERR_FILENO, line, (size_t)n) != n)
                log_dropped++;
}

void log_write(enum log_level level, int error, const char *format, ...) {
        char text[LOG_LINE_MAX];
        int saved = errno;
        va_list ap;
        size_t n;

        if (level > log_max)
                return;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap); /* a cut message is still a message */
        va_end(ap);
        n = strlen(text);
        if (error < 0)
                (void)snprintf(text + n, sizeof(text) - n, ": %s", strerror(-error));
        make_printable(text);

        if (log_dropped > 0) {
                char note[64];

                (void)snprintf(note, sizeof(note), "%lu messages were dropped", log_dropped);
                log_dropped = 0;
                write_line(LOG_LEVEL_WARNING, note);
        }
        write_line(level, text);
        errno = saved;
}
