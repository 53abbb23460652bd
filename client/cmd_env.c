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

static const char *how_to_use(enum environment_shell shell) {
        switch (shell) {
        case ENVIRONMENT_SH: return "eval \"$(mfactl env)\"";
        case ENVIRONMENT_FISH: return "mfactl env --shell fish | source";
        case ENVIRONMENT_CSH: return "eval \"`mfactl env --shell csh`\"";
        case ENVIRONMENT_POWERSHELL: return "mfactl env --shell powershell | Out-String | iex";
        }
        abort();
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
                output_hint("to use it, run: %s", how_to_use(shell));
        return EXIT_CODE_OK;
}
