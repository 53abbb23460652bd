/* client_token.h - the client token that mfad leaves for this user's programs.
 * Owns:  nothing that outlives a call.
 * Calls: fs.h, encode.h.
 * Limit: CLIENT_TOKEN_TEXT_MAX bytes. */
#pragma once
#include "common/encode.h"

#define CLIENT_TOKEN_TEXT_MAX 256

struct buf;

/* Appends the token to @token; its path is in @path, also after a failure. Returns 0; -EPERM when others may
 * read the file or its folder; -EBADMSG for what no SDK could send, such as one with a newline; or another
 * negative errno. */
int client_token_read(char path[PATH_LEN_MAX], struct buf *token);
/* Such a failure in words. */
const char *client_token_why_not(int r);
