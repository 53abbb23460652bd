#include "client/call.h"
#include "client/commands.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/unseal.h"
#include "common/secret.h"

#include <string.h>

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

static enum exit_code change(struct link *vault, const struct secret *old,
                             const struct secret *new) {
        json_auto_t *parameters = unseal_json("old_passphrase", old);
        json_auto_t *second = parameters ? unseal_json("new_passphrase", new) : NULL;
        enum exit_code code;

        if (!second || json_object_update(parameters, second) < 0)
                return EXIT_CODE_VAULT;
        output_progress("writing the vault ...");
        code = call_run(vault, VAULT("ChangePassphrase"), json_incref(parameters), CALL_SEC, NULL);
        output_progress_end();
        return code;
}

enum exit_code cmd_vault_passwd(const struct args *args) {
        _cleanup_(secret_freep) struct secret *old = NULL, *new = NULL;
        _cleanup_(link_freep) struct link *vault = NULL;
        enum exit_code code;

        if (args->passphrase_fd < 0 && !prompt_is_possible())
                return unseal_no_terminal("the passphrases", "--passphrase-fd N");
        code = call_open("vault", &vault);
        if (code == EXIT_CODE_OK)
                code = unseal_passphrase(args->passphrase_fd,
                                         "Old passphrase of the vault: ", &old);
        if (code == EXIT_CODE_OK)
                code = unseal_new_passphrase(args->new_passphrase_fd, &new);
        if (code == EXIT_CODE_OK)
                code = change(vault, old, new);
        if (code == EXIT_CODE_OK)
                output_say(OUTPUT_PLAIN, "The passphrase is changed. Older copies of the vault "
                                         "still open with the old one.\n");
        return code;
}
