#include "client/call.h"
#include "client/commands.h"
#include "client/duration.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/unseal.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/secret.h"

#include <string.h>
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
                        return unseal_no_terminal("the code", "--code-stdin");
                if (r < 0)
                        return EXIT_CODE_USAGE; /* the user went away */
                if (take_code(secret_reveal(line), ret))
                        return EXIT_CODE_OK;
                (void)bad_code(); /* said; asked again below */
        }
        return EXIT_CODE_USAGE;
}

static enum exit_code open_vault(const struct args *args) {
        _cleanup_(link_freep) struct link *vault = NULL;
        enum exit_code code = call_open("vault", &vault);

        return code != EXIT_CODE_OK ? code : unseal(vault, args->passphrase_fd, false, NULL);
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

static enum exit_code send_code(struct link *control, const struct args *args,
                                uint32_t duration_sec, const struct code *c) {
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{ss}", "code", c->text);
        enum exit_code code;

        if (!parameters ||
            (args->text[ARGS_KEY] &&
             json_object_set_new(parameters, "key", json_string(args->text[ARGS_KEY])) < 0) ||
            (duration_sec > 0 &&
             json_object_set_new(parameters, "duration_seconds", json_integer(duration_sec)) < 0)) {
                json_decref(parameters);
                output_error("the name of a key must be text in UTF-8");
                return EXIT_CODE_USAGE;
        }
        output_progress("asking AWS ...");
        code = call_run(control, CONTROL("Unlock"), parameters, CALL_AWS_SEC, &answer);
        output_progress_end();
        return code == EXIT_CODE_OK ? report(answer) : code;
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
        char given[16] = "";
        bool is_given = take_words(args, given), is_taken = is_given && take_code(given, &c);
        enum exit_code code;
        uint32_t duration_sec;

        explicit_bzero(given, sizeof(given));
        if (is_given && output_error_is_terminal())
                output_hint("a code given as an argument stays in the shell's history; without "
                            "it you are asked");
        if (is_given && !is_taken)
                return bad_code();
        if (!is_given && !args->is_set[ARGS_CODE_STDIN] && !prompt_is_possible())
                return unseal_no_terminal("the code", "--code-stdin, or as an argument");
        code = take_duration(args, &duration_sec);
        if (code == EXIT_CODE_OK)
                code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = open_vault(args);
        /* last, as a code lives for half a minute */
        if (code == EXIT_CODE_OK && !is_given)
                code = args->is_set[ARGS_CODE_STDIN] ? read_code(&c) : ask_code(&c);
        return code == EXIT_CODE_OK ? send_code(control, args, duration_sec, &c) : code;
}
