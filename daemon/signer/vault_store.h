/* vault_store.h - the vault's place on disk: one private directory, replaced whole or not at all.
 * Owns:  the files vault, vault.old, vault.gen, vault.lock and the leftover vault.new.
 * Calls: common/fs.h. Knows bytes only, no keys and no passphrase.
 * Limit: VAULT_FILE_MAX bytes. */
#pragma once
#include "common/macros.h"
#include "daemon/signer/vault_file.h"
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct vault_store;

/* @dir_path is copied; nothing is touched yet. Returns 0, -ENOMEM, -ENAMETOOLONG. */
int vault_store_new(const char *dir_path, struct vault_store **ret);
/* Lets go of the lock. NULL is allowed. Always returns NULL. */
struct vault_store *vault_store_free(struct vault_store *s);
DEFINE_FREEP(struct vault_store, vault_store)

/* The vault's path, for messages. Lent. */
const char *vault_store_path(const struct vault_store *s);
bool vault_store_exists(const struct vault_store *s);
/* True when the file before the last write is still there: worth a word when the new one is bad. */
bool vault_store_has_old(const struct vault_store *s);

/* Opens (and for @create makes) the directory; keeps others from the vault until vault_store_unlock().
 * A file system that takes no lock file (read-only, full) may still be read from: that succeeds
 * unless @create. Returns 0, -EBUSY when another process has the lock, -EPERM when the directory is
 * not ours alone, or another errno. */
int vault_store_lock(struct vault_store *s, bool create);
void vault_store_unlock(struct vault_store *s);

/* These need the lock. */

/* Appends the vault's bytes to @ret. Returns 0, -ENOENT, -E2BIG, -EPERM when the file is not ours
 * alone, or another errno. */
int vault_store_load(struct vault_store *s, struct buf *ret);
/* Replaces the vault; the one before stays as vault.old. Returns 0, or a negative errno with the
 * vault as it was. */
int vault_store_save(struct vault_store *s, const void *bytes, size_t len);
/* Removes vault.old and what a crash may have left. For use after a good open. */
void vault_store_tidy(struct vault_store *s);

/* The highest generation known of the vault @id; 0 when nothing is known. */
uint64_t vault_store_generation(struct vault_store *s, const uint8_t id[VAULT_ID_LEN]);
/* Notes it. Best effort: a failure is logged, because the vault itself is safe. */
void vault_store_note_generation(struct vault_store *s, const uint8_t id[VAULT_ID_LEN],
                                 uint64_t generation);
