/* log_journal.h - what mfad and mfad-signer told the journal, read by journalctl(1).
 * Owns:  nothing that outlives a call.
 * Calls: child.h, journal_record.h.
 * Limit: LOG_JOURNAL_MAX records of the past, LOG_JOURNAL_SEC to find them. */
#pragma once
#include "client/journal_record.h"
#include <stdint.h>

#define LOG_JOURNAL_MAX 1000 /* as many as mfad has in memory */
#define LOG_JOURNAL_SEC 20   /* a cold disk full of journals */

/* How far it was read; all zero for nothing yet. */
struct log_journal {
        int64_t last; /* number of the last record */
        char cursor[JOURNAL_RECORD_CURSOR_MAX + 1];
};

/* The last records, the oldest first, in the form of GetLog's answer. NULL when there is no journalctl, no
 * journal that this user may read, or none of our records in it. */
json_t *log_journal_read(struct log_journal *j);

/* Runs @fn with each record (lent) that comes after those. Returns journalctl's exit code when it has ended;
 * what @fn returned, when that was negative; another negative errno. */
typedef int (*log_journal_fn)(const json_t *record, void *userdata);
int log_journal_follow(struct log_journal *j, log_journal_fn fn, void *userdata);
