#include "client/call.h"
#include "client/commands.h"
#include "client/layout.h"
#include "client/log_journal.h"
#include "client/output.h"
#include "common/buf.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_WIDTH    8  /* "06:31:02" */
#define RESULT_WIDTH  16 /* "UnusableProfile" */
#define PROFILE_WIDTH 14
#define PROGRAM_WIDTH 24 /* "python3.11 (aws) 123456" */
#define PROGRAM_MIN   12 /* a narrower terminal breaks the lines */
#define UNIT_MIN      8
#define PATIENCE_MSEC 5000                          /* the journal is there also when mfad hangs */
#define LATE_USEC     ((int64_t)(5 * USEC_PER_SEC)) /* what journald may take for an entry */

/* What the lines have in common. */
struct log_view {
        bool is_json;
        size_t columns;      /* 0: nothing is cut */
        char day[32];        /* of the last line */
        int64_t last;        /* number that was shown, of what mfad has in memory */
        enum exit_code code; /* of the last record */
};

/* @text in at most @width columns (0: any number). Returns how many of them are left. */
static size_t say_cut(enum output_style style, const char *text, size_t width) {
        _cleanup_(buf_clear) struct buf safe = BUF_INIT(OUTPUT_TEXT_MAX);
        size_t its = layout_width(text), shown = 0, end = 0;

        if (width == 0 || its <= width) {
                output_say(style, "%s", text);
                return width == 0 ? 0 : width - its;
        }
        (void)output_safe(text, &safe); /* what is too long is cut anyway */
        for (; end < safe.len; end++)
                if (((unsigned char)safe.data[end] & 0xc0) != 0x80 && ++shown > width - 2)
                        break;
        output_say(style, "%.*s..", (int)end, buf_text(&safe));
        return 0;
}

/* The same, and blanks up to the next one. */
static void say_cell(enum output_style style, const char *text, size_t width) {
        size_t left = say_cut(style, text, width);

        output_say(OUTPUT_PLAIN, "%*s", (int)left + 1 + (width == 0), "");
}

static const char *word(const json_t *object, const char *name) {
        const char *text = call_text(object, name);

        return text ? text : "";
}

static void say_time(const json_t *record, struct log_view *v) {
        time_t sec = (time_t)(call_number(record, "at_usec", 0) / (int64_t)USEC_PER_SEC);
        char day[32] = "", at[32] = "";
        struct tm tm;

        if (localtime_r(&sec, &tm)) {
                (void)strftime(day, sizeof(day), "%a %d %b %Y", &tm);
                (void)strftime(at, sizeof(at), "%H:%M:%S", &tm);
        }
        if (strcmp(day, v->day) != 0)
                output_say(OUTPUT_FAINT, "%s\n", day);
        strcpy(v->day, day);
        output_say(OUTPUT_FAINT, "%-*s ", TIME_WIDTH, at);
}

/* "python3.11 (aws) 4242" */
static void put_program(const json_t *peer, struct buf *out) {
        const char *exe = word(peer, "exe"), *comm = word(peer, "comm");
        const char *slash = strrchr(exe, '/'), *name = slash ? slash + 1 : exe;
        int64_t pid = call_number(peer, "pid", 0);

        /* what a peer can make of its names is bounded by the daemon, and made safe when it is said */
        if (!*name)
                name = comm;
        (void)buf_printf(out, "%s", *name ? name : "unknown");
        /* the kernel cuts the latter at 15 bytes */
        if (*comm && strncmp(name, comm, strlen(comm)) != 0)
                (void)buf_printf(out, " (%s)", comm);
        if (pid > 0)
                (void)buf_printf(out, " %" PRId64, pid);
        else if (call_number(peer, "uid", -1) != (int64_t)getuid())
                (void)buf_printf(out, " of uid %" PRId64, call_number(peer, "uid", -1));
}

static void say_result(const json_t *record, size_t width) {
        const char *result = word(record, "result");
        int64_t more = call_number(record, "suppressed", 0);
        bool is_ok = strcmp(result, "ok") == 0;
        char text[128];

        if (strncmp(result, "Mfad", 4) == 0)
                result += 4;
        if (more > 0)
                (void)snprintf(text, sizeof(text), "%s +%" PRId64, result, more);
        else
                (void)snprintf(text, sizeof(text), "%s", result);
        say_cell(is_ok ? OUTPUT_GOOD : OUTPUT_BAD, text, width);
}

static void say_audit(const json_t *record, const struct log_view *v) {
        static const size_t others = TIME_WIDTH + RESULT_WIDTH + PROFILE_WIDTH + 3; /* and gaps */
        const json_t *peer = json_object_get(record, "peer");
        _cleanup_(buf_clear) struct buf program = BUF_INIT(OUTPUT_TEXT_MAX);
        bool is_cut = v->columns > 0;
        size_t room = v->columns > others + PROGRAM_MIN ? v->columns - others : PROGRAM_MIN;
        bool has_unit = room > PROGRAM_WIDTH + UNIT_MIN || !is_cut;

        put_program(peer, &program);
        say_result(record, is_cut ? RESULT_WIDTH : 0);
        say_cell(OUTPUT_STRONG, *word(record, "profile") ? word(record, "profile") : "-",
                 is_cut ? PROFILE_WIDTH : 0);
        if (has_unit && *word(peer, "unit")) {
                say_cell(OUTPUT_PLAIN, buf_text(&program), is_cut ? PROGRAM_WIDTH : 0);
                (void)say_cut(OUTPUT_FAINT, word(peer, "unit"),
                              is_cut ? room - PROGRAM_WIDTH - 1 : 0);
        } else {
                (void)say_cut(OUTPUT_PLAIN, buf_text(&program), is_cut ? room : 0);
        }
        output_say(OUTPUT_PLAIN, "\n");
}

static enum output_style style_of(const char *event) {
        static const struct {
                const char *event;
                enum output_style style;
        } styles[] = {
                {"unlocked", OUTPUT_GOOD},   {"unlock_failed", OUTPUT_BAD},
                {"role_failed", OUTPUT_BAD}, {"config_broken", OUTPUT_BAD},
                {"ends_soon", OUTPUT_WARN},  {"ended", OUTPUT_WARN},
                {"locked", OUTPUT_WARN},     {"suppressed", OUTPUT_WARN},
        };

        for (size_t i = 0; i < ELEMENTSOF(styles); i++)
                if (strcmp(styles[i].event, event) == 0)
                        return styles[i].style;
        return OUTPUT_PLAIN;
}

static enum exit_code say_record(const json_t *record, struct log_view *v) {
        if (v->is_json)
                return call_print_json(record, /* is_compact= */ true);
        say_time(record, v);
        if (json_is_object(json_object_get(record, "peer")))
                say_audit(record, v);
        else
                (void)layout_paragraph(style_of(word(record, "event")), v->columns, TIME_WIDTH + 1,
                                       TIME_WIDTH + 1, word(record, "message"));
        return EXIT_CODE_OK;
}

/* Shows what an answer of GetLog holds. */
static enum exit_code say_page(const json_t *page, struct log_view *v) {
        const json_t *records = json_object_get(page, "records");
        enum exit_code code = EXIT_CODE_OK;

        for (size_t i = 0; i < json_array_size(records) && code == EXIT_CODE_OK; i++)
                code = say_record(json_array_get(records, i), v);
        v->last = call_number(page, "last", v->last);
        if (code == EXIT_CODE_OK && output_close() < 0)
                code = EXIT_CODE_FAILURE; /* nobody reads any more */
        return code;
}

static json_t *parameters(const struct log_view *v) {
        return json_pack("{sI}", "after", (json_int_t)v->last);
}

static enum exit_code show(struct link *control, struct log_view *v) {
        bool is_last = false;

        while (!is_last) {
                json_auto_t *page = NULL;
                int64_t before = v->last;
                enum exit_code code;

                code = call_run(control, CONTROL("GetLog"), parameters(v), CALL_SEC, &page);
                if (code == EXIT_CODE_OK)
                        code = say_page(page, v);
                if (code != EXIT_CODE_OK)
                        return code;
                /* a page that leads nowhere would never end */
                is_last = !json_is_false(json_object_get(page, "is_last")) || v->last == before;
        }
        return EXIT_CODE_OK;
}

/* Goes on until the connection ends. Returns a code, or -ECONNRESET when mfad has gone. */
static int follow(struct link *control, struct log_view *v) {
        char error[LINK_ERROR_MAX];
        bool continues = false;
        json_t *first = NULL;
        int r;

        r = link_call_more(control, CONTROL("GetLog"), parameters(v), error, &first, &continues);
        for (;;) {
                json_auto_t *page = first;
                enum exit_code code;

                first = NULL;
                if (r == -ECONNRESET)
                        return r;
                if (r < 0)
                        return (int)errors_link("control", r);
                if (r > 0)
                        return (int)errors_service(error, page);
                code = say_page(page, v);
                if (code != EXIT_CODE_OK || !continues)
                        return (int)code;
                r = link_next(control, error, &first, &continues);
        }
}

/* From memory: for who has no journal. */
static enum exit_code log_of_mfad(struct log_view *v, bool follows) {
        _cleanup_(link_freep) struct link *control = NULL;
        enum exit_code code;
        int r;

        code = call_open("control", &control);
        for (;;) {
                if (code == EXIT_CODE_OK)
                        code = show(control, v);
                if (code != EXIT_CODE_OK || !follows)
                        return code;
                r = follow(control, v);
                if (r != -ECONNRESET)
                        return (enum exit_code)r;
                control = link_free(control);
                r = link_open_again("control", &control);
                if (r < 0)
                        return errors_link("control", r);
        }
}

/* Whether the journal, whose @records these are, has also the present, of which mfad has @memory. It may have
 * been turned off since, or be kept where this user may not read. */
static bool has_the_present(const json_t *records, const json_t *memory) {
        const json_t *last = json_array_get(records, json_array_size(records) - 1);
        int64_t told = call_number(memory, "newest_usec", 0);

        return call_number(last, "at_usec", 0) + LATE_USEC >= told ||
               told + LATE_USEC >= clock_wall_sec() * (int64_t)USEC_PER_SEC;
}

/* The journal's records when these are all that there are; else NULL. */
static json_t *read_journal(struct log_journal *j) {
        json_auto_t *memory = NULL, *page = NULL;
        json_t *records;

        /* one that does not answer has nothing to say against the journal */
        (void)link_ask("control", CONTROL("GetLog"), PATIENCE_MSEC, &memory);
        if (json_is_false(json_object_get(memory, "in_journal")))
                return NULL;
        page = log_journal_read(j);
        records = json_object_get(page, "records");
        return page && has_the_present(records, memory) ? json_incref(page) : NULL;
}

static int on_record(const json_t *record, void *userdata) {
        struct log_view *v = userdata;

        v->code = say_record(record, v);
        if (v->code == EXIT_CODE_OK && output_close() < 0)
                v->code = EXIT_CODE_FAILURE; /* nobody reads any more */
        return v->code == EXIT_CODE_OK ? 0 : -ECANCELED;
}

static enum exit_code follow_journal(struct log_journal *j, struct log_view *v) {
        int r = log_journal_follow(j, on_record, v);

        if (v->code != EXIT_CODE_OK || r == 0)
                return v->code;
        if (r < 0)
                output_error("cannot read the journal any further: %s", strerror(-r));
        else
                output_error("journalctl ended with exit code %d, so there is no more to be read",
                             r);
        output_hint("go on with: mfactl log -f");
        return EXIT_CODE_FAILURE;
}

enum exit_code cmd_log(const struct args *args) {
        struct log_view v = {.is_json = args->is_set[ARGS_JSON], .columns = layout_columns()};
        bool follows = args->is_set[ARGS_FOLLOW];
        struct log_journal journal = {0};
        json_auto_t *page = read_journal(&journal);
        enum exit_code code;

        if (!page)
                return log_of_mfad(&v, follows);
        code = say_page(page, &v);
        return code == EXIT_CODE_OK && follows ? follow_journal(&journal, &v) : code;
}
