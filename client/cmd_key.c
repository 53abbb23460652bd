#include "client/call.h"
#include "client/commands.h"
#include "client/import.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/unseal.h"
#include "common/secret.h"

#include <stdio.h>

enum exit_code cmd_key_import(const struct args *args) {
        _cleanup_(import_clear) struct import i = {.is_unattended = args->is_set[ARGS_YES]};
        json_auto_t *status = NULL;
        enum exit_code code;

        code = aws_files_find(args->text[ARGS_FROM], &i.files);
        if (code == EXIT_CODE_OK)
                code = aws_files_load(&i.files, true, &i.config);
        if (code == EXIT_CODE_OK)
                code = call_open("vault", &i.vault);
        if (code == EXIT_CODE_OK)
                code = import_choose(&i, args->words, args->n_words);
        if (code != EXIT_CODE_OK)
                return code;
        if (i.n_keys == 0) {
                output_error("no key to import in %s", i.files.credentials);
                output_hint("to type one, run: mfactl key add NAME");
                return EXIT_CODE_FAILURE;
        }
        code = unseal(i.vault, args->passphrase_fd, true, &status);
        if (code == EXIT_CODE_OK)
                code = import_store(&i, status);
        if (code == EXIT_CODE_OK && args->is_set[ARGS_REMOVE_PLAIN_KEYS])
                code = import_remove_plain(&i);
        return code;
}

enum exit_code cmd_key_add(const struct args *args) {
        _cleanup_(secret_freep) struct secret *secret = NULL;
        _cleanup_(link_freep) struct link *vault = NULL;
        bool is_stdin = args->is_set[ARGS_KEY_STDIN];
        char id[ACCESS_KEY_ID_MAX + 1];
        json_auto_t *status = NULL;
        const char *name = args->words[0];
        enum exit_code code;

        if (!text_is_key_name(name)) {
                output_error(
                        "a key cannot be called \"%s\": letters, digits and ._@+=,:/-, at most "
                        "%d",
                        name, KEY_NAME_MAX);
                return EXIT_CODE_USAGE;
        }
        if (!is_stdin && !prompt_is_possible())
                return unseal_no_terminal("the key", "--key-stdin");
        code = call_open("vault", &vault);
        if (code == EXIT_CODE_OK)
                code = unseal(vault, args->passphrase_fd, true, &status);
        if (code != EXIT_CODE_OK)
                return code;
        code = import_read(is_stdin, id, &secret);
        if (code != EXIT_CODE_OK)
                return code;
        return import_add(vault, status, name, id, secret, NULL, args->is_set[ARGS_YES]);
}

static void list_key(const json_t *key) {
        const char *name = call_text(key, "name"), *id = call_text(key, "access_key_id");
        const char *serial = call_text(key, "mfa_serial"), *arn = call_text(key, "user_arn");

        output_say(OUTPUT_STRONG, "%-20s", name ? name : "");
        output_say(OUTPUT_PLAIN, " ...%s  %s\n", id ? id : "",
                   serial ? serial : "MFA device not known to the vault");
        if (arn)
                output_say(OUTPUT_FAINT, "%-20s %s\n", "", arn);
}

enum exit_code cmd_key_list(const struct args *args) {
        _cleanup_(link_freep) struct link *vault = NULL;
        json_auto_t *status = NULL, *answer = NULL;
        enum exit_code code;
        json_t *keys;

        code = call_open("vault", &vault);
        if (code == EXIT_CODE_OK)
                code = unseal(vault, args->passphrase_fd, false, &status);
        if (code != EXIT_CODE_OK)
                return code;
        keys = json_object_get(status, "keys");
        if (args->is_set[ARGS_JSON]) {
                answer = json_pack("{sO}", "keys", keys);
                return call_print_json(answer, false);
        }
        for (size_t k = 0; k < json_array_size(keys); k++)
                list_key(json_array_get(keys, k));
        if (json_array_size(keys) == 0)
                output_say(OUTPUT_PLAIN, "The vault is empty; run: mfactl key import\n");
        return EXIT_CODE_OK;
}

/* Asks AWS whose key @name is. What it says, or why not, is added to @ret as an object too. */
static enum exit_code test_key(struct link *control, const char *name, bool is_quiet, json_t *ret) {
        json_auto_t *answer = NULL, *entry = json_pack("{ss}", "name", name);
        char error[LINK_ERROR_MAX];
        enum exit_code code;
        const char *arn;

        output_progress("asking AWS whose key it is ...");
        code = call_try(control, CONTROL("GetKeyIdentity"), json_pack("{ss}", "key", name),
                        CALL_AWS_SEC, error, &answer);
        output_progress_end();
        if (code != EXIT_CODE_OK && !error[0])
                return code;
        if (!entry || json_object_update(entry, answer) < 0 ||
            (error[0] && json_object_set_new(entry, "error", json_string(error)) < 0) ||
            json_array_append(ret, entry) < 0) {
                output_error("the answer about \"%s\" cannot be kept", name);
                return EXIT_CODE_FAILURE;
        }
        if (is_quiet)
                return code;
        if (code != EXIT_CODE_OK)
                return errors_service_of(name, error, answer);
        arn = call_text(answer, "user_arn");
        output_say(OUTPUT_STRONG, "%-20s", name);
        output_say(OUTPUT_PLAIN, " %s\n", arn ? arn : "");
        return EXIT_CODE_OK;
}

static enum exit_code test_all(struct link *control, const json_t *keys, bool is_quiet,
                               json_t *ret) {
        enum exit_code worst = EXIT_CODE_OK;

        for (size_t k = 0; k < json_array_size(keys) && worst != EXIT_CODE_NOT_RUNNING; k++) {
                const char *name = call_text(json_array_get(keys, k), "name");

                if (name)
                        worst = errors_worse(worst, test_key(control, name, is_quiet, ret));
        }
        return worst;
}

enum exit_code cmd_key_test(const struct args *args) {
        _cleanup_(link_freep) struct link *vault = NULL, *control = NULL;
        json_auto_t *status = NULL, *answer = json_pack("{s[]}", "keys");
        bool is_json = args->is_set[ARGS_JSON];
        enum exit_code code, printed;
        json_t *results = json_object_get(answer, "keys");
        const json_t *keys;

        if (!results)
                return EXIT_CODE_FAILURE;
        code = call_open("vault", &vault);
        if (code == EXIT_CODE_OK)
                code = unseal(vault, args->passphrase_fd, false, &status);
        if (code == EXIT_CODE_OK)
                code = call_open("control", &control);
        if (code != EXIT_CODE_OK)
                return code;
        keys = json_object_get(status, "keys");
        if (json_array_size(keys) == 0 && args->n_words == 0 && !is_json)
                output_say(OUTPUT_PLAIN, "The vault is empty; run: mfactl key import\n");
        code = args->n_words > 0 ? test_key(control, args->words[0], is_json, results)
                                 : test_all(control, keys, is_json, results);
        if (!is_json)
                return code;
        printed = call_print_json(answer, false);
        return printed != EXIT_CODE_OK ? printed : code;
}

enum exit_code cmd_key_remove(const struct args *args) {
        _cleanup_(link_freep) struct link *vault = NULL;
        const char *name = args->words[0];
        enum exit_code code;
        char question[256];

        if (!args->is_set[ARGS_YES] && !prompt_is_possible()) {
                output_error("no terminal to ask on whether \"%s\" may go", name);
                output_hint("give --yes");
                return EXIT_CODE_USAGE;
        }
        code = call_open("vault", &vault);
        if (code == EXIT_CODE_OK)
                code = unseal(vault, args->passphrase_fd, false, NULL);
        if (code != EXIT_CODE_OK)
                return code;
        (void)snprintf(question, sizeof(question),
                       "Remove the key \"%.64s\" from the vault? There is no way back.", name);
        if (!args->is_set[ARGS_YES] && !prompt_yes(question, false))
                return EXIT_CODE_FAILURE;
        code = call_run(vault, VAULT("RemoveKey"), json_pack("{ss}", "name", name), CALL_SEC, NULL);
        if (code == EXIT_CODE_OK)
                output_say(OUTPUT_PLAIN, "Removed \"%s\". In IAM it still exists.\n", name);
        return code;
}
