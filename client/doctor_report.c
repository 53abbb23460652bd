#include "client/doctor_report.h"
#include "client/call.h"
#include "client/layout.h"
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 80 /* where there is no terminal to ask */
#define INDENT  11 /* where the texts begin */

static const struct {
        const char *name;
        enum output_style style;
} levels[] = {
        [DOCTOR_OK] = {"ok", OUTPUT_GOOD},
        [DOCTOR_NOTE] = {"note", OUTPUT_WARN},
        [DOCTOR_PROBLEM] = {"problem", OUTPUT_BAD},
};

int doctor_report_open(struct doctor_report *r, bool is_quiet) {
        *r = (struct doctor_report){.is_quiet = is_quiet, .topic = "", .checks = json_array()};
        return r->checks ? 0 : -ENOMEM;
}

void doctor_report_close(struct doctor_report *r) {
        json_decref(r->checks);
        r->checks = NULL;
}

/* @text is valid UTF-8. What there is no memory for is not kept; its level counts all the same. */
static void keep(struct doctor_report *r, enum doctor_level level, const char *check,
                 const char *fix, const char *text) {
        json_t *entry = json_pack("{ss ss ss ss ss*}", "topic", r->topic, "check", check, "level",
                                  levels[level].name, "text", text, "fix", fix);

        (void)json_array_append_new(r->checks, entry);
}

static void say(struct doctor_report *r, enum doctor_level level, const char *check,
                const char *fix, const char *text) {
        size_t columns = layout_columns();
        _cleanup_(buf_clear) struct buf line = BUF_INIT(OUTPUT_TEXT_MAX);

        columns = columns > 0 ? columns : COLUMNS;
        if (r->said_topic != r->topic) {
                output_say(OUTPUT_STRONG, "%s%s\n", r->said_topic ? "\n" : "", r->topic);
                r->said_topic = r->topic;
        }
        output_say(levels[level].style, "  %-8s", levels[level].name);
        output_say(OUTPUT_PLAIN, " ");
        (void)buf_printf(&line, "%s: %s", check, text); /* cut at worst */
        (void)layout_paragraph(OUTPUT_PLAIN, columns, INDENT, INDENT, buf_text(&line));
        if (!fix)
                return;
        buf_clear(&line);
        (void)buf_printf(&line, "fix: %s", fix);
        output_say(OUTPUT_PLAIN, "%*s", INDENT, "");
        (void)layout_paragraph(OUTPUT_STRONG, columns, INDENT, INDENT + 5, buf_text(&line));
}

/* Appends @text with what is no printable text made so. */
static const char *safe(const char *text, struct buf *b) {
        (void)output_filter(text, /* utf8= */ true, b); /* cut at worst */
        return buf_text(b);
}

void doctor_report_add(struct doctor_report *r, enum doctor_level level, const char *check,
                       const char *fix, const char *format, ...) {
        _cleanup_(buf_clear) struct buf safe_text = BUF_INIT(OUTPUT_TEXT_MAX),
                                        safe_fix = BUF_INIT(OUTPUT_TEXT_MAX);
        _cleanup_(freep) char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                text = NULL; /* its value is undefined after a failure */
        r->n_problems += level == DOCTOR_PROBLEM;
        r->n_notes += level == DOCTOR_NOTE;
        (void)safe(text ? text : strerror(ENOMEM), &safe_text);
        if (fix)
                fix = safe(fix, &safe_fix);
        keep(r, level, check, fix, buf_text(&safe_text));
        if (!r->is_quiet)
                say(r, level, check, fix, buf_text(&safe_text));
}

enum exit_code doctor_report_end(const struct doctor_report *r) {
        enum exit_code code = r->n_problems > 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK, printed;
        json_auto_t *answer = NULL;

        if (!r->is_quiet) {
                output_say(r->n_problems > 0 ? OUTPUT_BAD : OUTPUT_GOOD, "\n%zu problem%s",
                           r->n_problems, r->n_problems == 1 ? "" : "s");
                output_say(OUTPUT_PLAIN, ", %zu note%s\n", r->n_notes, r->n_notes == 1 ? "" : "s");
                return code;
        }
        answer = json_pack("{sI sI sO}", "problems", (json_int_t)r->n_problems, "notes",
                           (json_int_t)r->n_notes, "checks", r->checks);
        printed = call_print_json(answer, /* is_compact= */ false);
        return printed != EXIT_CODE_OK ? printed : code;
}
