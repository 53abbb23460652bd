/* https.h - one POST, one answer, within hard limits; and what went wrong, told apart.
 * Owns:  the transfer, for the length of the call.
 * Calls: libcurl on OpenSSL; aws_answer.h to make texts printable.
 * Limit: FETCH_TOTAL_SEC in all, HTTPS_CONNECT_SEC to name, connection, proxy and TLS,
 *        HTTPS_HEADERS_MAX and HTTPS_BODY_MAX bytes of answer. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTPS_CONNECT_SEC 5
#define HTTPS_HEADERS_MAX ((size_t)16 * 1024)
#define HTTPS_BODY_MAX    ((size_t)64 * 1024)

struct buf;
struct fetch_answer;
struct fetch_request;

/* Prepares the libraries: their memory is wiped when freed, and no configuration file or variable
 * of theirs counts. Once, before anything else of OpenSSL's. Returns 0 or a negative errno. */
int https_open(void);

/* Sends @q, through its proxy unless the URL is of this machine, and reads the answer into @body (an
 * empty buffer with the maximum HTTPS_BODY_MAX). Fills of @a: `was_sent` and `text` always; `http_status`,
 * `date_sec`, `is_date_verified` when an answer came; `outcome`: FETCH_OK for a whole answer, whatever its
 * status is, else why there is none. Returns 0 or -ENOMEM. */
int https_post(const struct fetch_request *q, struct fetch_answer *a, struct buf *body);

/* Reads "Sun, 06 Nov 1994 08:49:37 GMT", the one form that RFC 9110 5.6.7 lets a server send.
 * Returns 0 or -EINVAL. */
int https_parse_date(const char *text, int64_t *ret_wall_sec);

/* True for a URL that names this machine ("localhost", 127.0.0.1, [::1] and their like), and for any
 * http:, which goes nowhere else. */
bool https_is_loopback(const char *url);
