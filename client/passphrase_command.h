/* passphrase_command.h - the passphrase from the command in mfad.conf, such as a look-up in a key store.
 * Owns:  nothing that outlives a call. What the command prints is only ever in secret memory.
 * Calls: child.h, mfad_conf.h, secret.h, output.h.
 * Limit: PASSPHRASE_COMMAND_SEC for it, PASSPHRASE_COMMAND_OUTPUT_MAX bytes from it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define PASSPHRASE_COMMAND_SEC        120 /* somebody may have to find a token and touch it */
#define PASSPHRASE_COMMAND_OUTPUT_MAX ((size_t)16 * 1024)
#define PASSPHRASE_COMMAND_WHY_MAX    128

struct secret;

enum passphrase_command_result {
        PASSPHRASE_COMMAND_NONE, /* mfad.conf names none */
        PASSPHRASE_COMMAND_GIVEN,
        PASSPHRASE_COMMAND_FAILED, /* the user has been told why */
};

/* Runs the command that mfad.conf names. */
enum passphrase_command_result passphrase_command(struct secret **ret);
/* Does mfad.conf name one? */
bool passphrase_command_is_there(void);

/* The heart of it: the first line that @command prints, in a shell. Returns 0, or a negative errno with
 * the end of the sentence "passphrase_command ..." in @ret_why. */
int passphrase_command_run(const char *command, unsigned timeout_sec, struct secret **ret,
                           char ret_why[PASSPHRASE_COMMAND_WHY_MAX]);
