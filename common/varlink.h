/* varlink.h - Varlink messages (varlink.org): framing, bounded parsing, and building of calls and answers.
 * Owns:  nothing that outlives a call; JSON objects belong to whoever holds the reference.
 * Calls: jansson, buf.h, encode.h, wiping.h. No sockets here.
 * Limit: VARLINK_IN_MAX bytes in, VARLINK_OUT_MAX out, VARLINK_DEPTH_MAX nested levels (jansson's own
 *        limit is 2048), VARLINK_TEXT_MAX bytes a string parameter. */
#pragma once
#include "common/buf.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VARLINK_IN_MAX    ((size_t)64 * 1024) /* with the final NUL */
#define VARLINK_OUT_MAX   ((size_t)256 * 1024)
#define VARLINK_DEPTH_MAX 8
#define VARLINK_TEXT_MAX  2048

/* Makes jansson wipe what it frees. Call once in main, before any JSON. */
void varlink_wipe_json(void);

/* The length of the first complete message in @b without its final NUL, or -1 when there is none. */
ssize_t varlink_frame(const struct buf *b);

/* Parses one message: an object, UTF-8, no duplicate keys, no NUL, within the depth limit.
 * Returns 0 with a new reference, or -EBADMSG. */
int varlink_parse(const char *text, size_t len, json_t **ret);

/* How one parameter must look. Tables end with .name = NULL. */
enum varlink_type {
        VARLINK_STRING = 1,
        VARLINK_INT,
        VARLINK_BOOL,
};
struct varlink_field {
        const char *name;
        enum varlink_type type;
        bool is_optional; /* may be absent or null */
        /* VARLINK_INT: the range; VARLINK_STRING: bytes, where max 0 means VARLINK_TEXT_MAX */
        int64_t min, max;
};
/* Checks @parameters (NULL counts as {}) against @fields (NULL for none): every required one there,
 * right type, in range, strings printable, nothing unknown. Returns 0, or -EINVAL with the offending
 * name in @ret_field (lent from @fields or from @parameters). */
int varlink_check(const json_t *parameters, const struct varlink_field *fields,
                  const char **ret_field);
/* After varlink_check(): the value, or NULL / @otherwise when absent or null. */
const char *varlink_string(const json_t *parameters, const char *name);
int64_t varlink_int(const json_t *parameters, const char *name, int64_t otherwise);
bool varlink_bool(const json_t *parameters, const char *name, bool otherwise);

/* Each appends one NUL-terminated message. @parameters is borrowed, NULL for none. Returns 0, -E2BIG
 * beyond the buffer's maximum, -ENOMEM; nothing was appended then. */
int varlink_put_call(struct buf *b, const char *method, const json_t *parameters, bool more);
int varlink_put_reply(struct buf *b, const json_t *parameters, bool continues);
int varlink_put_error(struct buf *b, const char *error, const json_t *parameters);
