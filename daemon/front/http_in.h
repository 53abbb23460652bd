/* http_in.h - HTTP connections: accepted, their owner checked, parsed by libmicrohttpd, ended in time.
 * Owns:  the listening sockets, every connection, MHD.
 * Calls: sockdiag.h, http_guard.h, endpoint.h, audit.h, libmicrohttpd, sd-event.
 * Limit: HTTP_CONNECTIONS_MAX connections (the oldest idle or unfinished one gives way to the newest),
 *        HTTP_REQUEST_SEC for a request, HTTP_IDLE_SEC between two, HTTP_POOL_LEN of headers. */
#pragma once
#include "common/macros.h"
#include <stdint.h>
#include <systemd/sd-event.h>

#define HTTP_CONNECTIONS_MAX 1024
/* One length for both, so that one list in the order of arrival is also in the order of deadlines. */
#define HTTP_REQUEST_SEC     5
#define HTTP_IDLE_SEC        HTTP_REQUEST_SEC
/* For the head of a request, of which 8 KiB are legal, and that of the answer. MHD zeroes all of it after
 * each request: half as much would save 256 busy connections 4 %. */
#define HTTP_POOL_LEN        ((size_t)8 * 1024)

struct audit;
struct endpoint;
struct http_in;

/* Serves @listen_fd (127.0.0.1:@port, taken) and refuses every connection on @listen6_fd ([::1], taken,
 * may be negative). @endpoint and @audit (NULL for none) are lent until http_in_free() or http_in_detach().
 * Returns 0 or a negative errno; the descriptors are taken in any case. */
int http_in_new(sd_event *event, int listen_fd, int listen6_fd, uint16_t port,
                struct endpoint *endpoint, struct audit *audit, struct http_in **ret);
/* Answers what is held, then closes everything. */
struct http_in *http_in_free(struct http_in *h);
DEFINE_FREEP(struct http_in, http_in)
/* For a new process image: answers and closes every connection, gives the listeners back (-EBADF for
 * one that there was not) and serves no more. Free @h as usual. */
void http_in_detach(struct http_in *h, int *ret_listen_fd, int *ret_listen6_fd);
