/* control.h - the Varlink service org.mfad.Control on the `control` socket.
 * Owns:  the server and the calls in work.
 * Calls: control_methods.h, varlink_server.h.
 * Limit: those of varlink_server.h. */
#pragma once
#include "common/macros.h"
#include <systemd/sd-event.h>

struct control;
struct control_parts;

/* Serves on @listen_fd (taken, also on failure). @parts is copied. */
int control_new(sd_event *event, int listen_fd, const struct control_parts *parts,
                struct control **ret);
/* Tells every pending call that we are locked, and closes all connections. */
struct control *control_free(struct control *c);
DEFINE_FREEP(struct control, control)
/* Lent. */
int control_listen_fd(const struct control *c);
/* The vault has changed: tell who watches. Sessions are watched by itself. */
void control_changed(struct control *c);
