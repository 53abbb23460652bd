#include "common/log.h"
#include "common/journal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_LEN 16

static const char *log_program = "mfad";
static enum log_level log_max = LOG_LEVEL_INFO;
static unsigned long log_dropped;
static int log_journal_fd = -EBADF;
static struct {
        log_listen_fn fn;
        void *userdata;
} log_listener;

static enum log_level level_of_name(const char *name, enum log_level otherwise) {
        static const char *const names[] = {[LOG_LEVEL_ERROR] = "error",
                                            [LOG_LEVEL_WARNING] = "warning",
                                            [LOG_LEVEL_NOTICE] = "notice",
                                            [LOG_LEVEL_INFO] = "info",
                                            [LOG_LEVEL_DEBUG] = "debug"};

        for (size_t i = LOG_LEVEL_ERROR; name && i < ELEMENTSOF(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return (enum log_level)i;
        return otherwise;
}

void log_open(const char *program, enum log_level max) {
        log_program = program;
        log_max = level_of_name(getenv("MFAD_LOG_LEVEL"), max);
        log_journal_fd = fd_close(log_journal_fd);
        if (journal_is_stderr())
                log_journal_fd = journal_open(); /* else plain lines, which journald takes, too */
}

bool log_is_in_journal(void) {
        return log_journal_fd >= 0 && log_max >= LOG_LEVEL_INFO; /* the events' lowest level */
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

/* @number as text, in @out; NULL when there is none. */
static const char *number(bool is_known, unsigned long value, char out[NUMBER_LEN]) {
        if (!is_known)
                return NULL;
        (void)snprintf(out, NUMBER_LEN, "%lu", value); /* of 32 bits: it fits */
        return out;
}

static int write_entry(enum log_level level, enum event event, const struct event_fields *f,
                       const char *text) {
        char priority[NUMBER_LEN], uid[NUMBER_LEN], pid[NUMBER_LEN], count[NUMBER_LEN];
        bool is_event = event != EVENT_NONE;
        const struct journal_field fields[] = {
                {"MESSAGE", text},
                {"PRIORITY", number(true, level, priority)},
                {"SYSLOG_IDENTIFIER", log_program},
                {"MESSAGE_ID", is_event ? event_message_id(event) : NULL},
                {"MFAD_EVENT", is_event ? event_name(event) : NULL},
                {"MFAD_PROFILE", f->profile},
                {"MFAD_RESULT", f->result},
                {"MFAD_TOKEN", f->token},
                {"MFAD_KEY_ID_SUFFIX", f->key_id_suffix},
                {"MFAD_SUPPRESSED", number(f->n_suppressed > 0, f->n_suppressed, count)},
                {"PEER_UID", number(f->has_peer, f->uid, uid)},
                {"PEER_PID", number(f->has_peer && f->pid > 0, (unsigned long)f->pid, pid)},
                {"PEER_EXE", f->exe},
                {"PEER_COMM", f->comm},
                {"PEER_UNIT", f->unit},
        };

        return journal_send(log_journal_fd, JOURNAL_SOCKET, fields, ELEMENTSOF(fields));
}

static void put(enum log_level level, enum event event, const struct event_fields *f,
                const char *text) {
        int r = log_journal_fd < 0 ? log_journal_fd : write_entry(level, event, f, text);

        if (r == -EAGAIN)
                log_dropped++;
        else if (r < 0)
                write_line(level, text);
}

static void write_text(enum log_level level, enum event event, const struct event_fields *f,
                       const char *text) {
        static const struct event_fields none;

        if (level > log_max)
                return;
        if (log_dropped > 0) {
                char note[64];

                (void)snprintf(note, sizeof(note), "%lu messages were dropped", log_dropped);
                log_dropped = 0;
                put(LOG_LEVEL_WARNING, EVENT_NONE, &none, note);
        }
        put(level, event, f ? f : &none, text);
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
        write_text(level, EVENT_NONE, NULL, text);
        errno = saved;
}

void log_event(enum event event, const struct event_fields *fields, const char *format, ...) {
        char text[LOG_LINE_MAX];
        int saved = errno;
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap); /* a cut message is still a message */
        va_end(ap);
        make_printable(text);
        write_text(event_level(event), event, fields, text);
        if (log_listener.fn)
                log_listener.fn(event, fields, text, log_listener.userdata);
        errno = saved;
}

void log_listen(log_listen_fn fn, void *userdata) {
        log_listener.fn = fn;
        log_listener.userdata = userdata;
}
