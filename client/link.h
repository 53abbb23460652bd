/* link.h - mfactl's blocking calls to the `control` and `vault` sockets.
 * Owns:  the connection.
 * Calls: common/varlink.h, the kernel.
 * Limit: VARLINK_OUT_MAX bytes an answer.
 * Before a byte is sent, the socket's directory must be ours (0700) and the server's SO_PEERCRED uid
 * ours too. */
#pragma once
#include "common/macros.h"
#include <jansson.h>
#include <stdbool.h>

struct link;

/* @socket: "control" or "vault". Returns 0; -ENOENT or -ECONNREFUSED when nobody listens; -EPERM when
 * directory or server belong to someone else or we run under sudo for another uid. */
int link_open(const char *socket, struct link **ret);
/* After -ECONNRESET: the same for a service that starts afresh, as it does for a lock or a restart, and so may be
 * away for an instant. Tries for a second. */
int link_open_again(const char *socket, struct link **ret);
struct link *link_free(struct link *l);
DEFINE_FREEP(struct link, link)

/* One call. @parameters is taken (NULL for none). Waits up to @timeout_sec (0: for ever) for the
 * answer. Returns 0 with the parameters in @ret (new reference, never NULL) when the call succeeded;
 * 1 when the service answered with an error, then @ret_error holds its name and @ret its parameters;
 * -ETIMEDOUT, -ECONNRESET when the service went away, -EBADMSG. After a negative answer the link is
 * of no more use: -ENOTCONN. */
#define LINK_ERROR_MAX 128
int link_call(struct link *l, const char *method, json_t *parameters, unsigned timeout_sec,
              char ret_error[LINK_ERROR_MAX], json_t **ret);

/* A `more` call: as link_call(), but further answers follow with link_next() while @ret_continues. */
int link_call_more(struct link *l, const char *method, json_t *parameters,
                   char ret_error[LINK_ERROR_MAX], json_t **ret, bool *ret_continues);
int link_next(struct link *l, char ret_error[LINK_ERROR_MAX], json_t **ret, bool *ret_continues);

/* One call by itself, for whoever would rather have no answer than wait: connection and answer take at
 * most @patience_msec together. Returns as link_call(), but an error's name is not told. */
int link_ask(const char *socket, const char *method, unsigned patience_msec, json_t **ret);
