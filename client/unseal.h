/* unseal.h - an open vault to work with: the passphrase, from wherever it comes, and what it opens.
 * Owns:  nothing that outlives a call; the passphrase is wiped before it returns.
 * Calls: call.h, passphrase_command.h, prompt.h.
 * Limit: UNSEAL_TRIES wrong passphrases on a terminal, one from a descriptor. */
#pragma once
#include "client/call.h"
#include <stdbool.h>

#define UNSEAL_TRIES             3
/* The signer's own minimum is the same; the advice is ours. */
#define UNSEAL_PASSPHRASE_MIN    8
#define UNSEAL_PASSPHRASE_ADVICE 12

struct secret;

/* Leaves the vault open, and its status in @ret_status (NULL: not wanted).
 * @passphrase_fd: where the passphrase stands, or -1: the command in mfad.conf gives it, else the terminal.
 * @may_create: a vault that is not there is made, with a new passphrase; else that is an error. */
enum exit_code unseal(struct link *vault, int passphrase_fd, bool may_create, json_t **ret_status);

/* A new passphrase: read from @passphrase_fd, or asked for twice on the terminal. */
enum exit_code unseal_new_passphrase(int passphrase_fd, struct secret **ret);
/* An existing one. @question: for the terminal. @is_command: whether the command in mfad.conf may be run;
 * afterwards, whether the passphrase came from it. */
enum exit_code unseal_passphrase(int passphrase_fd, const char *question, bool *is_command,
                                 struct secret **ret);
/* Says that the command's passphrase did not open the vault. */
void unseal_command_is_stale(void);

/* Prints that the terminal is missing on which @what would have been asked for, and @option. */
enum exit_code unseal_no_terminal(const char *what, const char *option);
/* {@name: the secret as a string}, or NULL and a message when it is not printable UTF-8. */
json_t *unseal_json(const char *name, const struct secret *s);
