/* http_answer.h - an answer made ready once and sent any number of times, with the headers that every
 * answer of ours has.
 * Owns:  nothing; an answer is libmicrohttpd's counted object, released by http_answer_free().
 * Calls: secret.h, libmicrohttpd.
 * Limit: none of its own. */
#pragma once
#include "common/macros.h"

struct MHD_Response;
struct secret;

/* @body is copied. Returns 0 or -ENOMEM. */
int http_answer_new(const char *body, size_t len, struct MHD_Response **ret);
/* @body is taken, also on failure, and wiped when the last connection has sent it. */
int http_answer_new_secret(struct secret *body, struct MHD_Response **ret);
/* One more header, as 405 has one. Returns 0 or -ENOMEM. */
int http_answer_add_header(struct MHD_Response *answer, const char *name, const char *value);
/* Connections that still send it keep it alive. NULL is allowed. Always returns NULL. */
struct MHD_Response *http_answer_free(struct MHD_Response *answer);
static inline void http_answer_freep(struct MHD_Response **p) {
        (void)http_answer_free(*p); /* returns NULL by convention */
}
