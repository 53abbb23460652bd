/* aws_credentials.h - changes to the text of ~/.aws/credentials that leave every other byte as it is.
 * Owns:  nothing.
 * Calls: ini.h, buf.h, encode.h, secret.h.
 * Limit: AWS_FILE_MAX bytes of text. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct buf;
struct creds;

/* Copies @text to @ret without the key lines (aws_access_key_id, aws_secret_access_key) of @section;
 * every other byte stays. Returns the number of lines removed, or a negative errno. */
int aws_credentials_without_key(const char *text, size_t len, const char *section, struct buf *ret);

/* Copies @text to @ret with @creds in @section: its key lines (and our own marks) replaced, or a new
 * section at the end; comments and all other keys stay. Two lines mark it as ours: the comment
 * "# written by mfactl export from profile PROFILE" and "x_mfad_expiration = 2026-11-22T12:00:00Z" (a key,
 * so that it can be read back; no SDK knows it). Returns 0; -EEXIST, and nothing in @ret, when the
 * section has an access key without our mark or without a session token: it may be a long-term one;
 * another negative errno. */
int aws_credentials_with_session(const char *text, size_t len, const char *section,
                                 const char *profile, const struct creds *creds, struct buf *ret);
