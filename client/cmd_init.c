#include "client/call.h"
#include "client/commands.h"
#include "client/environment_d.h"
#include "client/import.h"
#include "client/mfad_conf.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/units.h"
#include "client/unseal.h"
#include "common/fs.h"
#include "common/secret.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SERIALS_SHOWN_MAX 8 /* IAM allows eight MFA devices a user */

/* A failure that does not stop the set-up: said as a warning, with what to do. */
static void warn(const char *what, const char *error, const json_t *answer) {
        const char *message = call_text(answer, "message");

        output_warning("%s: %s", what, message ? message : error);
}

/* Asks STS whose key it is. Returns the user's ARN (lent from @ret_answer), or NULL. */
static const char *find_identity(struct link *control, const char *name, json_t **ret_answer) {
        json_auto_t *answer = NULL;
        char error[LINK_ERROR_MAX], what[128];
        enum exit_code code;

        output_progress("asking AWS whose key it is ...");
        code = call_try(control, CONTROL("GetKeyIdentity"), json_pack("{ss}", "key", name),
                        CALL_AWS_SEC, error, &answer);
        output_progress_end();
        if (code != EXIT_CODE_OK) {
                (void)snprintf(what, sizeof(what), "the key \"%.64s\" was not checked", name);
                if (error[0])
                        warn(what, error, answer);
                return NULL;
        }
        *ret_answer = json_incref(answer);
        return call_text(answer, "user_arn");
}

/* Security keys (FIDO) have serials too, but give no codes. */
static bool gives_codes(const char *serial) {
        return serial && text_is_mfa_serial(serial) && !strstr(serial, ":u2f/");
}

/* One of @serials, by the user's choice when there are several. */
static const char *choose_serial(const json_t *serials, bool is_unattended) {
        const char *first = NULL;

        for (size_t i = 0; i < json_array_size(serials) && i < SERIALS_SHOWN_MAX; i++) {
                const char *serial = json_string_value(json_array_get(serials, i));
                char question[MFA_SERIAL_MAX + 64];

                if (!gives_codes(serial))
                        continue;
                if (!first)
                        first = serial;
                if (json_array_size(serials) == 1 || is_unattended || !prompt_is_possible())
                        return first;
                (void)snprintf(question, sizeof(question), "Take codes from %s?", serial);
                if (prompt_yes(question, true))
                        return serial;
        }
        return first;
}

static void advise_serial(const char *name) {
        output_hint("put it into ~/.aws/config, in the profile \"%s\": mfa_serial = "
                    "arn:aws:iam::ACCOUNT:mfa/DEVICE",
                    name);
}

/* From IAM. Returns the serial (lent from @ret_answer), or NULL. */
static const char *find_serial(struct link *control, const char *name, bool is_unattended,
                               json_t **ret_answer) {
        json_auto_t *answer = NULL;
        char error[LINK_ERROR_MAX], what[128];
        const char *serial;
        enum exit_code code;

        output_progress("asking AWS for the MFA device ...");
        code = call_try(control, CONTROL("ListMfaDevices"), json_pack("{ss}", "key", name),
                        CALL_AWS_SEC, error, &answer);
        output_progress_end();
        if (code != EXIT_CODE_OK) {
                (void)snprintf(what, sizeof(what), "the MFA device of \"%.64s\" was not found",
                               name);
                if (error[0])
                        warn(what, error, answer);
                advise_serial(name);
                return NULL;
        }
        serial = choose_serial(json_object_get(answer, "serials"), is_unattended);
        if (!serial) {
                output_warning("the user of \"%s\" has no MFA device that gives codes", name);
                output_hint("add one in the IAM console, then run mfactl init again");
                return NULL;
        }
        *ret_answer = json_incref(answer);
        return serial;
}

/* The serial that the configuration names has been stored with the key: is there one? */
static const char *known_serial(const json_t *status, const char *name) {
        const json_t *keys = json_object_get(status, "keys");

        for (size_t k = 0; k < json_array_size(keys); k++) {
                const json_t *key = json_array_get(keys, k);
                const char *its = call_text(key, "name");

                if (its && strcmp(its, name) == 0)
                        return call_text(key, "mfa_serial");
        }
        return NULL;
}

/* Learns about one stored key what AWS knows, and notes it in the vault. Without an MFA device the user is
 * told how to name one, and @is_ready becomes false. */
static enum exit_code complete(struct import *i, struct link *control, const json_t *status,
                               const char *name, bool *is_ready) {
        json_auto_t *identity = NULL, *devices = NULL, *parameters = NULL;
        const char *serial = known_serial(status, name), *arn;

        arn = find_identity(control, name, &identity);
        if (arn)
                output_say(OUTPUT_PLAIN, "AWS knows it: %s\n", arn);
        if (!serial)
                serial = find_serial(control, name, i->is_unattended, &devices);
        if (serial)
                output_say(OUTPUT_PLAIN, "Its MFA device: %s\n", serial);
        *is_ready = *is_ready && serial;
        if (!arn && !serial)
                return EXIT_CODE_OK;
        parameters = json_pack("{ss}", "name", name);
        if (!parameters ||
            (arn && json_object_set_new(parameters, "user_arn", json_string(arn)) < 0) ||
            (serial && json_object_set_new(parameters, "mfa_serial", json_string(serial)) < 0))
                return EXIT_CODE_FAILURE;
        return call_run(i->vault, VAULT("SetKeyInfo"), json_incref(parameters), CALL_SEC, NULL);
}

static enum exit_code complete_all(struct import *i, struct link *control, bool *is_ready) {
        json_auto_t *status = NULL;
        enum exit_code code;

        code = call_run(i->vault, VAULT("GetStatus"), NULL, CALL_SEC, &status);
        for (size_t k = 0; k < i->n_keys && code == EXIT_CODE_OK; k++)
                code = complete(i, control, status, i->keys[k].name, is_ready);
        return code;
}

/* No file holds a key: the user may type one. */
static enum exit_code type_key(struct import *i, const json_t *status) {
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct import_key *key = &i->keys[0];
        char id[ACCESS_KEY_ID_MAX + 1];
        enum exit_code code;

        strcpy(key->name, "default");
        key->section[0] = '\0';
        output_say(OUTPUT_PLAIN, "No plain key in %s: type the one to use.\n",
                   i->files.credentials);
        if (output_close() < 0)
                return EXIT_CODE_FAILURE;
        code = import_read(false, id, &secret);
        if (code != EXIT_CODE_OK)
                return code;
        code = import_add(i->vault, status, key->name, id, secret, NULL, i->is_unattended);
        if (code == EXIT_CODE_OK)
                i->n_keys = 1;
        return code;
}

/* Those keys of the vault whose MFA device neither it nor ~/.aws/config names: what an earlier set-up could not
 * finish. */
static void list_unfinished(struct import *i, const json_t *status) {
        const json_t *keys = json_object_get(status, "keys");

        for (size_t k = 0; k < json_array_size(keys) && i->n_keys < IMPORT_KEYS_MAX; k++) {
                const json_t *key = json_array_get(keys, k);
                const char *name = call_text(key, "name");
                const struct aws_profile *profile = name ? aws_config_find(i->config, name) : NULL;
                struct import_key *unfinished = &i->keys[i->n_keys];

                if (!name || strlen(name) > KEY_NAME_MAX || call_text(key, "mfa_serial") ||
                    (profile && *profile->mfa_serial))
                        continue;
                strcpy(unfinished->name, name);
                unfinished->section[0] = '\0';
                i->n_keys++;
        }
}

static enum exit_code store(struct import *i, const struct args *args) {
        json_auto_t *status = NULL;
        enum exit_code code;

        code = unseal(i->vault, args->passphrase_fd, true, &status);
        if (code != EXIT_CODE_OK)
                return code;
        if (i->n_keys > 0)
                return import_store(i, status);
        if (json_array_size(json_object_get(status, "keys")) > 0) {
                output_say(OUTPUT_PLAIN, "Nothing to import; the vault holds its keys already.\n");
                list_unfinished(i, status);
                return EXIT_CODE_OK;
        }
        if (!i->is_unattended && prompt_is_possible())
                return type_key(i, status);
        output_error("no key to import in %s", i->files.credentials);
        output_hint("to give one, run: mfactl key add NAME");
        return EXIT_CODE_FAILURE;
}

static enum exit_code remove_plain(const struct import *i, const struct args *args) {
        char question[PATH_LEN_MAX + 128];

        if (i->n_keys == 0 || !i->keys[0].section[0])
                return EXIT_CODE_OK;
        if (!args->is_set[ARGS_REMOVE_PLAIN_KEYS]) {
                if (i->is_unattended || !prompt_is_possible())
                        return EXIT_CODE_OK;
                (void)snprintf(
                        question, sizeof(question),
                        "Remove the plain key%s from %s? SDKs prefer what stands there to mfad.",
                        i->n_keys > 1 ? "s" : "", i->files.credentials);
                if (!prompt_yes(question, false))
                        return EXIT_CODE_OK;
        }
        return import_remove_plain(i);
}

static void say_next(void) {
        output_say(OUTPUT_GOOD, "Ready.");
        output_say(OUTPUT_PLAIN,
                   " Next:\n"
                   "    mfactl unlock             asks for the code of the MFA device\n"
                   "    eval \"$(mfactl env)\"      in each shell, or in its start-up file\n");
}

/* What this environment names instead of @its goes to @ret, else what mfad.conf says already. */
static bool prefer(const char *ours, const char *its, char ret[PATH_LEN_MAX]) {
        if (!aws_files_differ(ours, its))
                return false;
        strcpy(ret, ours);
        return true;
}

static enum exit_code write_conf(const struct fs_places *places, const struct mfad_conf *conf) {
        char path[PATH_LEN_MAX];
        struct aws_files its;
        int r = mfad_conf_write(places, conf, path);

        if (r < 0) {
                output_error("cannot write %s: %s", path,
                             r == -EINVAL ? "mfad.conf cannot hold such a path" : strerror(-r));
                return EXIT_CODE_FAILURE;
        }
        output_say(OUTPUT_PLAIN,
                   "Written to %s.\n"
                   "mfad reads it when it starts. %s\n",
                   path, units_are_there() ? "Run: systemctl --user restart mfad" : "Restart it.");
        if (aws_files_of_mfad(&its) == 0 &&
            ((*conf->aws_config_file && strcmp(its.config, conf->aws_config_file) != 0) ||
             (*conf->aws_credentials_file &&
              strcmp(its.credentials, conf->aws_credentials_file) != 0)))
                output_warning("another file in that folder comes later and says otherwise");
        return EXIT_CODE_OK;
}

/* mfad is told by its configuration which files this environment names; it never sees the environment. */
static enum exit_code offer_files(bool is_unattended) {
        struct mfad_conf conf = {0};
        struct aws_files ours, its;
        struct fs_places places;
        bool differ;

        if (aws_files_find(NULL, &ours) != EXIT_CODE_OK || aws_files_of_mfad(&its) < 0 ||
            fs_places(&places) < 0 || mfad_conf_read(&places, &conf) < 0)
                return EXIT_CODE_FAILURE;
        differ = prefer(ours.config, its.config, conf.aws_config_file);
        differ = prefer(ours.credentials, its.credentials, conf.aws_credentials_file) || differ;
        if (!differ)
                return EXIT_CODE_OK;
        (void)aws_files_warn(); /* it does */
        if (!is_unattended &&
            !(prompt_is_possible() && prompt_yes("Have mfad read these files from now on?", true)))
                return EXIT_CODE_OK;
        return write_conf(&places, &conf);
}

/* It means something only where systemd holds the address from login to logout. */
static enum exit_code offer_environment(struct link *control, bool is_unattended) {
        json_auto_t *status = NULL;
        enum exit_code code;

        if (!units_are_there())
                return EXIT_CODE_OK;
        code = call_run(control, CONTROL("GetStatus"), NULL, CALL_SEC, &status);
        if (code != EXIT_CODE_OK)
                return code;
        return environment_d_offer((uint16_t)call_number(status, "http_port", 0), is_unattended);
}

enum exit_code cmd_init(const struct args *args) {
        _cleanup_(import_clear) struct import i = {.is_unattended = args->is_set[ARGS_YES]};
        _cleanup_(link_freep) struct link *control = NULL;
        enum exit_code code;
        bool is_ready = true;

        if (args->is_set[ARGS_NO_ENVIRONMENT])
                return environment_d_remove();
        /* both must answer before anything is asked */
        code = call_open("vault", &i.vault);
        if (code == EXIT_CODE_OK)
                code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = aws_files_find(args->text[ARGS_FROM], &i.files);
        if (code == EXIT_CODE_OK)
                code = aws_files_load(&i.files, true, &i.config);
        if (code == EXIT_CODE_OK)
                code = import_choose(&i, args->words, args->n_words);
        if (code == EXIT_CODE_OK)
                code = store(&i, args);
        if (code == EXIT_CODE_OK)
                code = complete_all(&i, control, &is_ready);
        if (code == EXIT_CODE_OK)
                code = remove_plain(&i, args);
        if (code == EXIT_CODE_OK)
                code = offer_files(i.is_unattended);
        if (code == EXIT_CODE_OK)
                code = offer_environment(control, i.is_unattended);
        if (code == EXIT_CODE_OK && is_ready)
                say_next();
        else if (code == EXIT_CODE_OK)
                output_hint("not ready: mfactl unlock needs an MFA device for each key, see above");
        return code;
}
