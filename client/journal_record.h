/* journal_record.h - an entry of mfad's or mfad-signer's as `journalctl -o json` prints it, as the same record that
 * GetLog would give.
 * Owns:  nothing.
 * Calls: event_json.h, jansson.
 * Limit: JOURNAL_RECORD_LINE_MAX bytes a line; JOURNAL_RECORD_TEXT_MAX bytes of a text, which is cut.
 * Every process of this user can write what it likes into the journal: nothing is believed of its form. */
#pragma once
#include <jansson.h>

#define JOURNAL_RECORD_LINE_MAX                                                                    \
        ((size_t)64 * 1024)           /* ours have 8 KiB, in JSON up to six times that */
#define JOURNAL_RECORD_TEXT_MAX   512 /* as mfad has it in memory */
#define JOURNAL_RECORD_CURSOR_MAX 512

/* What journalctl has to print, for --output-fields=. */
#define JOURNAL_RECORD_FIELDS                                                                      \
        "MESSAGE,MESSAGE_ID,MFAD_PROFILE,MFAD_RESULT,MFAD_TOKEN,MFAD_KEY_ID_SUFFIX,"               \
        "MFAD_SUPPRESSED,PEER_UID,PEER_PID,PEER_EXE,PEER_COMM,PEER_UNIT,"                          \
        "_SOURCE_REALTIME_TIMESTAMP"

/* The record of the entry in @line, of @len bytes, and where the entry stands: NUL-terminated, "" when that is
 * too long. The record's number is the microsecond at which it came to the journal. NULL for what is no
 * entry of one of our events. */
json_t *journal_record_read(const char *line, size_t len,
                            char ret_cursor[JOURNAL_RECORD_CURSOR_MAX + 1]);
