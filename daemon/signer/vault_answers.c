#include "daemon/signer/vault_answers.h"

#include <stdio.h>
#include <string.h>

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

/* %P stands for the vault's path, %E for the text of the error, %F for what is wrong with the file. */
static const struct {
        const char *error;
        const char *message;
} answers[] = {
        [VAULT_E_CANNOT_OPEN] = {"org.mfad.Vault.CannotOpen",
                                 "cannot open vault: the passphrase is wrong, or the file was "
                                 "changed"},
        [VAULT_E_BAD_FILE] = {"org.mfad.Vault.BadVault", "%P %F"},
        [VAULT_E_UNSAFE] = {"org.mfad.Vault.BadVault",
                            "%P is not yours alone: the file must be a plain one of yours with one "
                            "link and mode 0600, in a directory of yours with mode 0700"},
        [VAULT_E_CANNOT_READ] = {"org.mfad.Vault.BadVault", "cannot read %P: %E"},
        [VAULT_E_ROLLBACK] = {"org.mfad.Vault.Rollback",
                              "%P is older than the vault that was open before: keys or a "
                              "passphrase that you have replaced may be back; accept it only if "
                              "you restored it yourself"},
        [VAULT_E_SEALED] = {"org.mfad.Vault.Sealed",
                            "the vault is sealed; `mfactl unlock` asks for the passphrase"},
        [VAULT_E_NO_VAULT] = {"org.mfad.Vault.NoVault",
                              "there is no vault yet; `mfactl init` makes one"},
        [VAULT_E_EXISTS] = {"org.mfad.Vault.VaultExists", "there is a vault already: %P"},
        [VAULT_E_UNKNOWN_KEY] = {"org.mfad.Vault.UnknownKey",
                                 "the vault has no key of this name; `mfactl key list` shows them"},
        [VAULT_E_KEY_EXISTS] = {"org.mfad.Vault.KeyExists",
                                "the vault has a key of this name already"},
        [VAULT_E_WEAK] =
                {"org.mfad.Vault.WeakPassphrase",
                 "the passphrase is too short: " TEXT_OF(
                         VAULT_PASSPHRASE_MIN) " bytes at least, several words are better"},
        [VAULT_E_FULL] = {"org.mfad.Vault.TooManyKeys",
                          "the vault is full: " TEXT_OF(SIGNER_KEYS_MAX) " keys at most"},
        [VAULT_E_CANNOT_WRITE] = {"org.mfad.Vault.CannotWrite",
                                  "cannot write %P: %E; the vault is as it was"},
        [VAULT_E_BUSY] = {"org.mfad.Vault.Busy", "another mfad-signer has this vault open"},
};

static const char *describe_file(enum vault_file_result file) {
        switch (file) {
        case VAULT_FILE_OK: break;
        case VAULT_FILE_ALIEN: return "is not a vault of mfad";
        case VAULT_FILE_NEWER: return "was written by a newer mfad, which alone can open it";
        case VAULT_FILE_OUT_OF_BOUNDS: return "is damaged: its header is out of bounds";
        case VAULT_FILE_WRONG_SIZE: return "is damaged: it was cut short, or has grown";
        }
        return "is damaged";
}

static const char *describe_error(int error) {
        if (error == -ESTALE)
                return "it was replaced or removed while it was open (seal the vault and open it "
                       "again)";
        return strerror(-error);
}

const char *vault_answer_error(enum vault_result result) {
        assert(result > VAULT_OK && result < ELEMENTSOF(answers));

        return answers[result].error;
}

static void append(char *out, const char *part) {
        size_t len = strlen(out);

        (void)snprintf(out + len, VAULT_ANSWER_MAX - len, "%s", part); /* cut is good enough */
}

static const char *expand(const struct vault *v, char what) {
        switch (what) {
        case 'P': return vault_path(v);
        case 'E': return describe_error(vault_problem(v)->error);
        case 'F': return describe_file(vault_problem(v)->file);
        }
        abort(); /* the table above knows no other */
}

void vault_answer_message(const struct vault *v, enum vault_result result,
                          char out[VAULT_ANSWER_MAX]) {
        assert(result > VAULT_OK && result < ELEMENTSOF(answers));

        out[0] = '\0';
        for (const char *t = answers[result].message; *t; t++) {
                const char plain[] = {*t, '\0'};

                append(out, *t == '%' ? expand(v, *++t) : plain);
        }
        if (result == VAULT_E_BAD_FILE && vault_problem(v)->has_old)
                append(out, "; vault.old beside it is the copy before the last change");
}
