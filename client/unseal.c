#include "client/unseal.h"
#include "client/output.h"
#include "client/passphrase_command.h"
#include "client/prompt.h"
#include "common/secret.h"

#include <string.h>

enum exit_code unseal_no_terminal(const char *what, const char *option) {
        output_error("no terminal to ask for %s on", what);
        output_hint("give it with %s", option);
        return EXIT_CODE_USAGE;
}

json_t *unseal_json(const char *name, const struct secret *s) {
        json_t *value = json_stringn(secret_reveal(s), secret_len(s)), *object;

        if (!value) {
                output_error("a passphrase must be printable text in UTF-8");
                return NULL;
        }
        object = json_object();
        if (object && json_object_set(object, name, value) < 0) {
                json_decref(object);
                object = NULL;
        }
        json_decref(value);
        return object;
}

static enum exit_code read_failed(int r) {
        switch (-r) {
        case ENODATA: output_error("no passphrase was given"); return EXIT_CODE_USAGE;
        case E2BIG:
                output_error("a passphrase has at most %zu bytes", PROMPT_LINE_MAX);
                return EXIT_CODE_USAGE;
        case EBADF:
                output_error("the descriptor given with --passphrase-fd is not open");
                return EXIT_CODE_USAGE;
        case ENXIO: return unseal_no_terminal("the passphrase of the vault", "--passphrase-fd N");
        default:
                output_error("cannot read the passphrase: %s", strerror(-r));
                return EXIT_CODE_FAILURE;
        }
}

static enum exit_code read_or_ask(int passphrase_fd, const char *question, struct secret **ret) {
        int r = passphrase_fd >= 0 ? prompt_read_fd(passphrase_fd, ret)
                                   : prompt_secret(question, ret);

        return r < 0 ? read_failed(r) : EXIT_CODE_OK;
}

enum exit_code unseal_passphrase(int passphrase_fd, const char *question, bool *is_command,
                                 struct secret **ret) {
        bool may_run = *is_command && passphrase_fd < 0;

        *is_command = false;
        if (!may_run)
                return read_or_ask(passphrase_fd, question, ret);
        switch (passphrase_command(ret)) {
        case PASSPHRASE_COMMAND_GIVEN: *is_command = true; return EXIT_CODE_OK;
        case PASSPHRASE_COMMAND_NONE: break;
        case PASSPHRASE_COMMAND_FAILED:
                if (!prompt_is_possible())
                        return EXIT_CODE_VAULT;
                break;
        }
        return read_or_ask(-1, question, ret);
}

void unseal_command_is_stale(void) {
        output_hint("passphrase_command in mfad.conf gave a passphrase that is not the vault's");
}

/* Characters of UTF-8, not bytes. */
static size_t n_characters(const struct secret *s) {
        const char *text = secret_reveal(s);
        size_t n = 0;

        for (size_t i = 0; i < secret_len(s); i++)
                if (((unsigned char)text[i] & 0xc0) != 0x80)
                        n++;
        return n;
}

static bool is_long_enough(const struct secret *s) {
        size_t n = n_characters(s);

        if (n < UNSEAL_PASSPHRASE_MIN) {
                output_error("a passphrase needs at least %d characters", UNSEAL_PASSPHRASE_MIN);
                return false;
        }
        if (n < UNSEAL_PASSPHRASE_ADVICE)
                output_warning("%d characters or more would be safer; change it with: mfactl vault "
                               "passwd",
                               UNSEAL_PASSPHRASE_ADVICE);
        return true;
}

static bool are_equal(const struct secret *a, const struct secret *b) {
        return secret_len(a) == secret_len(b) &&
               secret_equal(secret_reveal(a), secret_reveal(b), secret_len(a));
}

enum exit_code unseal_new_passphrase(int passphrase_fd, struct secret **ret) {
        for (unsigned tries = 0; tries < UNSEAL_TRIES; tries++) {
                _cleanup_(secret_freep) struct secret *first = NULL, *second = NULL;
                enum exit_code code;

                code = read_or_ask(passphrase_fd, "New passphrase for the vault: ", &first);
                if (code != EXIT_CODE_OK)
                        return code;
                if (!is_long_enough(first)) {
                        if (passphrase_fd >= 0)
                                return EXIT_CODE_VAULT;
                        continue;
                }
                if (passphrase_fd < 0) {
                        code = read_or_ask(-1, "Once more: ", &second);
                        if (code != EXIT_CODE_OK)
                                return code;
                        if (!are_equal(first, second)) {
                                output_error("the two are not the same");
                                continue;
                        }
                }
                if (passphrase_command_is_there())
                        output_hint("store it too where passphrase_command of mfad.conf finds it");
                *ret = TAKE_PTR(first);
                return EXIT_CODE_OK;
        }
        return EXIT_CODE_VAULT;
}

static enum exit_code create(struct link *vault, int passphrase_fd) {
        _cleanup_(secret_freep) struct secret *passphrase = NULL;
        enum exit_code code;
        json_t *parameters;

        code = unseal_new_passphrase(passphrase_fd, &passphrase);
        if (code != EXIT_CODE_OK)
                return code;
        parameters = unseal_json("passphrase", passphrase);
        if (!parameters)
                return EXIT_CODE_VAULT;
        output_progress("making the vault ...");
        code = call_run(vault, VAULT("Create"), parameters, CALL_SEC, NULL);
        output_progress_end();
        return code;
}

/* An older copy of the vault than the one seen last: only the user can know whether that is right. */
static enum exit_code open_rollback(struct link *vault, const struct secret *passphrase,
                                    const char *error, const json_t *answer) {
        enum exit_code code = errors_service(error, answer);
        json_t *parameters;

        if (!prompt_is_possible() ||
            !prompt_yes("Did you put an older copy of the vault back yourself, and want it opened?",
                        false))
                return code;
        parameters = unseal_json("passphrase", passphrase);
        if (!parameters || json_object_set_new(parameters, "accept_rollback", json_true()) < 0) {
                json_decref(parameters);
                return EXIT_CODE_FAILURE;
        }
        return call_run(vault, VAULT("Open"), parameters, CALL_SEC, NULL);
}

/* One passphrase. An error of the service is left in @ret_error, unprinted. */
static enum exit_code try_open(struct link *vault, const struct secret *passphrase,
                               char ret_error[LINK_ERROR_MAX], json_t **ret_answer) {
        json_t *parameters = unseal_json("passphrase", passphrase);
        enum exit_code code;

        ret_error[0] = '\0';
        if (!parameters)
                return EXIT_CODE_VAULT;
        output_progress("opening the vault ...");
        code = call_try(vault, VAULT("Open"), parameters, CALL_SEC, ret_error, ret_answer);
        output_progress_end();
        return code;
}

static enum exit_code open_sealed(struct link *vault, int passphrase_fd) {
        for (unsigned tries = 1;; tries++) {
                _cleanup_(secret_freep) struct secret *passphrase = NULL;
                bool is_command = tries == 1;
                char error[LINK_ERROR_MAX];
                json_auto_t *answer = NULL;
                enum exit_code code;

                code = unseal_passphrase(passphrase_fd, "Passphrase of the vault: ", &is_command,
                                         &passphrase);
                if (code != EXIT_CODE_OK)
                        return code;
                code = try_open(vault, passphrase, error, &answer);
                if (!error[0])
                        return code; /* open, or a failure that has been printed */
                if (strcmp(error, VAULT("Rollback")) == 0 && passphrase_fd < 0)
                        return open_rollback(vault, passphrase, error, answer);
                code = errors_service(error, answer);
                if (strcmp(error, VAULT("CannotOpen")) != 0)
                        return code;
                if (is_command)
                        unseal_command_is_stale();
                if (passphrase_fd >= 0 || tries == UNSEAL_TRIES ||
                    (is_command && !prompt_is_possible()))
                        return code;
        }
}

/* The vault is open already. The line is read all the same: a code or a key may follow it. */
static enum exit_code skip_passphrase(int passphrase_fd) {
        _cleanup_(secret_freep) struct secret *unused = NULL;

        return passphrase_fd < 0 ? EXIT_CODE_OK : read_or_ask(passphrase_fd, "", &unused);
}

static enum exit_code make_or_open(struct link *vault, int passphrase_fd, bool is_missing,
                                   bool may_create) {
        if (is_missing && !may_create) {
                output_error("there is no vault yet");
                output_hint("run: mfactl init");
                return EXIT_CODE_VAULT;
        }
        return is_missing ? create(vault, passphrase_fd) : open_sealed(vault, passphrase_fd);
}

enum exit_code unseal(struct link *vault, int passphrase_fd, bool may_create, json_t **ret_status) {
        json_auto_t *before = NULL;
        enum exit_code code;
        const char *state;

        code = call_run(vault, VAULT("GetStatus"), NULL, CALL_SEC, &before);
        if (code != EXIT_CODE_OK)
                return code;
        state = call_text(before, "state");
        if (state && strcmp(state, "open") == 0)
                code = skip_passphrase(passphrase_fd);
        else
                code = make_or_open(vault, passphrase_fd, state && strcmp(state, "none") == 0,
                                    may_create);
        if (code != EXIT_CODE_OK || !ret_status)
                return code;
        return call_run(vault, VAULT("GetStatus"), NULL, CALL_SEC, ret_status);
}
