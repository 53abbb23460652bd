/* log.h - one line per message on stderr, with the level that journald understands (sd-daemon(3)).
 * Owns:  the process-wide maximum level and the program's name.
 * Calls: write(2) only; never blocks: a line that stderr cannot take at once is dropped and counted.
 * Limit: LOG_LINE_MAX bytes a line; unprintable bytes are shown escaped. */
#pragma once
#include "common/macros.h"

#define LOG_LINE_MAX 1024

enum log_level { /* the numbers are syslog's */
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
};

/* Sets the name that starts each line on a terminal and the highest level that is written.
 * @program: lent for the life of the process. */
void log_open(const char *program, enum log_level max);

void log_write(enum log_level level, int error, const char *format, ...) _printf_(3, 4);

/* @r: a negative errno, appended as text; 0 for none. Returns @r, so that callers may forward it. */
#define log_error(r, ...)   (log_write(LOG_LEVEL_ERROR, (r), __VA_ARGS__), (r))
#define log_warning(r, ...) (log_write(LOG_LEVEL_WARNING, (r), __VA_ARGS__), (r))
#define log_notice(...)     log_write(LOG_LEVEL_NOTICE, 0, __VA_ARGS__)
#define log_info(...)       log_write(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...)      log_write(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)
