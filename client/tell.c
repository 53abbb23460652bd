#include "client/tell.h"
#include "client/call.h"
#include "client/duration.h"
#include "client/layout.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/encode.h"

#include <stdio.h>
#include <string.h>

enum output_style tell_style(const char *state) {
        static const struct {
                const char *state;
                enum output_style style;
        } styles[] = {
                {"unlocked", OUTPUT_GOOD}, {"expiring", OUTPUT_WARN}, {"failing", OUTPUT_BAD},
                {"unusable", OUTPUT_BAD},  {"idle", OUTPUT_PLAIN},
        };

        for (size_t i = 0; state && i < ELEMENTSOF(styles); i++)
                if (strcmp(styles[i].state, state) == 0)
                        return styles[i].style;
        return OUTPUT_STRONG;
}

/* The local time of the point in time @name, "" when there is none. */
static void clock_of(const json_t *failure, const char *name, char out[DURATION_TEXT_MAX]) {
        const char *text = call_text(failure, name);
        int64_t sec;

        out[0] = '\0';
        if (text && decode_time_iso(text, &sec) == 0)
                duration_clock(sec, clock_wall_sec(), out);
}

void tell_failure(const json_t *failure, size_t columns, size_t indent) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(OUTPUT_TEXT_MAX);
        char at[DURATION_TEXT_MAX], since[DURATION_TEXT_MAX];
        const char *message = call_text(failure, "message");

        if (!message)
                return;
        clock_of(failure, "at", at);
        clock_of(failure, "since", since);
        /* a message that is too long is cut, as by output_say() */
        if (*since && strcmp(since, at) != 0)
                (void)buf_printf(&text, "failing since %s, last try %s: %s", since, at, message);
        else
                (void)buf_printf(&text, "last try%s%s: %s", *at ? " " : "", at, message);
        output_say(OUTPUT_PLAIN, "%*s", (int)indent, "");
        (void)layout_paragraph(OUTPUT_BAD, columns, indent, indent, buf_text(&text));
}

void tell_until(int64_t left, char out[TELL_UNTIL_MAX]) {
        char clock[DURATION_TEXT_MAX], words[DURATION_TEXT_MAX];
        int64_t now = clock_wall_sec();

        duration_clock(now + left, now, clock);
        duration_words(left, words);
        (void)snprintf(out, TELL_UNTIL_MAX, "%s (%s left)", clock, words);
}
