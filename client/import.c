#include "client/import.h"
#include "client/output.h"
#include "client/prompt.h"
#include "client/unseal.h"
#include "common/secret.h"

#include <stdio.h>
#include <string.h>

void import_clear(struct import *i) {
        i->config = aws_config_free(i->config);
        i->vault = link_free(i->vault);
        i->n_keys = 0;
}

/* "" for NULL. */
static const char *last_four(const char *text) {
        size_t n = text ? strlen(text) : 0;

        return !text ? "" : n > 4 ? text + n - 4 : text;
}

/* Puts profile @name on the list. */
static enum exit_code choose(struct import *i, const char *name, const struct aws_plain_key *key) {
        struct import_key *chosen;

        if (!text_is_key_name(name)) {
                output_error(
                        "a key cannot be called \"%s\"; rename the profile: letters, digits and"
                        " ._@+=,:/-, at most %d",
                        name, KEY_NAME_MAX);
                return EXIT_CODE_FAILURE;
        }
        if (i->n_keys == IMPORT_KEYS_MAX) {
                output_error("more than %d keys at once", IMPORT_KEYS_MAX);
                return EXIT_CODE_FAILURE;
        }
        chosen = &i->keys[i->n_keys++];
        strcpy(chosen->name, name);
        strcpy(chosen->section, key->section);
        return EXIT_CODE_OK;
}

static enum exit_code choose_words(struct import *i, char *const words[], int n_words) {
        for (int w = 0; w < n_words; w++) {
                struct aws_plain_key key;
                enum exit_code code;

                if (aws_config_plain_key(i->config, words[w], &key) < 0) {
                        output_error("%s has no plain key for profile \"%s\"", i->files.credentials,
                                     words[w]);
                        return EXIT_CODE_FAILURE;
                }
                code = choose(i, words[w], &key);
                if (code != EXIT_CODE_OK)
                        return code;
        }
        return EXIT_CODE_OK;
}

enum exit_code import_choose(struct import *i, char *const words[], int n_words) {
        if (n_words > 0)
                return choose_words(i, words, n_words);

        for (size_t p = 0; p < aws_config_n_profiles(i->config); p++) {
                const char *name = aws_config_at(i->config, p)->name;
                struct aws_plain_key key;
                char question[512];
                enum exit_code code;

                if (aws_config_plain_key(i->config, name, &key) < 0)
                        continue;
                if (!text_is_key_name(name)) {
                        output_warning("passing over profile \"%s\": a key cannot have this name",
                                       name);
                        continue;
                }
                if (!i->is_unattended && !prompt_is_possible()) {
                        output_error("no terminal to ask on which keys to import");
                        output_hint("name the profiles, or give --yes for all of them");
                        return EXIT_CODE_USAGE;
                }
                (void)snprintf(question, sizeof(question), "Import the key ...%s of [%s]?",
                               last_four(key.access_key_id), key.section);
                if (!i->is_unattended && !prompt_yes(question, true))
                        continue;
                code = choose(i, name, &key);
                if (code != EXIT_CODE_OK)
                        return code;
        }
        return EXIT_CODE_OK;
}

static const json_t *find_key(const json_t *status, const char *name) {
        const json_t *keys = json_object_get(status, "keys");

        for (size_t k = 0; k < json_array_size(keys); k++) {
                const json_t *key = json_array_get(keys, k);
                const char *its = call_text(key, "name");

                if (its && strcmp(its, name) == 0)
                        return key;
        }
        return NULL;
}

/* May the key @old of this name give way? The same key may: its secret in the file is the newer one. */
static bool may_replace(const json_t *old, const char *name, const char *access_key_id,
                        bool is_unattended) {
        const char *its = call_text(old, "access_key_id");
        char question[256];

        if (is_unattended || (its && strcmp(last_four(its), last_four(access_key_id)) == 0))
                return true;
        (void)snprintf(question, sizeof(question),
                       "The vault has another key \"%s\" (...%s). Replace it by ...%s?", name,
                       last_four(its), last_four(access_key_id));
        return prompt_is_possible() && prompt_yes(question, false);
}

static int set_text(json_t *object, const char *name, const char *value) {
        return value && *value ? json_object_set_new(object, name, json_string(value)) : 0;
}

static json_t *add_parameters(const json_t *old, const char *name, const char *access_key_id,
                              const struct secret *secret, const char *mfa_serial) {
        json_t *parameters = unseal_json("secret_access_key", secret);
        const char *known = old ? call_text(old, "mfa_serial") : NULL;

        if (!parameters)
                return NULL;
        if (set_text(parameters, "name", name) < 0 ||
            set_text(parameters, "access_key_id", access_key_id) < 0 ||
            set_text(parameters, "mfa_serial", mfa_serial && *mfa_serial ? mfa_serial : known) <
                    0 ||
            set_text(parameters, "user_arn", old ? call_text(old, "user_arn") : NULL) < 0 ||
            json_object_set_new(parameters, "replace", json_boolean(old)) < 0) {
                json_decref(parameters);
                return NULL;
        }
        return parameters;
}

static enum exit_code no_key(int r) {
        if (r == -ENXIO)
                return unseal_no_terminal("the key", "--key-stdin");
        output_error("cannot read the key: %s", r == -ENODATA ? "it is missing" : strerror(-r));
        return EXIT_CODE_USAGE;
}

/* The id is no secret, but on standard input it stands before one. */
static int read_id(bool is_stdin, char id[ACCESS_KEY_ID_MAX + 1]) {
        _cleanup_(secret_freep) struct secret *line = NULL;
        int r;

        if (!is_stdin)
                return prompt_line("Access key ID: ", id, ACCESS_KEY_ID_MAX + 1);
        r = prompt_read_fd(STDIN_FILENO, &line);
        if (r < 0)
                return r;
        if (secret_len(line) > ACCESS_KEY_ID_MAX)
                return -E2BIG;
        strcpy(id, secret_reveal(line));
        return 0;
}

enum exit_code import_read(bool is_stdin, char id[ACCESS_KEY_ID_MAX + 1], struct secret **ret) {
        _cleanup_(secret_freep) struct secret *secret = NULL;
        int r = read_id(is_stdin, id);

        if (r >= 0)
                r = is_stdin ? prompt_read_fd(STDIN_FILENO, &secret)
                             : prompt_secret("Secret access key: ", &secret);
        if (r < 0)
                return no_key(r);
        if (!text_is_access_key_id(id) || !text_is_graph(secret_reveal(secret), SECRET_KEY_MAX)) {
                output_error("this is not an access key: an id such as AKIA..., then its secret");
                return EXIT_CODE_USAGE;
        }
        *ret = TAKE_PTR(secret);
        return EXIT_CODE_OK;
}

enum exit_code import_add(struct link *vault, const json_t *status, const char *name,
                          const char *access_key_id, const struct secret *secret,
                          const char *mfa_serial, bool is_unattended) {
        const json_t *old = find_key(status, name);
        enum exit_code code;
        json_t *parameters;

        if (old && !may_replace(old, name, access_key_id, is_unattended)) {
                output_error("the vault has another key \"%s\" (...%s)", name,
                             last_four(call_text(old, "access_key_id")));
                output_hint("run: mfactl key remove %s, or give --yes to replace it", name);
                return EXIT_CODE_VAULT;
        }
        parameters = add_parameters(old, name, access_key_id, secret, mfa_serial);
        if (!parameters)
                return EXIT_CODE_FAILURE;
        code = call_run(vault, VAULT("AddKey"), parameters, CALL_SEC, NULL);
        if (code == EXIT_CODE_OK)
                output_say(OUTPUT_PLAIN, "The vault holds the key \"%s\" (...%s).\n", name,
                           last_four(access_key_id));
        return code;
}

enum exit_code import_store(struct import *i, const json_t *status) {
        for (size_t k = 0; k < i->n_keys; k++) {
                const struct aws_profile *profile;
                struct aws_plain_key key;
                enum exit_code code;

                if (!i->keys[k].section[0])
                        continue; /* typed, and stored then */
                if (aws_config_plain_key(i->config, i->keys[k].name, &key) < 0)
                        continue; /* it was there when it was chosen */
                profile = aws_config_find(i->config, i->keys[k].name);
                code = import_add(i->vault, status, i->keys[k].name, key.access_key_id,
                                  key.secret_key, profile ? profile->mfa_serial : "",
                                  i->is_unattended);
                if (code != EXIT_CODE_OK)
                        return code;
        }
        return EXIT_CODE_OK;
}

/* Does the vault list every key that is to go? */
static enum exit_code check_stored(const struct import *i) {
        json_auto_t *status = NULL;
        enum exit_code code;

        code = call_run(i->vault, VAULT("GetStatus"), NULL, CALL_SEC, &status);
        if (code != EXIT_CODE_OK)
                return code;
        for (size_t k = 0; k < i->n_keys; k++) {
                const json_t *held = find_key(status, i->keys[k].name);
                const char *id = held ? call_text(held, "access_key_id") : NULL;
                struct aws_plain_key key;

                if (!i->keys[k].section[0])
                        continue;
                if (!id || aws_config_plain_key(i->config, i->keys[k].name, &key) < 0 ||
                    strcmp(last_four(id), last_four(key.access_key_id)) != 0) {
                        output_error("the vault does not list \"%s\"; its plain key stays",
                                     i->keys[k].name);
                        return EXIT_CODE_VAULT;
                }
        }
        return EXIT_CODE_OK;
}

enum exit_code import_remove_plain(const struct import *i) {
        const char *sections[IMPORT_KEYS_MAX];
        enum exit_code code;
        size_t n = 0;

        for (size_t k = 0; k < i->n_keys; k++)
                if (i->keys[k].section[0])
                        sections[n++] = i->keys[k].section;
        if (n == 0)
                return EXIT_CODE_OK;
        code = check_stored(i);
        if (code == EXIT_CODE_OK)
                code = aws_files_remove_keys(i->files.credentials, sections, n);
        if (code != EXIT_CODE_OK)
                return code;
        output_say(OUTPUT_PLAIN,
                   "Removed from %s; everything else in it is as it was.\n"
                   "No copy is kept here, as it would hold the key. Backups and the "
                   "disk may still have\nit: where that matters, make a new key in "
                   "IAM and import that one.\n",
                   i->files.credentials);
        return EXIT_CODE_OK;
}
