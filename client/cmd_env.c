#include "client/commands.h"
#include "client/endpoint_check.h"
#include "client/output.h"
#include "client/profile_list.h"
#include "common/buf.h"

#include <string.h>

#define ENV_TEXT_MAX ((size_t)256 * 1024)

static enum exit_code choose_shell(const struct args *args, enum environment_shell *ret) {
        const char *named = args->text[ARGS_SHELL], *login = getenv("SHELL");

        if (named) {
                if (environment_shell(named, ret) == 0)
                        return EXIT_CODE_OK;
                output_error("unknown shell \"%s\": sh, fish, csh or powershell", named);
                return EXIT_CODE_USAGE;
        }
        if (!login || environment_shell(login, ret) < 0)
                *ret = ENVIRONMENT_SH;
        return EXIT_CODE_OK;
}

/* A profile that can never answer is an obstacle. A locked session is none: the variables hold for when it
 * is unlocked. Nor is a name that nobody knows while the vault is sealed: it may be a key's. */
static enum exit_code check_named(struct link *control, const char *profile, bool is_vault_open,
                                  json_t **ret) {
        enum exit_code code = profile_list_find(control, profile, ret);
        const char *kind, *notice;

        if (code != EXIT_CODE_OK)
                return code;
        if (!*ret) {
                if (!is_vault_open)
                        return EXIT_CODE_OK;
                output_error("there is no profile \"%s\"", profile);
                output_hint("run: mfactl profiles");
                return EXIT_CODE_FAILURE;
        }
        kind = call_text(*ret, "kind");
        if (!kind || strcmp(kind, "unusable") != 0)
                return EXIT_CODE_OK;
        notice = call_text(*ret, "notice");
        output_error("the profile \"%s\" cannot be used: %s", profile,
                     notice ? notice : "no reason is given");
        return EXIT_CODE_FAILURE;
}

/* This may run in a shell's start-up file, so it never waits for AWS: a role is looked up, not bought. */
static enum exit_code check_profile(struct link *control, const char *profile, json_t **ret) {
        json_auto_t *status = NULL;
        const char *vault, *state;
        enum exit_code code;

        code = call_run(control, CONTROL("GetStatus"), NULL, CALL_SEC, &status);
        if (code != EXIT_CODE_OK)
                return code;
        vault = call_text(status, "vault");
        if (profile)
                code = check_named(control, profile, vault && strcmp(vault, "open") == 0, ret);
        state = call_text(*ret ? *ret : status, "state");
        if (code == EXIT_CODE_OK && output_error_is_terminal() && state &&
            (strcmp(state, "locked") == 0 || strcmp(state, "sealed") == 0))
                output_hint("%s; run: mfactl unlock", state); /* a word, no failure */
        return code;
}

/* The options that were given, for the user to repeat. Returns false for a name that every shell would have to
 * be told otherwise. */
static bool list_options(const struct args *args, struct buf *ret) {
        static const char plain[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./+@:";
        const char *profile = args->text[ARGS_PROFILE], *quote = "";
        int r = 0;

        if (profile && strpbrk(profile, "'`$\"\\!"))
                return false;
        if (profile && strspn(profile, plain) != strlen(profile))
                quote = "'";
        if (profile)
                r = buf_printf(ret, " --profile %s%s%s", quote, profile, quote);
        if (r >= 0 && args->is_set[ARGS_TOKEN_FILE_ONLY])
                r = buf_puts(ret, " --token-file-only");
        return r >= 0;
}

static void say_how_to_use(const struct args *args, enum environment_shell shell) {
        static const char *const forms[][2] = {
                [ENVIRONMENT_SH] = {"eval \"$(mfactl env", ")\""},
                [ENVIRONMENT_FISH] = {"mfactl env --shell fish", " | source"},
                [ENVIRONMENT_CSH] = {"eval \"`mfactl env --shell csh", "`\""},
                [ENVIRONMENT_POWERSHELL] = {"mfactl env --shell powershell", " | Out-String | iex"},
        };
        _cleanup_(buf_clear) struct buf options = BUF_INIT(2 * ARGS_TEXT_MAX);

        if (list_options(args, &options))
                output_hint("to use it, run: %s%s%s", forms[shell][0], buf_text(&options),
                            forms[shell][1]);
}

enum exit_code cmd_env(const struct args *args) {
        _cleanup_(environment_freep) struct environment *environment = NULL;
        struct endpoint_wish wish = {.profile = args->text[ARGS_PROFILE],
                                     .with_token = !args->is_set[ARGS_TOKEN_FILE_ONLY]};
        _cleanup_(buf_clear) struct buf text = BUF_INIT(ENV_TEXT_MAX);
        _cleanup_(link_freep) struct link *control = NULL;
        json_auto_t *profile = NULL;
        enum environment_shell shell;
        enum exit_code code;
        int r;

        code = choose_shell(args, &shell);
        if (code == EXIT_CODE_OK)
                code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = check_profile(control, wish.profile, &profile);
        wish.region = call_text(profile, "region");
        if (code == EXIT_CODE_OK)
                code = endpoint_check(control, &wish, &environment);
        if (code != EXIT_CODE_OK)
                return code;
        r = environment_print(environment, shell, &text);
        if (r >= 0)
                r = output_raw(text.data, text.len);
        if (r < 0) {
                output_error("cannot print this environment: %s",
                             r == -EINVAL ? "a value has a newline, which csh cannot take"
                                          : strerror(-r));
                return EXIT_CODE_FAILURE;
        }
        if (output_is_terminal())
                say_how_to_use(args, shell);
        return EXIT_CODE_OK;
}
