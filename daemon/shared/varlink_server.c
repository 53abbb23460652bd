#include "daemon/shared/varlink_server.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/log.h"
#include "common/varlink_text.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define READ_LEN          4096 /* bytes taken per turn of the loop */
#define ACCEPT_PAUSE_MSEC 100  /* when the process has no descriptor left */
#define METHOD_NAME_MAX   256

/* One peer. Reading stops while a call is in work or its answer has not been taken: so a peer can
 * make us hold one message, one call and one answer, whatever it sends. */
struct connection {
        struct varlink_server *server; /* NULL when closed while its method still runs */
        unsigned slot;
        int fd;
        sd_event_source *io;
        sd_event_source *deadline; /* for a message that has begun, ours or theirs */
        struct buf in, out;
        struct varlink_call *call;
        bool is_last;        /* takes no further call: closes when this one's answer is out */
        bool is_dispatching; /* a method is on the stack: do not free */
};

struct varlink_call {
        struct connection *connection;
        bool wants_more, is_oneway;
        varlink_gone_fn gone;
        void *userdata;
};

struct varlink_server {
        sd_event *event;
        sd_event_source *accept;
        sd_event_source *pause; /* of accept */
        int listen_fd;
        const struct varlink_interface *interfaces[2]; /* the caller's, and org.varlink.service */
        void *userdata;
        struct connection
                *slots[VARLINK_CONNECTIONS_MAX + 1]; /* the last one is the reserved one */
};

static bool is_reserved(const struct connection *c) {
        return c->slot == VARLINK_CONNECTIONS_MAX;
}

/* Ends the call without an answer and tells whoever works on it. */
static void call_drop(struct varlink_call *call) {
        if (!call)
                return;
        call->connection->call = NULL;
        if (call->gone)
                call->gone(call, call->userdata);
        free(call);
}

/* Closes @c now; its memory goes too, or when the method on the stack has returned. */
static void connection_close(struct connection *c) {
        if (c->server) {
                c->server->slots[c->slot] = NULL;
                c->server = NULL;
        }
        c->io = sd_event_source_disable_unref(c->io);
        c->deadline = sd_event_source_disable_unref(c->deadline);
        c->fd = fd_close(c->fd);
        buf_clear(&c->in);
        buf_clear(&c->out);
        call_drop(c->call);
        if (!c->is_dispatching)
                free(c);
}

/* Gives @c up from inside a call into us: the loop closes it in its next turn. */
static void connection_break(struct connection *c) {
        buf_clear(&c->in);
        buf_clear(&c->out);
        c->is_last = true;
        (void)shutdown(c->fd, SHUT_RDWR); /* raises EPOLLHUP here; the peer may be gone already */
}

static void deadline_stop(struct connection *c) {
        (void)sd_event_source_set_enabled(c->deadline, SD_EVENT_OFF); /* cannot fail for a timer */
}

/* Sends what the peer takes now. Returns 0 or a negative errno. */
static int connection_flush(struct connection *c) {
        ssize_t n;

        if (c->out.len == 0)
                return 0;
        n = send(c->fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        buf_consume(&c->out, (size_t)n);
        if (c->out.len == 0) {
                buf_clear(&c->out); /* gives its memory back */
                deadline_stop(c);
        }
        return 0;
}

/* Reads some of what the peer sent. Returns 0 or a negative errno. */
static int connection_fill(struct connection *c) {
        size_t room = VARLINK_IN_MAX - c->in.len;
        struct iovec part;
        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
        char *at;
        ssize_t n;
        int r;

        assert(room > 0); /* see connection_step() */

        if (room > READ_LEN)
                room = READ_LEN;
        r = buf_reserve(&c->in, room, &at);
        if (r < 0)
                return r;
        part = (struct iovec){.iov_base = at, .iov_len = room};
        n = recvmsg(c->fd, &m, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        /* without room for them, the kernel drops descriptors before they become ours, and says so */
        if (m.msg_flags & MSG_CTRUNC)
                return -EPROTO;
        if (n == 0)
                return -EPIPE; /* all that it said was answered, or we would not read */
        buf_commit(&c->in, (size_t)n);
        return 0;
}

static const struct varlink_interface *find_interface(const struct varlink_server *s,
                                                      const char *name, size_t len) {
        for (size_t i = 0; i < ELEMENTSOF(s->interfaces); i++) {
                const struct varlink_interface *known = s->interfaces[i];

                if (strlen(known->name) == len && memcmp(known->name, name, len) == 0)
                        return known;
        }
        return NULL;
}

static const struct varlink_method *find_method(const struct varlink_interface *interface,
                                                const char *name) {
        for (const struct varlink_method *m = interface->methods; m->name; m++)
                if (strcmp(m->name, name) == 0)
                        return m;
        return NULL;
}

static void call_error_about(struct varlink_call *call, const char *error, const char *key,
                             const char *value) {
        varlink_call_error(call, error, json_pack("{s:s}", key, value));
}

/* Finds and runs the method @name for @call. Returns 0, or -EPROTO when the connection must go. */
static int call_run(struct varlink_server *s, struct varlink_call *call, const char *name,
                    const json_t *parameters) {
        const char *dot = strrchr(name, '.'), *method_name = dot ? dot + 1 : name, *field;
        size_t interface_len = dot ? (size_t)(dot - name) : 0;
        const struct varlink_interface *interface = find_interface(s, name, interface_len);
        const struct varlink_method *m = interface ? find_method(interface, method_name) : NULL;

        if (is_reserved(call->connection) && !(m && m->is_urgent))
                return -EPROTO;
        if (dot && !interface)
                varlink_call_error(call, "org.varlink.service.InterfaceNotFound",
                                   json_pack("{s:s%}", "interface", name, interface_len));
        else if (!m)
                call_error_about(call, "org.varlink.service.MethodNotFound", "method", name);
        else if (varlink_check(parameters, m->fields, &field) < 0)
                call_error_about(call, "org.varlink.service.InvalidParameter", "parameter", field);
        else {
                call->wants_more = call->wants_more && m->takes_more;
                m->fn(call, parameters, interface == s->interfaces[0] ? s->userdata : s);
        }
        return 0;
}

/* The members that a call may have (varlink.org/Method-Call), each of the right type. */
static bool is_call(const json_t *message) {
        const char *name;
        json_t *value;

        /* iterating does not change the object; jansson's macro wants it writable all the same */
        json_object_foreach((json_t *)message, name, value) {
                if (strcmp(name, "method") == 0) {
                        if (!json_is_string(value) ||
                            !text_is_printable(json_string_value(value), METHOD_NAME_MAX))
                                return false;
                } else if (strcmp(name, "parameters") == 0) {
                        if (!json_is_object(value) && !json_is_null(value))
                                return false;
                } else if (strcmp(name, "more") == 0 || strcmp(name, "oneway") == 0 ||
                           strcmp(name, "upgrade") == 0) {
                        if (!json_is_boolean(value))
                                return false;
                } else
                        return false;
        }
        return json_object_get(message, "method");
}

/* Turns @message into the connection's call. Returns as call_run(). */
static int connection_dispatch(struct connection *c, const json_t *message) {
        const char *name = json_string_value(json_object_get(message, "method"));
        const json_t *parameters = json_object_get(message, "parameters");
        struct varlink_call *call;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->connection = c;
        call->is_oneway = varlink_bool(message, "oneway", false);
        call->wants_more = !call->is_oneway && varlink_bool(message, "more", false);
        c->call = call;
        if (varlink_bool(message, "upgrade", false)) {
                call_error_about(call, "org.varlink.service.MethodNotImplemented", "method", name);
                return 0;
        }
        return call_run(c->server, call, name, json_is_null(parameters) ? NULL : parameters);
}

/* Works on the first message in the buffer, if it is complete. Returns 0 or a negative errno. */
static int connection_step(struct connection *c) {
        ssize_t len = varlink_frame(&c->in);
        json_t *message;
        int r;

        if (len < 0)
                return c->in.len < VARLINK_IN_MAX ? 0 : -EMSGSIZE; /* full without a message */
        r = varlink_parse(c->in.data, (size_t)len, &message);
        buf_consume(&c->in, (size_t)len + 1); /* wiped before the method runs */
        if (c->in.len == 0)
                buf_clear(&c->in);
        deadline_stop(c);
        if (is_reserved(c)) { /* one call, then it is free for the next one */
                buf_clear(&c->in);
                c->is_last = true;
        }
        if (r < 0)
                return r;
        c->is_dispatching = true;
        r = is_call(message) ? connection_dispatch(c, message) : -EPROTO;
        c->is_dispatching = false;
        json_decref(message);
        return r;
}

/* Sets what the loop waits for, from the state of @c. Returns 0 or a negative errno. */
static int connection_arm(struct connection *c) {
        bool has_next = !c->call && varlink_frame(&c->in) >= 0;
        bool is_begun = c->out.len > 0 || (!c->call && !has_next && c->in.len > 0) ||
                        (!c->call && is_reserved(c));
        uint32_t events = 0;
        int r;

        /* a socket that can be written wakes us at once: that is how what waits gets its turn */
        if (c->out.len > 0 || has_next)
                events = EPOLLOUT;
        else if (!c->call)
                events = EPOLLIN;
        r = sd_event_source_set_io_events(c->io, events);
        if (r < 0)
                return r;

        if (!is_begun) {
                deadline_stop(c);
                return 0;
        }
        if (sd_event_source_get_enabled(c->deadline, NULL) > 0)
                return 0; /* runs since the message began */
        r = sd_event_source_set_time_relative(c->deadline, VARLINK_MESSAGE_SEC * USEC_PER_SEC);
        return r < 0 ? r : sd_event_source_set_enabled(c->deadline, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t events,
                 void *userdata) {
        struct connection *c = userdata;
        int r = 0;

        if (c->call && (events & EPOLLHUP))
                r = -EPIPE; /* nobody is left to hear the answer */
        if (r >= 0)
                r = connection_flush(c);
        if (r >= 0 && !c->call && c->out.len == 0) {
                if (!c->is_last && varlink_frame(&c->in) < 0)
                        r = connection_fill(c);
                if (r >= 0)
                        r = connection_step(c);
                if (!c->server) { /* its method closed it: what is left is the memory */
                        free(c);
                        return 0;
                }
                if (r >= 0)
                        r = connection_flush(c);
        }
        if (r >= 0 && c->is_last && !c->call && c->out.len == 0 && varlink_frame(&c->in) < 0)
                r = -EPIPE; /* all is said */
        if (r >= 0)
                r = connection_arm(c);
        if (r < 0)
                connection_close(c);
        return 0;
}

static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct connection *c = userdata;

        log_debug("a peer took more than %d s for a message: closing", VARLINK_MESSAGE_SEC);
        connection_close(c);
        return 0;
}

/* Serves @fd (taken, also on failure) in @slot. Returns 0 or a negative errno. */
static int connection_new(struct varlink_server *s, unsigned slot, int fd) {
        struct connection *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                (void)fd_close(fd);
                return -ENOMEM;
        }
        *c = (struct connection){.server = s, .slot = slot, .fd = fd};
        c->in = BUF_INIT(VARLINK_IN_MAX);
        c->out = BUF_INIT(VARLINK_OUT_MAX);
        s->slots[slot] = c;

        r = sd_event_add_io(s->event, &c->io, fd, EPOLLIN, on_io, c);
        if (r >= 0)
                r = sd_event_add_time_relative(s->event, &c->deadline, CLOCK_BOOTTIME,
                                               VARLINK_MESSAGE_SEC * USEC_PER_SEC, 0, on_deadline,
                                               c);
        if (r >= 0) {
                deadline_stop(c);
                (void)sd_event_source_set_description(c->io, "varlink-peer"); /* for debugging */
                (void)sd_event_source_set_description(c->deadline, "varlink-deadline");
                r = connection_arm(c);
        }
        if (r < 0)
                connection_close(c);
        return r;
}

static bool is_our_uid(int fd) {
        struct ucred peer;
        socklen_t len = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return false;
        if (peer.uid == getuid())
                return true;
        log_notice("refused a connection of uid %u", (unsigned)peer.uid);
        return false;
}

static int on_pause_over(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct varlink_server *s = userdata;

        (void)sd_event_source_set_enabled(s->accept, SD_EVENT_ON); /* it was valid before */
        return 0;
}

/* Without a free descriptor the listening socket would wake us again and again. */
static void pause_accept(struct varlink_server *s) {
        if (sd_event_source_set_time_relative(s->pause, ACCEPT_PAUSE_MSEC * USEC_PER_MSEC) < 0 ||
            sd_event_source_set_enabled(s->pause, SD_EVENT_ONESHOT) < 0)
                return;                                             /* then we spin, but serve */
        (void)sd_event_source_set_enabled(s->accept, SD_EVENT_OFF); /* cannot fail */
}

static int on_accept(sd_event_source *source _unused_, int listen_fd, uint32_t events _unused_,
                     void *userdata) {
        struct varlink_server *s = userdata;
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;
        unsigned slot = 0;

        if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                        (void)log_warning(-errno, "cannot accept a connection, waiting");
                        pause_accept(s);
                }
                return 0; /* anything else: that peer has left again */
        }
        while (slot < ELEMENTSOF(s->slots) && s->slots[slot])
                slot++;
        if (slot == ELEMENTSOF(s->slots) || !is_our_uid(fd)) {
                (void)fd_close(fd);
                return 0;
        }
        r = connection_new(s, slot, fd);
        if (r < 0)
                (void)log_warning(r, "cannot serve a connection");
        return 0;
}

static void on_get_info(struct varlink_call *call, const json_t *parameters _unused_,
                        void *userdata) {
        const struct varlink_server *s = userdata;

        varlink_call_reply(call, json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "mfad",
                                           "product", s->interfaces[0]->product, "version",
                                           MFAD_VERSION, "url", "man:mfad(8)", "interfaces",
                                           s->interfaces[1]->name, s->interfaces[0]->name));
}

static void on_get_description(struct varlink_call *call, const json_t *parameters,
                               void *userdata) {
        const char *name = varlink_string(parameters, "interface");
        const struct varlink_interface *interface = find_interface(userdata, name, strlen(name));

        if (!interface)
                call_error_about(call, "org.varlink.service.InterfaceNotFound", "interface", name);
        else
                varlink_call_reply(call, json_pack("{s:s}", "description", interface->description));
}

static const struct varlink_field description_fields[] = {
        {.name = "interface", .type = VARLINK_STRING, .max = METHOD_NAME_MAX},
        {0},
};
static const struct varlink_method service_methods[] = {
        {.name = "GetInfo", .fn = on_get_info},
        {.name = "GetInterfaceDescription", .fields = description_fields, .fn = on_get_description},
        {0},
};
static const struct varlink_interface service_interface = {
        .name = "org.varlink.service",
        .description = varlink_text_org_varlink_service,
        .methods = service_methods,
};

int varlink_server_new(sd_event *event, int listen_fd, const struct varlink_interface *interface,
                       void *userdata, struct varlink_server **ret) {
        _cleanup_(varlink_server_freep) struct varlink_server *s = calloc(1, sizeof(*s));
        int r;

        if (!s) {
                (void)fd_close(listen_fd);
                return -ENOMEM;
        }
        s->event = sd_event_ref(event);
        s->listen_fd = listen_fd;
        s->interfaces[0] = interface;
        s->interfaces[1] = &service_interface;
        s->userdata = userdata;

        r = sd_event_add_io(event, &s->accept, listen_fd, EPOLLIN, on_accept, s);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &s->pause, CLOCK_BOOTTIME, 0, 0, on_pause_over, s);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(s->pause, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(s->accept, "varlink-accept"); /* for debugging */
        (void)sd_event_source_set_description(s->pause, "varlink-pause");
        *ret = TAKE_PTR(s);
        return 0;
}

struct varlink_server *varlink_server_free(struct varlink_server *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(s->slots); i++)
                if (s->slots[i]) {
                        (void)connection_flush(
                                s->slots[i]); /* as far as the peer takes it at once */
                        connection_close(s->slots[i]);
                }
        s->accept = sd_event_source_disable_unref(s->accept);
        s->pause = sd_event_source_disable_unref(s->pause);
        s->listen_fd = fd_close(s->listen_fd);
        s->event = sd_event_unref(s->event);
        free(s);
        return NULL;
}

int varlink_server_listen_fd(const struct varlink_server *s) {
        return s->listen_fd;
}

/* After the last answer was queued. */
static void call_end(struct varlink_call *call) {
        struct connection *c = call->connection;

        c->call = NULL;
        free(call);
        /* inside a method on_io() does the rest when the method has returned */
        if (!c->is_dispatching && connection_arm(c) < 0)
                connection_break(c);
}

void varlink_call_reply(struct varlink_call *call, json_t *parameters) {
        struct connection *c = call->connection;

        if (!call->is_oneway && varlink_put_reply(&c->out, parameters, /* continues= */ false) < 0)
                connection_break(c);
        json_decref(parameters);
        call_end(call);
}

void varlink_call_error(struct varlink_call *call, const char *error, json_t *parameters) {
        struct connection *c = call->connection;

        if (!call->is_oneway && varlink_put_error(&c->out, error, parameters) < 0)
                connection_break(c);
        json_decref(parameters);
        call_end(call);
}

int varlink_call_notify(struct varlink_call *call, json_t *parameters) {
        struct connection *c = call->connection;
        int r;

        assert(call->wants_more);

        r = varlink_put_reply(&c->out, parameters, /* continues= */ true);
        json_decref(parameters);
        if (r >= 0 && !c->is_dispatching)
                r = connection_arm(c);
        if (r >= 0)
                return 0;
        connection_break(c);
        call_drop(call);
        return -ENOBUFS;
}

bool varlink_call_wants_more(const struct varlink_call *call) {
        return call->wants_more;
}

pid_t varlink_call_peer_pid(const struct varlink_call *call) {
        struct ucred peer;
        socklen_t len = sizeof(peer);

        return getsockopt(call->connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0
                       ? 0
                       : peer.pid;
}

void varlink_call_on_gone(struct varlink_call *call, varlink_gone_fn gone, void *userdata) {
        call->gone = gone;
        call->userdata = userdata;
}

int varlink_call_detach_fd(struct varlink_call *call) {
        struct connection *c = call->connection;
        int fd;

        if (call->is_oneway) {
                call_end(call);
                return -ENOTCONN;
        }
        c->io = sd_event_source_disable_unref(c->io); /* while the descriptor is still here */
        fd = TAKE_FD(c->fd);
        c->call = NULL;
        free(call);
        connection_close(c);
        return fd;
}
