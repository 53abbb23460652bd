/* tokens.h - the client tokens that an HTTP client must show.
 * Owns:  $XDG_RUNTIME_DIR/mfad/token and the SHA-256 of what is in it; never the token itself.
 * Calls: fs.h, log.h, libcrypto.
 * Limit: TOKEN_LEN characters of base64url, no newline (several SDKs refuse one). */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stddef.h>

#define TOKEN_BYTES 32
#define TOKEN_LEN   43
#define TOKEN_FILE  "token"

struct tokens;

/* Reads @runtime_dir_fd/token, or makes it (0600) when it is missing or unfit, or when it is not ours alone:
 * then with a warning. Returns 0 or a negative errno. */
int tokens_new(int runtime_dir_fd, struct tokens **ret);
struct tokens *tokens_free(struct tokens *t);
DEFINE_FREEP(struct tokens, tokens)

/* @value: the raw Authorization header. Compared as a whole and in constant time. */
bool tokens_accept(const struct tokens *t, const char *value, size_t len);
