#include "client/aws_files.h"
#include "client/commands.h"
#include "client/duration.h"
#include "client/layout.h"
#include "client/profile_list.h"
#include "client/tell.h"
#include "common/buf.h"
#include "common/encode.h"

#include <inttypes.h>
#include <string.h>

#define NAMES_MAX    ((size_t)4 * 1024 * 1024)
#define NOTE_INDENT  4
#define KIND_WIDTH   8  /* "unusable" */
#define STATE_WIDTH  9  /* "unlocking" */
#define LEFT_WIDTH   11 /* "11 h 59 min" */
#define SOURCE_WIDTH 14 /* at least, when it is cut */
#define GAP          2
#define NONE         "-"

struct table {
        size_t columns; /* 0: any number */
        size_t name_width, source_width;
        bool has_path; /* else it gets a line of its own, where it is not the name */
};

static const char *text_of(const json_t *profile, const char *name, const char *otherwise) {
        const char *text = call_text(profile, name);

        return text && *text ? text : otherwise;
}

static size_t widest(const json_t *profiles, const char *field, size_t at_least) {
        size_t width = at_least;

        for (size_t i = 0; i < json_array_size(profiles); i++) {
                size_t its = layout_width(text_of(json_array_get(profiles, i), field, ""));

                width = its > width ? its : width;
        }
        return width;
}

/* What all rows share. A name that is still too long gets a line of its own; a source is cut. */
static struct table lay_out(const json_t *profiles) {
        struct table t = {.columns = layout_columns(),
                          .name_width = widest(profiles, "name", strlen("NAME")),
                          .source_width = widest(profiles, "source", strlen("SOURCE")),
                          .has_path = true};
        size_t others = KIND_WIDTH + STATE_WIDTH + LEFT_WIDTH + 4 * GAP, room;

        if (t.columns == 0 ||
            t.name_width + t.source_width + others + GAP + widest(profiles, "path", 0) <= t.columns)
                return t;
        t.has_path = false;
        room = t.columns > others ? t.columns - others : 0;
        if (t.name_width + t.source_width <= room)
                return t;
        if (t.source_width > SOURCE_WIDTH)
                t.source_width =
                        room > t.name_width + SOURCE_WIDTH ? room - t.name_width : SOURCE_WIDTH;
        t.name_width =
                room > t.source_width + strlen("NAME") ? room - t.source_width : strlen("NAME");
        return t;
}

/* @text, and blanks up to @width and the gap. */
static void say_cell(enum output_style style, const char *text, size_t width) {
        size_t its = layout_width(text);

        output_say(style, "%s", text);
        output_say(OUTPUT_PLAIN, "%*s", (int)((its < width ? width - its : 0) + GAP), "");
}

static void say_source(const char *source, size_t width) {
        _cleanup_(buf_clear) struct buf safe = BUF_INIT(OUTPUT_TEXT_MAX);
        size_t shown = 0, end = 0;

        if (layout_width(source) <= width) {
                say_cell(OUTPUT_PLAIN, source, width);
                return;
        }
        (void)output_safe(source, &safe);
        /* up to the character that would leave no room for the dots */
        for (; end < safe.len; end++)
                if (((unsigned char)safe.data[end] & 0xc0) != 0x80 && ++shown > width - 3)
                        break;
        output_say(OUTPUT_PLAIN, "%.*s...%*s", (int)end, buf_text(&safe), GAP, "");
}

static void say_heading(const struct table *t) {
        output_say(OUTPUT_FAINT, "%-*s%-*s%-*s%-*s%-*s%s\n", (int)(t->name_width + GAP), "NAME",
                   KIND_WIDTH + GAP, "KIND", (int)(t->source_width + GAP), "SOURCE",
                   STATE_WIDTH + GAP, "STATE", t->has_path ? LEFT_WIDTH + GAP : 0, "LEFT",
                   t->has_path ? "PATH" : "");
}

/* Is the path more than "/profile/" and the name? */
static bool is_spelled_otherwise(const char *path, const char *name) {
        size_t prefix = strlen("/profile/");

        return *path &&
               (strncmp(path, "/profile/", prefix) != 0 || strcmp(path + prefix, name) != 0);
}

static void say_notes(const json_t *profile, const struct table *t) {
        const char *notice = call_text(profile, "notice");
        const char *path = text_of(profile, "path", "");

        if (!t->has_path && is_spelled_otherwise(path, text_of(profile, "name", "")))
                output_say(OUTPUT_FAINT, "%*spath %s\n", NOTE_INDENT, "", path);
        if (notice) {
                output_say(OUTPUT_PLAIN, "%*s", NOTE_INDENT, "");
                (void)layout_paragraph(OUTPUT_WARN, t->columns, NOTE_INDENT, NOTE_INDENT, notice);
        }
        tell_failure(json_object_get(profile, "failure"), t->columns, NOTE_INDENT);
}

static void say_profile(const json_t *profile, const struct table *t) {
        const char *name = text_of(profile, "name", NONE), *state = text_of(profile, "state", NONE);
        int64_t left = call_number(profile, "seconds_left", 0);
        char words[DURATION_TEXT_MAX] = NONE;

        if (left > 0)
                duration_words(left, words);
        if (layout_width(name) > t->name_width)
                output_say(OUTPUT_STRONG, "%s\n%*s", name, (int)(t->name_width + GAP), "");
        else
                say_cell(OUTPUT_STRONG, name, t->name_width);
        say_cell(OUTPUT_PLAIN, text_of(profile, "kind", NONE), KIND_WIDTH);
        say_source(text_of(profile, "source", NONE), t->source_width);
        say_cell(tell_style(state), state, STATE_WIDTH);
        if (t->has_path)
                say_cell(OUTPUT_PLAIN, words, LEFT_WIDTH);
        output_say(OUTPUT_PLAIN, "%s\n", t->has_path ? text_of(profile, "path", NONE) : words);
        say_notes(profile, t);
}

static void say_foot(struct link *control, const struct table *t) {
        char error[LINK_ERROR_MAX];
        json_auto_t *status = NULL;

        /* the list was the answer; this is where its paths are */
        if (link_call(control, CONTROL("GetStatus"), NULL, CALL_SEC, error, &status) == 0)
                output_say(OUTPUT_FAINT, "\nserved at http://127.0.0.1:%" PRId64 "%s\n",
                           call_number(status, "http_port", 0),
                           t->has_path ? " and its path" : "/profile/NAME");
}

static enum exit_code say_table(struct link *control, const json_t *profiles) {
        struct table t = lay_out(profiles);

        if (json_array_size(profiles) == 0) {
                output_say(OUTPUT_PLAIN, "No profile and no key; run: mfactl init\n");
                return EXIT_CODE_OK;
        }
        say_heading(&t);
        for (size_t i = 0; i < json_array_size(profiles); i++)
                say_profile(json_array_get(profiles, i), &t);
        if (output_is_terminal())
                say_foot(control, &t);
        return EXIT_CODE_OK;
}

/* For completions: as they are, whatever the locale, but for what a terminal would obey. */
static enum exit_code print_names(const json_t *profiles) {
        _cleanup_(buf_clear) struct buf names = BUF_INIT(NAMES_MAX);
        int r = 0;

        for (size_t i = 0; i < json_array_size(profiles) && r >= 0; i++) {
                const char *name = text_of(json_array_get(profiles, i), "name", "");

                if (*name && text_is_printable(name, PROFILE_NAME_MAX))
                        r = buf_printf(&names, "%s\n", name);
        }
        if (r >= 0)
                r = output_raw(buf_text(&names), names.len);
        if (r < 0 && r != -EPIPE)
                output_error("cannot write: %s", strerror(-r));
        return r < 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

enum exit_code cmd_profiles(const struct args *args) {
        _cleanup_(link_freep) struct link *control = NULL;
        json_auto_t *profiles = NULL, *answer = NULL;
        enum exit_code code;

        code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = profile_list(control, &profiles);
        if (code != EXIT_CODE_OK)
                return code;
        if (args->is_set[ARGS_NAMES])
                return print_names(profiles);
        if (args->is_set[ARGS_JSON]) {
                answer = json_pack("{sO}", "profiles", profiles);
                return call_print_json(answer, false);
        }
        code = say_table(control, profiles);
        if (aws_files_warn())
                output_hint("to have mfad read them, run: mfactl init");
        return code;
}
