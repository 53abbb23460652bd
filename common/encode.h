/* encode.h - hex, base64url, percent-encoding, text checks and the time formats that AWS uses.
 * Owns:  nothing.
 * Calls: buf.h.
 * Limit: as stated per function. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Lower-case hex of @len bytes, NUL-terminated, into @out of 2 * @len + 1 bytes. */
void encode_hex(const void *bytes, size_t len, char *out);
/* Unpadded base64url (RFC 4648 section 5), NUL-terminated, into @out of (@len * 4 + 2) / 3 + 1 bytes. */
void encode_base64url(const void *bytes, size_t len, char *out);
/* Percent-encodes all but the unreserved characters of RFC 3986, as SigV4 asks. Errors as buf_put(). */
int encode_uri(struct buf *b, const char *text);

/* A name as a path segment: bytes outside [A-Za-z0-9._@:=,+-] as "~XX", upper-case hex, and a dot at the
 * start or after a dot likewise, so that no client normalises it away. Errors as buf_put(). */
int encode_path_name(struct buf *b, const char *name);
/* The reverse of @len bytes at @text into @out of @size bytes. Returns 0; -EINVAL for what
 * encode_path_name() would have spelled otherwise, or for a NUL byte; -E2BIG. */
int decode_path_name(const char *text, size_t len, char *out, size_t size);

/* "20261122T000000Z" into @out of 17 bytes: SigV4's form. */
void encode_time_basic(int64_t wall_sec, char *out);
/* "2026-11-22T00:00:00Z" into @out of 21 bytes: the only form every SDK accepts as Expiration. */
void encode_time_iso(int64_t wall_sec, char *out);
/* Reads "2026-11-22T00:00:00Z", also with a fraction of up to 9 digits (STS-compatible services).
 * Returns 0 or -EINVAL. */
int decode_time_iso(const char *text, int64_t *ret_wall_sec);

/* True for 1 to @max bytes, all of them printable ASCII without spaces. */
bool text_is_graph(const char *text, size_t max);
/* The length of the UTF-8 sequence at @p (RFC 3629), 0 when it is none. @p ends with NUL. */
size_t text_utf8_sequence(const unsigned char *p, uint32_t *ret_point);
/* True for at most @max bytes of valid UTF-8 without C0, C1 and DEL control characters. */
bool text_is_printable(const char *text, size_t max);
/* Where @text is not that, every byte but printable ASCII becomes "?". */
void text_make_printable(char *text);
/* Six ASCII digits: what AWS accepts as an MFA code. */
bool text_is_mfa_code(const char *text);
/* 3 to ACCESS_KEY_ID_MAX of [A-Za-z0-9_-]: AWS sends 20 of A-Z and 0-9, compatible services others. */
bool text_is_access_key_id(const char *text);
/* [A-Za-z0-9][A-Za-z0-9._@+=,:/-]*, at most KEY_NAME_MAX bytes: the names keys may have. */
bool text_is_key_name(const char *text);
/* A virtual device's ARN or a hardware serial: 9-256 of [A-Za-z0-9_+=/:,.@-] (STS API reference). */
bool text_is_mfa_serial(const char *text);
/* "arn:..." with five colons at least: 20 to USER_ARN_MAX of graphic ASCII. Compatible services use
 * other partitions and accounts than AWS's. */
bool text_is_role_arn(const char *text);
/* 2 to 64 of [A-Za-z0-9_+=,.@-]: a role session name or a source identity (STS API reference). */
bool text_is_role_session_name(const char *text);
/* "http://[user:password@]host:port", the port required; at most URL_MAX_LEN bytes. */
bool text_is_proxy(const char *text);
/* [a-z0-9-], 1 to 32 bytes. */
bool text_is_region(const char *text);

#define ACCESS_KEY_ID_MAX 128 /* IAM API reference, AccessKeyId */
#define SECRET_KEY_MAX    256
#define KEY_NAME_MAX      64
#define MFA_SERIAL_MAX    256
#define SESSION_TOKEN_MAX                                                                          \
        ((unsigned)16 * 1024) /* AWS: "make no assumptions about the maximum size" */
#define USER_ARN_MAX           2048
#define URL_MAX_LEN            512
#define PASSPHRASE_COMMAND_MAX 1024 /* mfad.conf(5) */
#define PATH_LEN_MAX           1024
