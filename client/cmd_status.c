#include "client/call.h"
#include "client/commands.h"
#include "client/duration.h"
#include "client/output.h"
#include "common/clock.h"
#include "common/encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OFFSET_SEC_WORTH_SAYING 30

static bool is_state(const char *state, const char *name) {
        return state && strcmp(state, name) == 0;
}

static bool serves(const char *state) {
        return is_state(state, "unlocked") || is_state(state, "expiring");
}

static enum exit_code code_of(const json_t *status) {
        return serves(call_text(status, "state")) ? EXIT_CODE_OK : EXIT_CODE_LOCKED;
}

static enum output_style style_of(const char *state) {
        return is_state(state, "unlocked")   ? OUTPUT_GOOD
               : is_state(state, "expiring") ? OUTPUT_WARN
                                             : OUTPUT_STRONG;
}

static void say_failure(const json_t *failure) {
        const char *message = call_text(failure, "message"), *at = call_text(failure, "at");
        char clock[DURATION_TEXT_MAX] = "";
        int64_t sec;

        if (!message)
                return;
        if (at && decode_time_iso(at, &sec) == 0)
                duration_clock(sec, clock_wall_sec(), clock);
        output_say(OUTPUT_PLAIN, "           last try%s%s: ", *clock ? " " : "", clock);
        output_say(OUTPUT_BAD, "%s\n", message);
}

static void say_session(const json_t *session) {
        const char *key = call_text(session, "key"), *id = call_text(session, "access_key_id");
        const char *state = call_text(session, "state");
        int64_t left = call_number(session, "seconds_left", -1), now = clock_wall_sec();

        output_say(style_of(state), "%-10s", state ? state : "");
        output_say(OUTPUT_PLAIN, " key \"%s\"", key ? key : "");
        if (left >= 0) {
                char clock[DURATION_TEXT_MAX], words[DURATION_TEXT_MAX];

                duration_clock(now + left, now, clock);
                duration_words(left, words);
                output_say(OUTPUT_PLAIN, " until %s (%s left)", clock, words);
        }
        if (id)
                output_say(OUTPUT_FAINT, "  ...%s", id);
        output_say(OUTPUT_PLAIN, "\n");
        say_failure(json_object_get(session, "failure"));
}

/* What to do when nothing is unlocked, and no session has said it. */
static const char *next_of(const char *vault) {
        return is_state(vault, "none") ? "there is no vault yet; run: mfactl init"
               : is_state(vault, "unreachable")
                       ? "mfad-signer does not answer; run: " MFAD_LIBEXECDIR "/mfad-signer &"
                       : "run: mfactl unlock";
}

static void say_notes(const json_t *status) {
        int64_t offset = call_number(status, "clock_offset_seconds", 0);
        const char *memory = call_text(status, "memory");

        if (offset >= OFFSET_SEC_WORTH_SAYING || offset <= -OFFSET_SEC_WORTH_SAYING)
                output_say(OUTPUT_WARN, "clock      %" PRId64 " s %s AWS's; mfad allows for it\n",
                           offset > 0 ? offset : -offset, offset > 0 ? "behind" : "ahead of");
        if (is_state(memory, "plain"))
                output_say(OUTPUT_WARN, "memory     not locked (RLIMIT_MEMLOCK): secrets may reach "
                                        "the swap\n");
}

static void say_status(const json_t *status) {
        const char *state = call_text(status, "state"), *vault = call_text(status, "vault");
        const char *default_key = call_text(status, "default_key");
        const json_t *sessions = json_object_get(status, "sessions");

        for (size_t i = 0; i < json_array_size(sessions); i++)
                say_session(json_array_get(sessions, i));
        if (json_array_size(sessions) == 0 || is_state(state, "sealed")) {
                output_say(style_of(state), "%-10s", state ? state : "");
                output_say(OUTPUT_PLAIN, " %s\n", next_of(vault));
        }
        output_say(OUTPUT_FAINT, "vault      %s\nserving    http://127.0.0.1:%" PRId64 "/",
                   vault ? vault : "", call_number(status, "http_port", 0));
        if (default_key)
                output_say(OUTPUT_FAINT, " as \"%s\"", default_key);
        output_say(OUTPUT_PLAIN, "\n");
        say_notes(status);
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

static enum exit_code watch(struct link *control, const struct args *args) {
        json_auto_t *status = NULL;
        char error[LINK_ERROR_MAX];
        bool continues = false;
        int r;

        r = link_call_more(control, CONTROL("GetStatus"), NULL, error, &status, &continues);
        for (;;) {
                enum exit_code code;

                if (r < 0)
                        return errors_link("control", r);
                if (r > 0)
                        return errors_service(error, status);
                code = print(status, args);
                if (code != EXIT_CODE_OK || !continues)
                        return code;
                json_decref(status);
                status = NULL;
                r = link_next(control, error, &status, &continues);
        }
}

enum exit_code cmd_status(const struct args *args) {
        _cleanup_(link_freep) struct link *control = NULL;
        json_auto_t *status = NULL;
        enum exit_code code;

        code = call_open("control", &control);
        if (code != EXIT_CODE_OK)
                return code;
        if (args->is_set[ARGS_WATCH])
                return watch(control, args);
        code = call_run(control, CONTROL("GetStatus"), NULL, CALL_SEC, &status);
        if (code == EXIT_CODE_OK)
                code = print(status, args);
        return code == EXIT_CODE_OK ? code_of(status) : code;
}
