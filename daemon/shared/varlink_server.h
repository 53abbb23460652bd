/* varlink_server.h - a Varlink service on one listening unix socket, in sd-event.
 * Owns:  the listening descriptor, its connections and calls.
 * Calls: common/varlink.h, sd-event. Calls up only through the method table it was given.
 * Limit: VARLINK_CONNECTIONS_MAX connections plus one kept free for the method marked is_urgent, one
 *        call in work per connection, VARLINK_MESSAGE_SEC for a message once it has begun.
 * Only peers with our own uid are served (SO_PEERCRED); anyone else gets zero bytes. */
#pragma once
#include "common/macros.h"
#include "common/varlink.h"
#include <systemd/sd-event.h>

#define VARLINK_CONNECTIONS_MAX 64
#define VARLINK_MESSAGE_SEC     3

struct varlink_server;
struct varlink_call; /* one call in work; dies with its last answer or when the peer goes away */

/* Runs once per call whose parameters have passed @fields. It answers now, or keeps @call and
 * answers later. @parameters is lent until it returns. */
typedef void (*varlink_method_fn)(struct varlink_call *call, const json_t *parameters,
                                  void *userdata);

struct varlink_method {
        const char *name;                   /* "Unlock"; the table ends with NULL */
        const struct varlink_field *fields; /* NULL for none */
        varlink_method_fn fn;
        bool takes_more; /* may answer more than once when the caller said `more` */
        bool is_urgent;  /* served on the reserved connection too (Lock) */
};

struct varlink_interface {
        const char *name;        /* "org.mfad.Control" */
        const char *description; /* the installed .varlink file's text */
        const char *product;     /* for org.varlink.service.GetInfo: "mfad", "mfad-signer" */
        const struct varlink_method *methods;
};

/* Serves @interface (lent) on @listen_fd (non-blocking; taken, also on failure). Also answers
 * org.varlink.service.GetInfo and GetInterfaceDescription. */
int varlink_server_new(sd_event *event, int listen_fd, const struct varlink_interface *interface,
                       void *userdata, struct varlink_server **ret);
/* Closes everything; pending calls get no answer and their @gone callbacks run. Answers that were
 * given are sent as far as the peer takes them at once. May be called from a method. */
struct varlink_server *varlink_server_free(struct varlink_server *s);
DEFINE_FREEP(struct varlink_server, varlink_server)
/* Lent, to be handed over to a new process image. */
int varlink_server_listen_fd(const struct varlink_server *s);

/* Final answers: @call is gone afterwards. @parameters is taken (NULL for none). Never fail for the
 * caller: trouble closes the connection. */
void varlink_call_reply(struct varlink_call *call, json_t *parameters);
void varlink_call_error(struct varlink_call *call, const char *error, json_t *parameters);
/* An intermediate answer to a `more` call. Returns 0, or -EPIPE / -ENOBUFS when the peer is gone or
 * does not read (its connection is then closed and @gone has run). */
int varlink_call_notify(struct varlink_call *call, json_t *parameters);
bool varlink_call_wants_more(const struct varlink_call *call);
/* The process that connected, as the kernel knows it (SO_PEERCRED); 0 when it does not. */
pid_t varlink_call_peer_pid(const struct varlink_call *call);

/* While @call is kept: @gone runs once if the peer leaves before the last answer; do not touch the
 * call after that. */
typedef void (*varlink_gone_fn)(struct varlink_call *call, void *userdata);
void varlink_call_on_gone(struct varlink_call *call, varlink_gone_fn gone, void *userdata);
/* Takes the connection out of the server, for an answer that a new process image will write:
 * returns its descriptor (blocking off, CLOEXEC on), and the call is gone without an answer and
 * without @gone. -ENOTCONN when the caller asked for no answer (`oneway`). */
int varlink_call_detach_fd(struct varlink_call *call);
