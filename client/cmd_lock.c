#include "client/call.h"
#include "client/commands.h"
#include "client/output.h"

#include <string.h>

static enum exit_code lock(void) {
        _cleanup_(link_freep) struct link *control = NULL;
        enum exit_code code = call_open("control", &control);

        return code != EXIT_CODE_OK ? code
                                    : call_run(control, CONTROL("Lock"), NULL, CALL_SEC, NULL);
}

static enum exit_code seal(void) {
        _cleanup_(link_freep) struct link *vault = NULL;
        char error[LINK_ERROR_MAX];
        json_auto_t *answer = NULL;
        enum exit_code code;

        code = call_open("vault", &vault);
        if (code != EXIT_CODE_OK)
                return code;
        code = call_try(vault, VAULT("Seal"), NULL, CALL_SEC, error, &answer);
        if (strcmp(error, VAULT("Sealed")) == 0 || strcmp(error, VAULT("NoVault")) == 0)
                return EXIT_CODE_OK; /* nothing is open, which is what was asked for */
        return error[0] ? errors_service(error, answer) : code;
}

enum exit_code cmd_vault_seal(const struct args *args) {
        enum exit_code code = seal();

        (void)args; /* it takes none */
        if (code == EXIT_CODE_OK)
                output_say(OUTPUT_PLAIN, "sealed\n");
        return code;
}

enum exit_code cmd_lock(const struct args *args) {
        bool is_sealing = args->is_set[ARGS_SEAL];
        /* both are tried, whatever the first one says: locking must not stop half-way */
        enum exit_code locked = lock(), sealed = is_sealing ? seal() : EXIT_CODE_OK;

        if (locked == EXIT_CODE_OK)
                output_say(OUTPUT_PLAIN, is_sealing && sealed == EXIT_CODE_OK
                                                 ? "locked and sealed\n"
                                                 : "locked\n");
        else if (is_sealing && sealed == EXIT_CODE_OK)
                output_say(OUTPUT_PLAIN, "sealed\n");
        return locked != EXIT_CODE_OK ? locked : sealed;
}
