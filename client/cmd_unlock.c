#include "client/call.h"
#include "client/commands.h"
#include "client/duration.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/unseal.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/secret.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CODE_TRIES 3

struct code {
        char text[7]; /* six digits */
};

static void code_wipe(struct code *c) {
        explicit_bzero(c, sizeof(*c));
}

/* "123456", also as "123 456": the form in which most applications show it. */
static bool take_code(const char *text, struct code *ret) {
        _cleanup_(code_wipe) struct code code = {0};
        size_t n = strlen(text);

        if (n == 6)
                memcpy(code.text, text, 6);
        else if (n == 7 && text[3] == ' ') {
                memcpy(code.text, text, 3);
                memcpy(code.text + 3, text + 4, 3);
        }
        if (!text_is_mfa_code(code.text))
                return false;
        *ret = code;
        return true;
}

/* Other users can read /proc/PID/cmdline: what was given there goes at once. The word "123 456" may have
 * come as two. Returns whether a code was given. */
static bool take_words(const struct args *args, char given[16]) {
        size_t n = 0;

        for (int w = 0; w < args->n_words; w++) {
                size_t len = strlen(args->words[w]);

                if (w > 0 && n < 15)
                        given[n++] = ' ';
                for (size_t c = 0; c < len && n < 15; c++)
                        given[n++] = args->words[w][c];
                memset(args->words[w], 'X', len);
        }
        given[n] = '\0';
        return args->n_words > 0;
}

static enum exit_code bad_code(void) {
        output_error("a code has six digits; nothing was sent");
        return EXIT_CODE_USAGE;
}

static enum exit_code read_code(struct code *ret) {
        _cleanup_(secret_freep) struct secret *line = NULL;
        int r = prompt_read_fd(STDIN_FILENO, &line);

        if (r < 0) {
                output_error("cannot read a code from standard input: %s",
                             r == -ENODATA ? "it is empty" : strerror(-r));
                return EXIT_CODE_USAGE;
        }
        return take_code(secret_reveal(line), ret) ? EXIT_CODE_OK : bad_code();
}

static enum exit_code ask_code(struct code *ret) {
        for (unsigned tries = 0; tries < CODE_TRIES; tries++) {
                _cleanup_(secret_freep) struct secret *line = NULL;
                int r = prompt_secret("MFA code: ", &line);

                if (r == -ENXIO)
                        return unseal_no_terminal("the code", "--code-stdin, or as an argument");
                if (r == -ENODATA) {
                        output_error("no code was given, and nothing was sent");
                        return EXIT_CODE_USAGE;
                }
                if (r < 0 && r != -E2BIG) {
                        output_error("cannot read from the terminal: %s", strerror(-r));
                        return EXIT_CODE_FAILURE;
                }
                if (r >= 0 && take_code(secret_reveal(line), ret))
                        return EXIT_CODE_OK;
                (void)bad_code(); /* said; asked again below */
        }
        return EXIT_CODE_USAGE;
}

static enum exit_code open_vault(const struct args *args, json_t **ret_status,
                                 bool *ret_was_sealed) {
        _cleanup_(link_freep) struct link *vault = NULL;
        json_auto_t *before = NULL;
        enum exit_code code = call_open("vault", &vault);
        const char *state;

        if (code == EXIT_CODE_OK)
                code = call_run(vault, VAULT("GetStatus"), NULL, CALL_SEC, &before);
        if (code != EXIT_CODE_OK)
                return code;
        state = call_text(before, "state");
        *ret_was_sealed = state && strcmp(state, "sealed") == 0;
        return unseal(vault, args->passphrase_fd, false, ret_status);
}

/* mfad's status as soon as it has heard of the opened vault, and has put back what it kept over a restart. */
static json_t *settled_status(struct link *control) {
        struct timespec moment = {.tv_nsec = 25 * 1000000L};

        for (unsigned tries = 0; tries < 40; tries++) { /* a second */
                char error[LINK_ERROR_MAX];
                json_t *status = NULL;
                const char *vault;

                if (tries > 0)
                        (void)nanosleep(&moment, NULL);
                if (link_call(control, CONTROL("GetStatus"), NULL, CALL_SEC, error, &status) != 0)
                        return NULL;
                vault = call_text(status, "vault");
                if (vault && strcmp(vault, "open") == 0 &&
                    !json_is_true(json_object_get(status, "restoring")))
                        return status;
                json_decref(status);
        }
        return NULL;
}

/* The passphrase alone may do: the session of before is still good. Then says so. */
static bool needs_no_code(struct link *control, const char *key) {
        json_auto_t *status = settled_status(control);
        const char *wanted = key ? key : call_text(status, "default_key");
        const json_t *sessions = json_object_get(status, "sessions"), *session;
        size_t i;

        json_array_foreach(sessions, i, session) {
                const char *name = call_text(session, "key"), *state = call_text(session, "state");
                char clock[DURATION_TEXT_MAX], words[DURATION_TEXT_MAX];
                int64_t left = call_number(session, "seconds_left", 0), now = clock_wall_sec();

                if (!wanted || !name || strcmp(name, wanted) != 0 || !state ||
                    strcmp(state, "unlocked") != 0)
                        continue;
                duration_clock(now + left, now, clock);
                duration_words(left, words);
                output_say(OUTPUT_GOOD, "unlocked");
                output_say(OUTPUT_PLAIN, " until %s (%s), key \"%s\"; no code needed\n", clock,
                           words, name);
                return true;
        }
        return false;
}

/* Without a terminal nobody can be asked, and a code that names no key is of no use. */
static enum exit_code no_default(const json_t *keys) {
        char names[512] = "";

        for (size_t k = 0; k < json_array_size(keys); k++) {
                const char *name = call_text(json_array_get(keys, k), "name");
                size_t len = strlen(names);

                (void)snprintf(names + len, sizeof(names) - len, "%s%s", len > 0 ? ", " : "",
                               name ? name : ""); /* as many as fit */
        }
        output_error("there is no default profile, so it is not clear which key is meant");
        output_hint("run: mfactl unlock --key NAME   (one of: %s)", names);
        return EXIT_CODE_USAGE;
}

/* Which key, when several could be meant: before the code, as each key has its own device. @ret is lent from
 * @vault; NULL leaves it to mfad. */
static enum exit_code choose_key(struct link *control, const json_t *vault, const char **ret) {
        const json_t *keys = json_object_get(vault, "keys");
        json_auto_t *status = settled_status(control);
        size_t n = json_array_size(keys);
        char answer[16], question[64];

        *ret = NULL;
        if (!status || n == 0 || call_text(status, "default_key"))
                return EXIT_CODE_OK; /* what is wrong otherwise mfad says with the next call */
        if (call_text(status, "default_profile")) {
                output_error("the default profile \"%s\" cannot be used as it stands",
                             call_text(status, "default_profile"));
                output_hint("run: mfactl profiles, or name a key: mfactl unlock --key NAME");
                return EXIT_CODE_FAILURE;
        }
        if (n < 2 || !prompt_is_possible())
                return no_default(keys);
        output_say(OUTPUT_PLAIN, "There is no default profile. Unlock which key?\n");
        for (size_t k = 0; k < n; k++) {
                const char *name = call_text(json_array_get(keys, k), "name");

                output_say(OUTPUT_PLAIN, "  %2zu  %s\n", k + 1, name ? name : "");
        }
        if (output_close() < 0)
                return EXIT_CODE_FAILURE;
        (void)snprintf(question, sizeof(question), "Number, 1 to %zu: ", n);
        for (unsigned tries = 0; tries < CODE_TRIES; tries++) {
                unsigned long number;
                int r = prompt_line(question, answer, sizeof(answer));

                if (r < 0 && r != -E2BIG)
                        break;
                number = r == 0 && answer[strspn(answer, "0123456789")] == '\0'
                                 ? strtoul(answer, NULL, 10)
                                 : 0;
                if (number < 1 || number > n)
                        continue;
                *ret = call_text(json_array_get(keys, number - 1), "name");
                return EXIT_CODE_OK;
        }
        output_error("no key was chosen");
        output_hint("to choose one without a question, give --key NAME");
        return EXIT_CODE_USAGE;
}

static enum exit_code report(const json_t *answer) {
        char clock[DURATION_TEXT_MAX], words[DURATION_TEXT_MAX];
        const char *key = call_text(answer, "key");
        int64_t left = call_number(answer, "seconds_left", 0), now = clock_wall_sec();
        bool is_old = json_is_true(json_object_get(answer, "already"));

        duration_clock(now + left, now, clock);
        duration_words(left, words);
        output_say(OUTPUT_GOOD, is_old ? "already unlocked" : "unlocked");
        output_say(OUTPUT_PLAIN, " until %s (%s), key \"%s\"\n", clock, words, key ? key : "");
        return EXIT_CODE_OK;
}

static enum exit_code send_code(struct link *control, const char *key, uint32_t duration_sec,
                                const struct code *c) {
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{ss}", "code", c->text);
        char error[LINK_ERROR_MAX];
        enum exit_code code;
        bool is_lost; /* what the code has bought */

        if (!parameters || (key && json_object_set_new(parameters, "key", json_string(key)) < 0) ||
            (duration_sec > 0 &&
             json_object_set_new(parameters, "duration_seconds", json_integer(duration_sec)) < 0)) {
                json_decref(parameters);
                output_error("the name of a key must be text in UTF-8");
                return EXIT_CODE_USAGE;
        }
        output_progress("asking AWS ...");
        code = call_try(control, CONTROL("Unlock"), parameters, CALL_AWS_SEC, error, &answer);
        output_progress_end();
        if (code == EXIT_CODE_OK)
                return report(answer);
        is_lost = error[0] ? strcmp(error, CONTROL("Locked")) == 0 : code == EXIT_CODE_NOT_RUNNING;
        if (error[0])
                code = errors_service(error, answer);
        if (is_lost)
                output_hint("the code may be used up: wait for the next one");
        if (!key && strcmp(error, CONTROL("UnknownProfile")) == 0)
                output_hint("the code was not used; to say which key is meant, give --key NAME");
        return code;
}

static enum exit_code take_duration(const struct args *args, uint32_t *ret_sec) {
        const char *text = args->text[ARGS_DURATION];
        int r;

        *ret_sec = 0; /* mfad's own default */
        if (!text)
                return EXIT_CODE_OK;
        r = duration_parse(text, ret_sec);
        if (r == 0)
                return EXIT_CODE_OK;
        output_error(r == -ERANGE ? "AWS gives sessions of 15m to 36h, not \"%s\""
                                  : "\"%s\" is not a time such as 30m, 12h or 3600",
                     text);
        return EXIT_CODE_USAGE;
}

enum exit_code cmd_unlock(const struct args *args) {
        _cleanup_(link_freep) struct link *control = NULL;
        _cleanup_(code_wipe) struct code c = {0};
        const char *key = args->text[ARGS_KEY];
        json_auto_t *vault = NULL;
        char given[16] = "";
        bool is_given = take_words(args, given), is_taken = is_given && take_code(given, &c);
        bool was_sealed = false, may_ask = !is_given && !args->is_set[ARGS_CODE_STDIN];
        enum exit_code code;
        uint32_t duration_sec;

        explicit_bzero(given, sizeof(given));
        if (is_given && output_error_is_terminal())
                output_hint("a code given as an argument stays in the shell's history; without "
                            "it you are asked");
        if (is_given && !is_taken)
                return bad_code();
        code = take_duration(args, &duration_sec);
        if (code == EXIT_CODE_OK)
                code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = open_vault(args, &vault, &was_sealed);
        if (code == EXIT_CODE_OK && was_sealed && may_ask && duration_sec == 0 &&
            needs_no_code(control, key))
                return EXIT_CODE_OK;
        if (code == EXIT_CODE_OK && !key)
                code = choose_key(control, vault, &key);
        /* last, as a code lives for half a minute */
        if (code == EXIT_CODE_OK && !is_given)
                code = may_ask ? ask_code(&c) : read_code(&c);
        return code == EXIT_CODE_OK ? send_code(control, key, duration_sec, &c) : code;
}
