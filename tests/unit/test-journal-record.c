/* test-journal-record.c - entries as journalctl prints them in JSON, and the records that they are. */
#include "client/journal_record.h"
#include "common/events.h"
#include "common/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AT "\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":\"1795305600123456\""

static char cursor[JOURNAL_RECORD_CURSOR_MAX + 1];

static json_t *read_line(const char *line) {
        strcpy(cursor, "before");
        return journal_record_read(line, strlen(line), cursor);
}

/* With the id of @event, and @more. */
static json_t *read_entry(enum event event, const char *more) {
        char line[8192];

        (void)snprintf(line, sizeof(line), "{" AT ",\"MESSAGE_ID\":\"%s\"%s%s}",
                       event_message_id(event), *more ? "," : "", more);
        return read_line(line);
}

static void expect_record(enum event event, const char *more, const char *record) {
        json_auto_t *expected = json_loads(record, 0, NULL), *found = read_entry(event, more);

        assert_non_null(expected);
        assert_non_null(found);
        if (!json_equal(expected, found))
                fail_msg("%s: %s", more, json_dumps(found, 0));
}

#define RECORD(event, rest) "{\"number\":1795305600123456,\"event\":\"" event "\"," rest "}"
#define SAME_TIME           "\"at\":\"2026-11-22T00:00:00Z\",\"at_usec\":1795305600123456,"
#define NO_PEER             "\"peer\":null,\"suppressed\":null"
#define NO_FIELDS           "\"profile\":null,\"result\":null,\"token\":null,\"access_key_id\":null,"

static void test_records(void **state _unused_) {
        expect_record(
                EVENT_LENT,
                "\"MESSAGE\":\"lent\",\"MFAD_PROFILE\":\"b\xc3\xbcro\",\"MFAD_RESULT\":\"ok\","
                "\"MFAD_TOKEN\":\"default\",\"MFAD_KEY_ID_SUFFIX\":\"WXYZ\","
                "\"PEER_UID\":\"1000\",\"PEER_PID\":\"42\",\"PEER_EXE\":\"/bin/aws\","
                "\"PEER_COMM\":\"aws\",\"PEER_UNIT\":\"a.scope\",\"_PID\":\"7\","
                "\"_SOURCE_REALTIME_TIMESTAMP\":\"1795305599000001\"",
                RECORD("lent",
                       "\"at\":\"2026-11-21T23:59:59Z\",\"at_usec\":1795305599000001,"
                       "\"message\":\"lent\",\"profile\":\"b\xc3\xbcro\",\"result\":\"ok\","
                       "\"token\":\"default\",\"access_key_id\":\"WXYZ\",\"suppressed\":null,"
                       "\"peer\":{\"uid\":1000,\"pid\":42,\"exe\":\"/bin/aws\","
                       "\"comm\":\"aws\",\"unit\":\"a.scope\"}"));
        assert_string_equal(cursor, "s=1;i=2");
        expect_record(EVENT_VAULT, "\"MESSAGE\":\"vault opened\"",
                      RECORD("vault", SAME_TIME "\"message\":\"vault opened\"," NO_FIELDS NO_PEER));
        expect_record(EVENT_SUPPRESSED, "\"MFAD_SUPPRESSED\":\"12\",\"PEER_UID\":\"0\"",
                      RECORD("suppressed",
                             SAME_TIME "\"message\":\"\"," NO_FIELDS
                                       "\"peer\":{\"uid\":0,\"pid\":null,\"exe\":null,"
                                       "\"comm\":null,\"unit\":null},\"suppressed\":12"));
}

static void test_odd_values(void **state _unused_) {
        static const struct {
                const char *value; /* of MFAD_PROFILE */
                const char *text;
        } cases[] = {
                {"[98,195,188]", "b\xc3\xbc"},  /* bytes */
                {"[47,255,10,27,65]", "/???A"}, /* that are no text */
                {"[65,0,-1,256,1.5,\"x\",null]", "A??????"},
                {"[\"first\",\"second\"]", "first"}, /* given twice */
                {"[[65,66],\"second\"]", "AB"},
                {"[null,\"second\"]", NULL},
                {"[[[65]]]", "?"},
                {"[]", NULL},
                {"[[]]", ""},
                {"null", NULL}, /* journalctl found it too long */
                {"true", NULL},
                {"7", NULL},
                {"{\"a\":\"b\"}", NULL},
                {"\"\"", ""},
                {"\"a\\u001b[31m\\u009b\"", "a?[31m??"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_auto_t *record = NULL;
                const char *text;
                char more[128];

                (void)snprintf(more, sizeof(more), "\"MFAD_PROFILE\":%s", cases[i].value);
                record = read_entry(EVENT_LENT, more);
                assert_non_null(record);
                text = json_string_value(json_object_get(record, "profile"));
                if ((text == NULL) != (cases[i].text == NULL) ||
                    (text && strcmp(text, cases[i].text) != 0))
                        fail_msg("%s: %s", cases[i].value, text ? text : "none");
        }
}

static void test_odd_numbers(void **state _unused_) {
        static const struct {
                const char *uid;
                json_int_t number; /* -1: no peer */
        } cases[] = {
                {"\"0\"", 0},
                {"\"4294967295\"", 4294967295},
                {"\"4294967296\"", -1},
                {"\"-1\"", -1},
                {"\"\"", -1},
                {"\" 1\"", -1},
                {"\"1 \"", -1},
                {"\"0x1\"", -1},
                {"1", -1},
                {"\"00000001\"", 1},
                {"[49,50]", 12},
                {"[\"7\",\"8\"]", 7},
                {"\"99999999999999999999999999\"", -1},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_auto_t *record = NULL;
                const json_t *peer;
                char more[128];

                (void)snprintf(more, sizeof(more), "\"PEER_UID\":%s", cases[i].uid);
                record = read_entry(EVENT_LENT, more);
                peer = json_object_get(record, "peer");
                assert_true(json_is_object(peer) == (cases[i].number >= 0));
                if (cases[i].number >= 0)
                        assert_int_equal(json_integer_value(json_object_get(peer, "uid")),
                                         cases[i].number);
        }
}

static void test_long_texts(void **state _unused_) {
        char more[2048] = "\"MESSAGE\":\"";
        json_auto_t *record = NULL;
        size_t len = strlen(more);

        memset(more + len, 'x', 1000);
        strcpy(more + len + 1000, "\"");
        record = read_entry(EVENT_STARTED, more);
        assert_int_equal(json_string_length(json_object_get(record, "message")),
                         JOURNAL_RECORD_TEXT_MAX);
}

/* A cursor that is too long is none, so that journalctl does not begin elsewhere. */
static void test_long_cursor(void **state _unused_) {
        char line[2048];
        json_auto_t *record = NULL;

        (void)snprintf(
                line, sizeof(line),
                "{\"__CURSOR\":\"%0*d\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE_ID\":\"%s\"}",
                JOURNAL_RECORD_CURSOR_MAX + 1, 1, event_message_id(EVENT_LENT));
        record = read_line(line);
        assert_non_null(record);
        assert_string_equal(cursor, "");
}

static void test_no_record(void **state _unused_) {
        static const char *const lines[] = {
                "",
                "-- No entries --",
                "[]",
                "{}",
                "{" AT "}",
                "{" AT ",\"MESSAGE_ID\":\"\"}",
                "{" AT ",\"MESSAGE_ID\":\"0c03b427163f4bd2b174c1a952f796d\"}",
                "{" AT ",\"MESSAGE_ID\":\"0c03b427163f4bd2b174c1a952f796dc\"",
                "{" AT ",\"MESSAGE_ID\":[]}",
                "{\"__REALTIME_TIMESTAMP\":\"253402300800000000\","
                "\"MESSAGE_ID\":\"0c03b427163f4bd2b174c1a952f796dc\"}",
                "{\"MESSAGE_ID\":\"0c03b427163f4bd2b174c1a952f796dc\"}",
        };
        static char big[JOURNAL_RECORD_LINE_MAX + 2];

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                assert_null(read_line(lines[i]));
                assert_string_equal(cursor, "before");
        }
        (void)snprintf(big, sizeof(big), "{" AT ",\"MESSAGE_ID\":\"%s\"%*s",
                       event_message_id(EVENT_LENT), 1, "}");
        memset(big + strlen(big), ' ', sizeof(big) - strlen(big) - 1);
        assert_null(read_line(big));
        big[sizeof(big) - 2] = '\0'; /* one less is within the limit */
        json_decref(read_line(big));
        assert_string_equal(cursor, "s=1;i=2");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_records),     cmocka_unit_test(test_odd_values),
                cmocka_unit_test(test_odd_numbers), cmocka_unit_test(test_long_texts),
                cmocka_unit_test(test_long_cursor), cmocka_unit_test(test_no_record),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
