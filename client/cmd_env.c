#include "client/commands.h"
#include "client/endpoint_check.h"
#include "client/lend.h"
#include "client/output.h"
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

static bool is_vault_open(struct link *control) {
        char error[LINK_ERROR_MAX];
        json_auto_t *status = NULL;
        const char *vault;

        if (link_call(control, CONTROL("GetStatus"), NULL, CALL_SEC, error, &status) != 0)
                return false;
        vault = call_text(status, "vault");
        return vault && strcmp(vault, "open") == 0;
}

/* A locked session is no obstacle: the variables hold for when it is unlocked, and this may run in a
 * shell's start-up file. A profile that can never answer is one; while the vault is sealed nobody
 * knows that of a name. */
static enum exit_code check_profile(struct link *control, const char *profile) {
        char error[LINK_ERROR_MAX];
        json_auto_t *answer = NULL;
        enum exit_code code;

        code = call_try(control, CONTROL("GetCredentials"), lend_parameters(profile), CALL_AWS_SEC,
                        error, &answer);
        if (code == EXIT_CODE_OK || !error[0])
                return code;
        if (strcmp(error, CONTROL("RoleProfile")) == 0 ||
            (strcmp(error, CONTROL("UnknownProfile")) == 0 && is_vault_open(control)))
                return errors_service(error, answer);
        if (output_error_is_terminal())
                (void)errors_service(error, answer); /* a word, no failure */
        return EXIT_CODE_OK;
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
        _cleanup_(buf_clear) struct buf text = BUF_INIT(ENV_TEXT_MAX);
        _cleanup_(link_freep) struct link *control = NULL;
        const char *profile = args->text[ARGS_PROFILE];
        enum environment_shell shell;
        enum exit_code code;
        int r;

        code = choose_shell(args, &shell);
        if (code == EXIT_CODE_OK)
                code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = endpoint_check(control, profile, !args->is_set[ARGS_TOKEN_FILE_ONLY], NULL,
                                      &environment);
        if (code == EXIT_CODE_OK)
                code = check_profile(control, profile);
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
