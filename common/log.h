/* log.h - the journal when standard error is it, with structured fields; else one line per message on stderr,
 * with the level that journald understands (sd-daemon(3)).
 * Owns:  the process-wide maximum level, the program's name, the socket to the journal, the listener.
 * Calls: write(2), journal.h; never blocks: what cannot be taken at once is dropped and counted.
 * Limit: LOG_LINE_MAX bytes a line; unprintable bytes are shown as "?". */
#pragma once
#include "common/events.h"
#include "common/macros.h"

#define LOG_LINE_MAX 1024

/* Sets the name that starts each line on a terminal and the highest level that is written; $MFAD_LOG_LEVEL may
 * name another one: error, warning, notice, info or debug. @program: lent for the life of the process. */
void log_open(const char *program, enum log_level max);

void log_write(enum log_level level, int error, const char *format, ...) _printf_(3, 4);

/* Whether the journal gets all events, so that it can tell them afterwards. */
bool log_is_in_journal(void);

/* @r: a negative errno, appended as text; 0 for none. Returns @r, so that callers may forward it. */
#define log_error(r, ...)   (log_write(LOG_LEVEL_ERROR, (r), __VA_ARGS__), (r))
#define log_warning(r, ...) (log_write(LOG_LEVEL_WARNING, (r), __VA_ARGS__), (r))
#define log_notice(...)     log_write(LOG_LEVEL_NOTICE, 0, __VA_ARGS__)
#define log_info(...)       log_write(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...)      log_write(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)

/* An event, with the sentence for people. @fields may be NULL. */
void log_event(enum event event, const struct event_fields *fields, const char *format, ...)
        _printf_(3, 4);

/* @fn hears of every event, whatever the level; it must not log. One listener; NULL for none. */
typedef void (*log_listen_fn)(enum event event, const struct event_fields *fields,
                              const char *sentence, void *userdata);
void log_listen(log_listen_fn fn, void *userdata);
