/* fuzz-journal-record.c - any line of journalctl's is a record of GetLog's form, with texts fit to be shown, or none.
 * Owns:  nothing.
 * Calls: journal_record.h.
 * Limit: none. */
#include "client/journal_record.h"
#include "common/encode.h"
#include "common/events.h"
#include "common/macros.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(const json_t *object) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)object, name, value)
                assert(json_is_integer(value) || json_is_null(value) || json_is_object(value) ||
                       text_is_printable(json_string_value(value), JOURNAL_RECORD_TEXT_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const fields[] = {"number",        "at",      "at_usec",   "event",
                                             "message",       "profile", "result",    "token",
                                             "access_key_id", "peer",    "suppressed"};
        char cursor[JOURNAL_RECORD_CURSOR_MAX + 1];
        json_auto_t *record = NULL;
        const json_t *peer;

        memset(cursor, 'x', sizeof(cursor));
        record = journal_record_read((const char *)data, size, cursor);
        if (!record) {
                assert(cursor[0] == 'x');
                return 0;
        }
        assert(strnlen(cursor, sizeof(cursor)) < sizeof(cursor));
        assert(json_object_size(record) == ELEMENTSOF(fields));
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                assert(json_object_get(record, fields[i]));
        assert(json_is_integer(json_object_get(record, "number")) &&
               json_is_integer(json_object_get(record, "at_usec")) &&
               json_string_length(json_object_get(record, "at")) == 20 &&
               json_is_string(json_object_get(record, "message")) &&
               strcmp(json_string_value(json_object_get(record, "event")),
                      event_name(EVENT_NONE)) != 0);
        check_texts(record);
        peer = json_object_get(record, "peer");
        assert(json_is_null(peer) ||
               (json_object_size(peer) == 5 && json_is_integer(json_object_get(peer, "uid"))));
        check_texts(peer);
        return 0;
}
