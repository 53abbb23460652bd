/* http_answer.h - an answer made ready once and sent any number of times, with the headers that every
 * answer of ours has.
 * Owns:  nothing; an answer is libmicrohttpd's counted object, released by http_answer_free().
 * Calls: secret.h, libmicrohttpd.
 * Limit: none of its own. */
#pragma once
#include "common/macros.h"
#include <stdint.h>

struct MHD_Response;
struct secret;

/* @body is copied. Returns 0 or -ENOMEM. */
int http_answer_new(const char *body, size_t len, struct MHD_Response **ret);
/* @body is taken, also on failure, and wiped when the last connection has sent it. */
int http_answer_new_secret(struct secret *body, struct MHD_Response **ret);
/* One more header, as 405 has one. Returns 0 or -ENOMEM. */
int http_answer_add_header(struct MHD_Response *answer, const char *name, const char *value);
/* From now on it says so. libmicrohttpd would compute and write it anew for each time it is sent. */
void http_answer_set_date(struct MHD_Response *answer, int64_t wall_sec);
/* Connections that still send it keep it alive. NULL is allowed. Always returns NULL. */
struct MHD_Response *http_answer_free(struct MHD_Response *answer);
static inline void http_answer_freep(struct MHD_Response **p) {
        (void)http_answer_free(*p); /* returns NULL by convention */
}
