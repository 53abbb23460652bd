#include "client/aws_files.h"
#include "client/call.h"
#include "client/commands.h"
#include "client/duration.h"
#include "client/layout.h"
#include "client/tell.h"
#include "client/units.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OFFSET_SEC_WORTH_SAYING 30
#define MUTE_MAX                20 /* connections in a row on which mfad says nothing */
#define INDENT                  11 /* where the second column begins */

static bool is_state(const char *state, const char *name) {
        return state && strcmp(state, name) == 0;
}

static bool serves(const char *state) {
        return is_state(state, "unlocked") || is_state(state, "expiring");
}

static enum exit_code code_of(const json_t *status) {
        return serves(call_text(status, "state")) ? EXIT_CODE_OK : EXIT_CODE_LOCKED;
}

/* "@label     @text", broken to the terminal's width. */
static void say_line(enum output_style style, const char *label, enum output_style text_style,
                     const char *text) {
        output_say(style, "%-*s", INDENT - 1, label);
        output_say(OUTPUT_PLAIN, " ");
        (void)layout_paragraph(text_style, layout_columns(), INDENT, INDENT, text);
}

static void say_session(const json_t *session) {
        const char *key = call_text(session, "key"), *id = call_text(session, "access_key_id");
        const char *state = call_text(session, "state");
        int64_t left = call_number(session, "seconds_left", -1);
        char until[TELL_UNTIL_MAX] = "", text[512];

        if (left >= 0)
                tell_until(left, until);
        (void)snprintf(text, sizeof(text), "key \"%.200s\"%s%s%s%.16s", key ? key : "",
                       *until ? " until " : "", until, id ? " ..." : "", id ? id : "");
        say_line(tell_style(state), state ? state : "", OUTPUT_PLAIN, text);
        tell_failure(json_object_get(session, "failure"), layout_columns(), INDENT);
}

static void say_roles(const json_t *status) {
        const json_t *failing = json_object_get(status, "roles_failing");
        int64_t n_held = call_number(status, "roles_held", 0);
        int64_t n_listed = (int64_t)json_array_size(failing);
        int64_t n_failing = call_number(status, "roles_failing_total", n_listed);
        char text[128];

        if (n_held <= 0 && n_failing <= 0)
                return;
        (void)snprintf(text, sizeof(text), "%" PRId64 " held", n_held);
        if (n_failing > 0)
                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                               ", %" PRId64 " failing", n_failing);
        say_line(OUTPUT_PLAIN, "roles", n_failing > 0 ? OUTPUT_WARN : OUTPUT_PLAIN, text);
        for (size_t i = 0; i < json_array_size(failing); i++) {
                const json_t *role = json_array_get(failing, i);
                const char *name = call_text(role, "name");

                say_line(OUTPUT_PLAIN, "", OUTPUT_STRONG, name ? name : "");
                tell_failure(json_object_get(role, "failure"), layout_columns(), INDENT + 2);
        }
        if (n_failing > n_listed) {
                (void)snprintf(text, sizeof(text), "and %" PRId64 " more: mfactl profiles",
                               n_failing - n_listed);
                say_line(OUTPUT_PLAIN, "", OUTPUT_STRONG, text);
        }
}

static void say_serving(const json_t *status) {
        const char *name = call_text(status, "default_profile");
        const char *vault = call_text(status, "vault");
        char text[512];

        say_line(OUTPUT_FAINT, "vault", OUTPUT_FAINT, vault ? vault : "");
        (void)snprintf(text, sizeof(text), "http://127.0.0.1:%" PRId64 "/%s%.200s%s",
                       call_number(status, "http_port", 0), name ? " as \"" : "", name ? name : "",
                       name ? "\"" : "");
        say_line(OUTPUT_FAINT, "serving", OUTPUT_FAINT, text);
}

/* @offset: AWS's clock minus ours. */
static void say_clock(int64_t offset) {
        int64_t off = offset > 0 ? offset : -offset;
        char text[128];

        (void)snprintf(text, sizeof(text), "%" PRId64 " s %s AWS's; %s", off,
                       offset > 0 ? "behind" : "ahead of",
                       off <= CALL_CLOCK_CORRECTED_SEC ? "mfad allows for it"
                                                       : "set it, that is too much to correct for");
        say_line(OUTPUT_PLAIN, "clock", OUTPUT_WARN, text);
}

static void say_notes(const json_t *status) {
        const json_t *notices = json_object_get(status, "notices");
        int64_t offset = call_number(status, "clock_offset_seconds", 0);
        const char *memory = call_text(status, "memory");

        for (size_t i = 0; i < json_array_size(notices); i++) {
                const char *notice = json_string_value(json_array_get(notices, i));

                if (notice)
                        say_line(OUTPUT_PLAIN, "config", OUTPUT_WARN, notice);
        }
        if (offset >= OFFSET_SEC_WORTH_SAYING || offset <= -OFFSET_SEC_WORTH_SAYING)
                say_clock(offset);
        if (is_state(memory, "plain"))
                say_line(OUTPUT_PLAIN, "memory", OUTPUT_WARN,
                         "not locked (RLIMIT_MEMLOCK): secrets may reach the swap");
}

/* Does this shell's environment lead to mfad already? */
static bool is_environment_ours(const json_t *status) {
        const char *address = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        char ours[64];

        (void)snprintf(ours, sizeof(ours), "http://127.0.0.1:%" PRId64 "/",
                       call_number(status, "http_port", 0));
        return address && strncmp(address, ours, strlen(ours)) == 0;
}

/* The time at which the last session ends, as @out; "" when none is unlocked. */
static void say_end(const json_t *status, char out[DURATION_TEXT_MAX]) {
        const json_t *sessions = json_object_get(status, "sessions");
        int64_t left = 0, now = clock_wall_sec();

        for (size_t i = 0; i < json_array_size(sessions); i++) {
                int64_t its = call_number(json_array_get(sessions, i), "seconds_left", 0);

                left = its > left ? its : left;
        }
        out[0] = '\0';
        if (left > 0)
                duration_clock(now + left, now, out);
}

static void say_next(const json_t *status) {
        const char *state = call_text(status, "state"), *vault = call_text(status, "vault");
        char text[512], clock[DURATION_TEXT_MAX];
        const char *next = "mfactl unlock";

        if (is_state(vault, "none")) {
                next = "mfactl init";
        } else if (is_state(vault, "unreachable") && !serves(state)) {
                (void)snprintf(text, sizeof(text), "%s   (mfad-signer does not answer)",
                               units_are_there() ? units_how_to_start()
                                                 : MFAD_LIBEXECDIR "/mfad-signer &");
                next = text;
        } else if (is_state(state, "unlocking")) {
                next = "mfactl status --watch";
        } else if (is_state(state, "expiring")) {
                next = "mfactl unlock, for the next session";
        } else if (is_state(state, "unlocked")) {
                say_end(status, clock);
                (void)snprintf(text, sizeof(text), "at %s: mfactl unlock", clock);
                next = !is_environment_ours(status) ? "eval \"$(mfactl env)\""
                       : json_array_size(json_object_get(status, "roles_failing")) > 0
                               ? "mfactl profiles"
                       : *clock ? text
                                : next;
        }
        say_line(OUTPUT_PLAIN, "next", OUTPUT_STRONG, next);
}

static void say_status(const json_t *status) {
        const json_t *sessions = json_object_get(status, "sessions");
        const char *state = call_text(status, "state");

        for (size_t i = 0; i < json_array_size(sessions); i++)
                say_session(json_array_get(sessions, i));
        if (json_array_size(sessions) == 0 || is_state(state, "sealed"))
                output_say(tell_style(state), "%s\n", state ? state : "");
        say_roles(status);
        say_serving(status);
        say_notes(status);
        say_next(status);
}

/* The signer's own view, or null: the front's part is the answer even without it. */
static void add_vault(json_t *status) {
        _cleanup_(link_freep) struct link *vault = NULL;
        char error[LINK_ERROR_MAX];
        json_auto_t *answer = NULL;
        bool is_there;

        is_there = link_open("vault", &vault) == 0 &&
                   link_call(vault, VAULT("GetStatus"), NULL, CALL_SEC, error, &answer) == 0;
        /* only memory could be short, and then JSON without it is still true */
        (void)json_object_set_new(status, "vault_status",
                                  is_there ? json_incref(answer) : json_null());
}

static enum exit_code print(json_t *status, const struct args *args) {
        bool is_watching = args->is_set[ARGS_WATCH];

        if (args->is_set[ARGS_JSON]) {
                enum exit_code code;

                add_vault(status);
                code = call_print_json(status, is_watching);
                if (code != EXIT_CODE_OK)
                        return code;
        } else {
                say_status(status);
                if (is_watching)
                        output_say(OUTPUT_PLAIN, "\n");
        }
        return output_close() < 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

/* Goes on until the connection ends. Returns a code, or -ECONNRESET when mfad has gone. */
static int follow(struct link *control, const struct args *args, bool *ret_has_answered) {
        bool continues = false;
        json_auto_t *status = NULL;
        char error[LINK_ERROR_MAX];
        int r;

        r = link_call_more(control, CONTROL("GetStatus"), NULL, error, &status, &continues);
        for (;;) {
                enum exit_code code;

                if (r == -ECONNRESET)
                        return r;
                if (r < 0)
                        return (int)errors_link("control", r);
                if (r > 0)
                        return (int)errors_service(error, status);
                *ret_has_answered = true;
                code = print(status, args);
                if (code != EXIT_CODE_OK || !continues)
                        return (int)code;
                json_decref(status);
                status = NULL;
                r = link_next(control, error, &status, &continues);
        }
}

/* Across a lock or a restart of mfad, too, but not for ever when it only hangs up. */
static enum exit_code watch(struct link **control, const struct args *args) {
        for (unsigned n_mute = 0;;) {
                bool has_answered = false;
                int r = follow(*control, args, &has_answered);

                if (r != -ECONNRESET)
                        return (enum exit_code)r;
                n_mute = has_answered ? 0 : n_mute + 1;
                if (n_mute == MUTE_MAX)
                        return errors_link("control", r);
                *control = link_free(*control);
                r = link_open_again("control", control);
                if (r < 0)
                        return errors_link("control", r);
        }
}

enum exit_code cmd_status(const struct args *args) {
        _cleanup_(link_freep) struct link *control = NULL;
        json_auto_t *status = NULL;
        enum exit_code code;

        if (args->is_set[ARGS_PROMPT])
                return cmd_status_prompt();
        code = call_open("control", &control);
        if (code != EXIT_CODE_OK)
                return code;
        if (args->is_set[ARGS_WATCH])
                return watch(&control, args);
        code = call_run(control, CONTROL("GetStatus"), NULL, CALL_SEC, &status);
        if (code == EXIT_CODE_OK)
                code = print(status, args);
        if (code != EXIT_CODE_OK)
                return code;
        if (aws_files_warn())
                output_hint("to have mfad read them, run: mfactl init");
        return code_of(status);
}
