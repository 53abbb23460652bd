/* vault_answers.h - what org.mfad.Vault says when the vault says no: error names and sentences.
 * Owns:  the table.
 * Calls: vault.h.
 * Limit: VAULT_ANSWER_MAX bytes a sentence. */
#pragma once
#include "common/encode.h"
#include "daemon/signer/vault.h"

#define VAULT_ANSWER_MAX     (PATH_LEN_MAX + 512)
#define VAULT_ERROR_INTERNAL "org.mfad.Vault.Internal"

/* The Varlink error for @result, which is not VAULT_OK. */
const char *vault_answer_error(enum vault_result result);
/* One sentence for the user: what is wrong, and what helps. Right after the call that failed. */
void vault_answer_message(const struct vault *v, enum vault_result result,
                          char out[VAULT_ANSWER_MAX]);
