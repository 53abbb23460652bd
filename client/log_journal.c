#include "client/log_journal.h"
#include "client/child.h"
#include "common/events.h"
#include "common/macros.h"

#include <stdio.h>
#include <string.h>

#define ARGV_FIXED 9
#define MATCH_MAX  64

struct journalctl {
        struct log_journal *j;
        log_journal_fn fn;
        void *userdata;
        char where[JOURNAL_RECORD_CURSOR_MAX + 32];
        char matches[_EVENT_MAX][MATCH_MAX]; /* the first one is about the uid */
        const char *argv[ARGV_FIXED + _EVENT_MAX + 1];
        char line[JOURNAL_RECORD_LINE_MAX];
};

/* What is looked for: our kinds of events, said by this user's programs. Not --user: that would look into this
 * user's own file only, which not every journald keeps (journald.conf(5), SplitMode=). Not by unit either: of
 * what a program says right before its end journald often does not know the unit. */
static void put_matches(struct journalctl *c, size_t n) {
        (void)snprintf(c->matches[0], MATCH_MAX, "_UID=%u", (unsigned)getuid()); /* fits */
        c->argv[n++] = c->matches[0];
        for (int i = EVENT_NONE + 1; i < _EVENT_MAX; i++) {
                (void)snprintf(c->matches[i], MATCH_MAX, "MESSAGE_ID=%s",
                               event_message_id((enum event)i)); /* fits */
                c->argv[n++] = c->matches[i];
        }
        c->argv[n] = NULL;
}

static int on_line(const char *line, size_t len, void *userdata) {
        struct journalctl *c = userdata;
        json_auto_t *record = journal_record_read(line, len, c->j->cursor);
        int64_t number = json_integer_value(json_object_get(record, "number"));

        if (!record)
                return 0; /* somebody's idea of a record */
        /* clocks are set back, and two may come in one microsecond */
        c->j->last = number > c->j->last ? number : c->j->last + 1;
        if (json_object_set_new(record, "number", json_integer(c->j->last)) < 0)
                return -ENOMEM;
        return c->fn(record, c->userdata);
}

/* With the first @n words of its command line there. Returns as child_lines(). */
static int run(struct journalctl *c, size_t n, unsigned timeout_sec) {
        const struct child_wish wish = {.argv = c->argv,
                                        .timeout_msec = timeout_sec * 1000,
                                        .out = c->line,
                                        .size = sizeof(c->line)};

        put_matches(c, n);
        return child_lines(&wish, on_line, c);
}

static size_t put_common(struct journalctl *c) {
        static const char *const words[] = {"journalctl", "--quiet", "--no-pager", "--output=json",
                                            "--output-fields=" JOURNAL_RECORD_FIELDS};

        memcpy(c->argv, words, sizeof(words));
        return ELEMENTSOF(words);
}

static int append(const json_t *record, void *userdata) {
        return json_array_append(userdata, (json_t *)record) < 0 ? -ENOMEM : 0;
}

json_t *log_journal_read(struct log_journal *j) {
        json_auto_t *records = json_array();
        struct journalctl c = {.j = j, .fn = append, .userdata = records};
        size_t n = put_common(&c);

        (void)snprintf(c.where, sizeof(c.where), "--lines=%d", LOG_JOURNAL_MAX); /* fits */
        c.argv[n++] = c.where;
        if (run(&c, n, LOG_JOURNAL_SEC) != 0 || json_array_size(records) == 0)
                return NULL;
        return json_pack("{s:O}", "records", records);
}

int log_journal_follow(struct log_journal *j, log_journal_fn fn, void *userdata) {
        struct journalctl c = {.j = j, .fn = fn, .userdata = userdata};
        size_t n = put_common(&c);

        (void)snprintf(c.where, sizeof(c.where), "--after-cursor=%s", j->cursor); /* fits */
        c.argv[n++] = "--follow";
        c.argv[n++] = "--no-tail";
        c.argv[n++] = c.where;
        return run(&c, n, 0);
}
