#include "client/journal_record.h"
#include "common/encode.h"
#include "common/event_json.h"

#include <limits.h>
#include <string.h>

#define USEC_MAX INT64_C(253402300799999999) /* the end of the year 9999, the last of four digits */

struct text {
        char bytes[JOURNAL_RECORD_TEXT_MAX + 1];
};

/* A byte as journalctl prints it among others: a number. */
static char byte_of(const json_t *value) {
        json_int_t number = json_integer_value(value); /* 0 for anything else */

        return number > 0 && number <= UCHAR_MAX ? (char)number : '?';
}

/* The field @name, in @out; NULL when there is none. A value that is no UTF-8 comes as an array of bytes, a
 * field that was given more than once as an array of its values, and a long one as null. */
static const char *field(const json_t *entry, const char *name, struct text *out) {
        const json_t *value = json_object_get(entry, name);
        size_t len = 0;

        if (json_is_array(value) && !json_is_integer(json_array_get(value, 0)))
                value = json_array_get(value, 0);
        if (json_is_string(value)) {
                len = strnlen(json_string_value(value), JOURNAL_RECORD_TEXT_MAX);
                memcpy(out->bytes, json_string_value(value), len);
        } else if (json_is_array(value)) {
                for (; len < json_array_size(value) && len < JOURNAL_RECORD_TEXT_MAX; len++)
                        out->bytes[len] = byte_of(json_array_get(value, len));
        } else {
                return NULL;
        }
        out->bytes[len] = '\0';
        text_make_printable(out->bytes);
        return out->bytes;
}

/* The field @name as a number from 0 to @max; -1 when it is none. */
static int64_t number(const json_t *entry, const char *name, int64_t max) {
        struct text text;
        const char *p = field(entry, name, &text);
        int64_t n = 0;

        if (!p || !*p)
                return -1;
        for (; *p >= '0' && *p <= '9'; p++) {
                if (n > (max - (*p - '0')) / 10)
                        return -1;
                n = n * 10 + (*p - '0');
        }
        return *p ? -1 : n;
}

static json_t *record_of(const json_t *entry, enum event event, int64_t entered_usec) {
        struct text message, profile, result, token, suffix, exe, comm, unit;
        int64_t said_usec = number(entry, "_SOURCE_REALTIME_TIMESTAMP", USEC_MAX);
        int64_t uid = number(entry, "PEER_UID", UINT32_MAX);
        int64_t pid = number(entry, "PEER_PID", INT_MAX);
        int64_t n_suppressed = number(entry, "MFAD_SUPPRESSED", UINT_MAX);
        const char *sentence = field(entry, "MESSAGE", &message);
        const struct event_fields fields = {
                .profile = field(entry, "MFAD_PROFILE", &profile),
                .result = field(entry, "MFAD_RESULT", &result),
                .token = field(entry, "MFAD_TOKEN", &token),
                .key_id_suffix = field(entry, "MFAD_KEY_ID_SUFFIX", &suffix),
                .has_peer = uid >= 0,
                .uid = uid >= 0 ? (uid_t)uid : 0,
                .pid = pid >= 0 ? (pid_t)pid : 0,
                .exe = field(entry, "PEER_EXE", &exe),
                .comm = field(entry, "PEER_COMM", &comm),
                .unit = field(entry, "PEER_UNIT", &unit),
                .n_suppressed = n_suppressed >= 0 ? (unsigned)n_suppressed : 0,
        };

        return event_json(entered_usec, said_usec >= 0 ? said_usec : entered_usec, event, &fields,
                          sentence ? sentence : "");
}

json_t *journal_record_read(const char *line, size_t len,
                            char ret_cursor[JOURNAL_RECORD_CURSOR_MAX + 1]) {
        json_auto_t *entry = len > JOURNAL_RECORD_LINE_MAX ? NULL : json_loadb(line, len, 0, NULL);
        int64_t entered_usec = number(entry, "__REALTIME_TIMESTAMP", USEC_MAX);
        const char *cursor = json_string_value(json_object_get(entry, "__CURSOR"));
        struct text id;
        const char *text = field(entry, "MESSAGE_ID", &id);
        enum event event = text ? event_of_message_id(text) : EVENT_NONE;

        if (event == EVENT_NONE || entered_usec < 0)
                return NULL;
        ret_cursor[0] = '\0';
        if (cursor && strlen(cursor) <= JOURNAL_RECORD_CURSOR_MAX)
                strcpy(ret_cursor, cursor);
        return record_of(entry, event, entered_usec);
}
