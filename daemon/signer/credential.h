/* credential.h - opens the vault with a passphrase that the service manager brings (systemd.exec(5), CREDENTIALS).
 * Owns:  nothing that outlives the call.
 * Calls: vault.h, fs.h, log.h.
 * Limit: VAULT_PASSPHRASE_MAX bytes; one try in the life of a process and of those that it becomes. */
#pragma once

#define CREDENTIAL_NAME "mfad.passphrase"

struct vault;

/* Takes the passphrase, if there is one, out of $CREDENTIALS_DIRECTORY and opens @v with it. Removes the
 * variable: sealed by the user's word means sealed, until the service manager starts another. Logs what
 * came of it; a vault that cannot be opened stays sealed, and mfactl asks. */
void credential_open_vault(struct vault *v);
