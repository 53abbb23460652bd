#include "client/call.h"
#include "client/commands.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/unseal.h"
#include "common/secret.h"

#include <string.h>

#define OLD_QUESTION "Old passphrase of the vault: "

enum exit_code cmd_vault_status(const struct args *args) {
        _cleanup_(link_freep) struct link *vault = NULL;
        json_auto_t *status = NULL;
        enum exit_code code;
        const char *state, *path, *memory;

        code = call_open("vault", &vault);
        if (code == EXIT_CODE_OK)
                code = call_run(vault, VAULT("GetStatus"), NULL, CALL_SEC, &status);
        if (code != EXIT_CODE_OK)
                return code;
        if (args->is_set[ARGS_JSON])
                return call_print_json(status, false);

        state = call_text(status, "state");
        path = call_text(status, "path");
        memory = call_text(status, "memory");
        output_say(OUTPUT_STRONG, "%-7s", state ? state : "");
        output_say(OUTPUT_PLAIN, " %s\n", path ? path : "");
        if (state && strcmp(state, "none") == 0) {
                output_say(OUTPUT_PLAIN, "        there is no vault yet; run: mfactl init\n");
                return EXIT_CODE_OK;
        }
        output_say(OUTPUT_PLAIN, "        scrypt N=2^%lld, memory %s\n",
                   (long long)call_number(status, "kdf_log2n", 0), memory ? memory : "?");
        if (state && strcmp(state, "open") == 0)
                output_say(OUTPUT_PLAIN,
                           "        %zu keys (see mfactl key list), written %lld times\n",
                           json_array_size(json_object_get(status, "keys")),
                           (long long)call_number(status, "generation", 0));
        return EXIT_CODE_OK;
}

/* @ret_is_wrong: the old one does not open the vault, which has been said. */
static enum exit_code change(struct link *vault, const struct secret *old, const struct secret *new,
                             bool *ret_is_wrong) {
        json_auto_t *parameters = unseal_json("old_passphrase", old), *answer = NULL;
        json_auto_t *second = parameters ? unseal_json("new_passphrase", new) : NULL;
        char error[LINK_ERROR_MAX];
        enum exit_code code;

        if (!second || json_object_update(parameters, second) < 0)
                return EXIT_CODE_VAULT;
        output_progress("writing the vault ...");
        code = call_try(vault, VAULT("ChangePassphrase"), json_incref(parameters), CALL_SEC, error,
                        &answer);
        output_progress_end();
        *ret_is_wrong = strcmp(error, VAULT("CannotOpen")) == 0;
        return error[0] ? errors_service(error, answer) : code;
}

/* What the command in mfad.conf gave is an old one of its own: then the user knows better. */
static enum exit_code change_again(struct link *vault, const struct secret *new) {
        _cleanup_(secret_freep) struct secret *old = NULL;
        bool is_command = false, is_wrong;
        enum exit_code code;

        unseal_command_is_stale();
        code = unseal_passphrase(-1, OLD_QUESTION, &is_command, &old);
        return code == EXIT_CODE_OK ? change(vault, old, new, &is_wrong) : code;
}

enum exit_code cmd_vault_passwd(const struct args *args) {
        _cleanup_(secret_freep) struct secret *old = NULL, *new = NULL;
        _cleanup_(link_freep) struct link *vault = NULL;
        bool is_command = true, is_wrong = false;
        enum exit_code code;

        if (args->passphrase_fd < 0 && !prompt_is_possible())
                return unseal_no_terminal("the passphrases", "--passphrase-fd N");
        code = call_open("vault", &vault);
        if (code == EXIT_CODE_OK)
                code = unseal_passphrase(args->passphrase_fd, OLD_QUESTION, &is_command, &old);
        if (code == EXIT_CODE_OK)
                code = unseal_new_passphrase(args->new_passphrase_fd, &new);
        if (code == EXIT_CODE_OK)
                code = change(vault, old, new, &is_wrong);
        if (is_wrong && is_command)
                code = change_again(vault, new);
        if (code == EXIT_CODE_OK)
                output_say(OUTPUT_PLAIN, "The passphrase is changed. Older copies of the vault "
                                         "still open with the old one.\n");
        return code;
}
