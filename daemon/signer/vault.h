/* vault.h - the vault: none, sealed or open; every change is on disk before it is true in memory.
 * Owns:  the keys and the key-encryption key while open; the vault's file through vault_store.h.
 * Calls: vault_store.h, vault_file.h, vault_keys.h, kdf.h. No sockets, no JSON, no event loop.
 * Limit: as of those. Calls with a passphrase block for scrypt (0.7 s; changing it twice that).
 * The KEK stays while open, because every write makes a new file key and has to wrap it; wrap.h uses it
 * too, and the VAULT_FORMER_KEKS before it. */
#pragma once
#include "common/macros.h"
#include "common/signer_proto.h"
#include "daemon/signer/vault_file.h"
#include "daemon/signer/vault_keys.h"
#include <stdbool.h>
#include <stdint.h>

#define VAULT_PASSPHRASE_MIN 8 /* bytes; mfactl advises on better ones */
#define VAULT_PASSPHRASE_MAX 1024
#define VAULT_FORMER_KEKS    4

struct vault;

/* The answers that the functions below give; each leaves vault and file as they were. */
enum vault_result {
        VAULT_OK = 0,
        VAULT_E_CANNOT_OPEN, /* wrong passphrase or changed file: one answer for both */
        VAULT_E_BAD_FILE,    /* not a vault that we could open: see vault_problem.file */
        VAULT_E_UNSAFE,      /* file or directory are not ours alone */
        VAULT_E_ROLLBACK,    /* an older vault than one seen before */
        VAULT_E_SEALED,
        VAULT_E_NO_VAULT,
        VAULT_E_EXISTS,
        VAULT_E_UNKNOWN_KEY,
        VAULT_E_KEY_EXISTS,
        VAULT_E_WEAK,         /* passphrase below VAULT_PASSPHRASE_MIN */
        VAULT_E_FULL,         /* too many keys, or too much told about them */
        VAULT_E_CANNOT_READ,  /* see vault_problem.error */
        VAULT_E_CANNOT_WRITE, /* see vault_problem.error; -ESTALE: the file was replaced meanwhile */
        VAULT_E_BUSY,         /* another mfad-signer has it */
};

/* More about the last answer. */
struct vault_problem {
        int error;                   /* negative errno */
        enum vault_file_result file; /* VAULT_E_BAD_FILE */
        uint64_t generation;         /* VAULT_E_ROLLBACK: of the file */
        uint64_t expected;           /* VAULT_E_ROLLBACK: the highest seen */
        bool has_old;                /* the copy before the last write is still there */
};

/* @dir_path: where the vault is or shall be. @log2n: scrypt's cost for new passphrases. Touches
 * nothing yet. Returns 0 or a negative errno. */
int vault_new(const char *dir_path, uint8_t log2n, struct vault **ret);
/* Seals and frees. NULL is allowed. Always returns NULL. */
struct vault *vault_free(struct vault *v);
DEFINE_FREEP(struct vault, vault)

/* @fn runs after each change of state or of the keys. One watcher. */
void vault_watch(struct vault *v, void (*fn)(void *userdata), void *userdata);

enum vault_state vault_state(const struct vault *v);
const char *vault_path(const struct vault *v);
/* NULL unless open; lent until the next call that changes something. */
const struct vault_keys *vault_keys(const struct vault *v);
/* The KEK and the vault's id (VAULT_ID_LEN bytes), lent likewise; NULL unless open. */
const struct secret *vault_kek(const struct vault *v);
/* The KEKs that it had before its passphrase changed, the latest first, with a NULL at their end; lent likewise;
 * NULL unless open. They go when it is sealed. */
const struct secret *const *vault_former_keks(const struct vault *v);
const uint8_t *vault_id(const struct vault *v);
/* 0 unless open. */
uint64_t vault_generation(const struct vault *v);
/* Of the open vault; else what a new one would get. */
uint8_t vault_log2n(const struct vault *v);
const struct vault_problem *vault_problem(const struct vault *v);

/* All return an enum vault_result, or a negative errno when something is broken (-ENOMEM, -EIO). */
int vault_create(struct vault *v, const char *passphrase);
/* On an open vault it checks the passphrase and reads the file again. */
int vault_open(struct vault *v, const char *passphrase, bool accept_rollback);
/* Opens with @old, whatever the state; then new salt, new keys, new file. Leaves the vault open. */
int vault_change_passphrase(struct vault *v, const char *old, const char *new);
/* Wipes keys and KEK. For more than that, replace the process. */
void vault_seal(struct vault *v);

int vault_add_key(struct vault *v, const struct signer_key *info, const char *secret_key,
                  bool replace);
/* NULL leaves a field as it is. */
int vault_set_key_info(struct vault *v, const char *name, const char *mfa_serial,
                       const char *user_arn);
int vault_remove_key(struct vault *v, const char *name);
