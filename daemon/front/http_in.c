#include "daemon/front/http_in.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sockdiag.h"
#include "daemon/front/audit.h"
#include "daemon/front/endpoint.h"
#include "daemon/front/http_guard.h"
#include "daemon/front/http_head.h"
#include "daemon/front/peers.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ACCEPTS_PER_TURN    64
#define RUNS_PER_TURN       16
#define PAUSE_USEC          (100 * USEC_PER_MSEC) /* when accept4(2) fails for lack of anything */
#define TIMER_ACCURACY_USEC (50 * USEC_PER_MSEC)
#define LIFE_USEC           (HTTP_REQUEST_SEC * USEC_PER_SEC)
#define LOG_TEXT_MAX        256

/* MHD_USE_NO_THREAD_SAFETY of MHD 1.0, whose name older headers do not have, and which older libraries
 * do not look at: without it MHD_add_connection() would only queue, and serve() relies on more. */
#define USE_NO_THREAD_SAFETY (1U << 19)

struct http_conn {
        struct http_in *owner;
        struct http_conn *prev, *next; /* http_in::first, while is_listed */
        uint64_t deadline_usec;
        int fd; /* MHD's: only ever shut down here */
        bool is_listed;
        bool had_request;
        bool is_judged;  /* the guard has let this request pass */
        size_t path_len; /* of the raw path, which may be longer than what is kept of it */
        struct peer_end peer;
        char path[HTTP_PATH_MAX + 1];
        struct http_call call; /* lends from path and from MHD's pool, both good for one request */
        struct endpoint_request request;
};

struct http_in {
        struct endpoint *endpoint;
        struct audit *audit;
        struct MHD_Daemon *mhd;
        uint16_t port;
        struct sockaddr_in local;
        int listen_fd, listen6_fd;
        int diag_fd;
        int reserve_fd; /* given up for a moment to refuse a connection when descriptors run out */

        sd_event_source *on_listen, *on_listen6, *on_mhd, *more, *pause, *deadline;
        bool is_deadline_armed;

        uint64_t now_usec; /* when this turn of the loop began: exact enough for seconds */
        /* every connection that is not held by the endpoint, the next to end first */
        struct http_conn *first, *last;
        struct http_conn *starting; /* handed to MHD_add_connection() right now */
        struct http_head head; /* of the request that is being judged; too big to clear each time */
        unsigned n_connections;
};

static void conn_unlist(struct http_conn *c) {
        struct http_in *h = c->owner;

        if (!c->is_listed)
                return;
        if (c->prev)
                c->prev->next = c->next;
        else
                h->first = c->next;
        if (c->next)
                c->next->prev = c->prev;
        else
                h->last = c->prev;
        c->prev = c->next = NULL;
        c->is_listed = false;
}

/* Gives @c a whole new span. The timer is left alone: it looks at the list's head when it fires. */
static void conn_renew(struct http_conn *c) {
        struct http_in *h = c->owner;

        conn_unlist(c);
        c->deadline_usec = h->now_usec + LIFE_USEC;
        c->prev = h->last;
        if (h->last)
                h->last->next = c;
        else
                h->first = c;
        h->last = c;
        c->is_listed = true;

        if (!h->is_deadline_armed) {
                /* neither can fail for a timer of a running loop */
                (void)sd_event_source_set_time(h->deadline, c->deadline_usec);
                (void)sd_event_source_set_enabled(h->deadline, SD_EVENT_ONESHOT);
                h->is_deadline_armed = true;
        }
}

/* MHD's own timeout counts idleness only, so one byte a second would keep a connection for ever. It
 * sees the end of the stream and closes. */
static void conn_end(struct http_conn *c) {
        conn_unlist(c);
        (void)shutdown(c->fd, SHUT_RDWR); /* fails only for a peer that has gone */
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        struct http_in *h = userdata;
        uint64_t now_usec = clock_boot_usec();

        (void)usec;
        h->is_deadline_armed = false;
        while (h->first && h->first->deadline_usec <= now_usec)
                conn_end(h->first);
        if (h->first) {
                /* neither can fail for a timer of a running loop */
                (void)sd_event_source_set_time(s, h->first->deadline_usec);
                (void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
                h->is_deadline_armed = true;
        }
        return 0;
}

/* Lets MHD work until it has nothing left that is ready; the rest of a long queue waits one turn. */
static void pump(struct http_in *h) {
        MHD_UNSIGNED_LONG_LONG msec;

        h->now_usec = clock_boot_usec();
        for (unsigned i = 0; i < RUNS_PER_TURN; i++) {
                (void)MHD_run(h->mhd); /* fails only in a daemon with threads */
                if (MHD_get_timeout(h->mhd, &msec) != MHD_YES || msec > 0)
                        return;
        }
        (void)sd_event_source_set_enabled(h->more, SD_EVENT_ONESHOT); /* cannot fail here */
}

static int on_mhd(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        (void)s;
        (void)fd;
        (void)events; /* MHD asks its epoll itself */
        pump(userdata);
        return 0;
}

static int on_more(sd_event_source *s, void *userdata) {
        (void)s; /* one-shot */
        pump(userdata);
        return 0;
}

static void on_resumed(void *userdata) {
        struct http_in *h = userdata;

        (void)sd_event_source_set_enabled(h->more, SD_EVENT_ONESHOT); /* cannot fail here */
}

/* The connection nearest to its end makes room for a new one. */
static bool make_room(struct http_in *h) {
        unsigned before = h->n_connections;

        if (!h->first)
                return false;
        conn_end(h->first);
        pump(h);
        return h->n_connections < before;
}

/* The owner of the other end is not this user, or @r says why it is not known. What has gone already wanted
 * nothing, and whose it was nobody can tell: that is no record of a stranger. */
static void note_refused(struct http_in *h, int r, uid_t uid) {
        if (r == -ENOENT)
                log_debug("a connection was closed before its owner was found out");
        else
                audit_stranger(h->audit, r == 0 ? uid : AUDIT_UNKNOWN_UID);
}

/* Whether the other end of the connection from @peer is ours. Nothing is read before this is known. */
static bool peer_is_ours(struct http_in *h, const struct sockaddr_in *peer, uint32_t *ret_inode) {
        uid_t uid = (uid_t)-1;
        int r;

        if (peer->sin_family != AF_INET || ntohl(peer->sin_addr.s_addr) >> 24 != 127) {
                note_refused(h, -EPERM, uid);
                return false;
        }
        r = sockdiag_peer_uid(h->diag_fd, peer, &h->local, &uid, ret_inode);
        if (r == 0 && uid == getuid())
                return true;
        note_refused(h, r, uid);
        return false;
}

/* Hands @fd (taken) to MHD. @inode: of the client's socket. */
static void serve(struct http_in *h, int fd, const struct sockaddr *peer, socklen_t peer_len,
                  uint32_t inode) {
        struct http_conn *c;

        if (h->n_connections >= HTTP_CONNECTIONS_MAX && !make_room(h)) {
                (void)fd_close(fd); /* all are held, for 800 ms at most */
                return;
        }
        c = calloc(1, sizeof(*c));
        if (!c) {
                (void)fd_close(fd); /* the client sees a closed connection and tries again */
                return;
        }
        c->owner = h;
        c->fd = fd;
        c->peer.inode = inode;
        h->starting = c;
        /* closes the descriptor on failure; on_connection() has taken @c on success */
        if (MHD_add_connection(h->mhd, fd, peer, peer_len) != MHD_YES)
                log_debug("MHD refused a connection");
        free(h->starting);
        h->starting = NULL;
}

/* Out of descriptors: the listener would stay ready for ever, so take the connection and drop it. */
static bool shed(struct http_in *h, int listen_fd) {
        int fd;

        if (h->reserve_fd < 0)
                return false;
        h->reserve_fd = fd_close(h->reserve_fd);
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        (void)fd_close(fd);
        h->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd >= 0;
}

static bool is_waiting(int listen_fd) {
        struct pollfd p = {.fd = listen_fd, .events = POLLIN};

        return poll(&p, 1, 0) == 1;
}

/* What to do when accept4(2) failed with @r. Returns true to try again at once. */
static bool accept_again(struct http_in *h, int listen_fd, int r) {
        if (r == -EAGAIN)
                return false;
        if (r == -EINTR || r == -ECONNABORTED)
                return true;
        /* the kernel wants a descriptor before it looks whether there is a connection at all */
        if ((r == -EMFILE || r == -ENFILE) && !is_waiting(listen_fd))
                return false;
        if ((r == -EMFILE || r == -ENFILE) && (make_room(h) || shed(h, listen_fd)))
                return true;

        /* nothing helps: look again in a moment instead of spinning */
        (void)log_warning(r, "cannot accept connections, pausing");
        (void)sd_event_source_set_enabled(h->on_listen, SD_EVENT_OFF); /* cannot fail here */
        if (h->on_listen6)
                (void)sd_event_source_set_enabled(h->on_listen6, SD_EVENT_OFF); /* the same */
        (void)sd_event_source_set_time_relative(h->pause, PAUSE_USEC); /* cannot fail here */
        (void)sd_event_source_set_enabled(h->pause, SD_EVENT_ONESHOT);
        return false;
}

static int on_pause_over(sd_event_source *s, uint64_t usec, void *userdata) {
        struct http_in *h = userdata;

        (void)s; /* one-shot */
        (void)usec;
        (void)sd_event_source_set_enabled(h->on_listen, SD_EVENT_ON); /* cannot fail here */
        if (h->on_listen6)
                (void)sd_event_source_set_enabled(h->on_listen6, SD_EVENT_ON); /* the same */
        return 0;
}

static int on_listen(sd_event_source *s, int listen_fd, uint32_t events, void *userdata) {
        struct http_in *h = userdata;
        struct sockaddr_in peer;

        (void)s;
        (void)events;
        h->now_usec = clock_boot_usec();
        for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
                socklen_t peer_len = sizeof(peer);
                uint32_t inode;
                int fd;

                memset(&peer, 0, sizeof(peer));
                fd = accept4(listen_fd, (struct sockaddr *)&peer, &peer_len,
                             SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd < 0) {
                        if (accept_again(h, listen_fd, -errno))
                                continue;
                        break;
                }
                if (peer_is_ours(h, &peer, &inode))
                        serve(h, fd, (struct sockaddr *)&peer, peer_len, inode);
                else
                        (void)fd_close(fd);
        }
        pump(h); /* the requests are mostly there already */
        return 0;
}

/* Held only so that nobody else can be what "localhost" means on a machine that prefers IPv6. */
static int on_listen6(sd_event_source *s, int listen_fd, uint32_t events, void *userdata) {
        struct http_in *h = userdata;

        (void)s;
        (void)events;
        for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0 && !accept_again(h, listen_fd, -errno))
                        break;
                (void)fd_close(fd);
        }
        return 0;
}

static void on_mhd_log(void *userdata, const char *format, va_list ap) {
        char text[LOG_TEXT_MAX];

        (void)userdata;
        (void)vsnprintf(text, sizeof(text), format, ap); /* a cut message is still a message */
        log_debug("MHD: %s", text);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
        struct http_in *h = cls;
        struct http_conn *c;

        (void)connection;
        if (code == MHD_CONNECTION_NOTIFY_STARTED) {
                c = TAKE_PTR(h->starting);
                *socket_context = c;
                h->n_connections++;
                conn_renew(c);
                return;
        }
        c = TAKE_PTR(*socket_context);
        if (!c)
                return;
        assert(!c->request.is_held);
        conn_unlist(c);
        h->n_connections--;
        free(c);
}

static struct http_conn *conn_of(struct MHD_Connection *connection) {
        return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
                ->socket_context;
}

/* Sees the path as it was sent: afterwards MHD cuts it at "?" and unescapes it in place. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *connection) {
        struct http_conn *c = conn_of(connection);

        (void)cls;
        c->path_len = strlen(uri);
        memcpy(c->path, uri, c->path_len < HTTP_PATH_MAX ? c->path_len + 1 : HTTP_PATH_MAX);
        c->is_judged = false;
        c->request = (struct endpoint_request){.peer = &c->peer};
        if (c->had_request) /* the first one's time runs from accept */
                conn_renew(c);
        c->had_request = true;
        return c;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request_state,
                         enum MHD_RequestTerminationCode code) {
        struct http_conn *c = *request_state;

        (void)cls;
        (void)connection;
        (void)code;
        if (c)
                conn_renew(c);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **request_state) {
        struct http_in *h = cls;
        struct http_conn *c = *request_state;
        int r;

        (void)upload;
        if (!c->is_judged) {
                enum http_refusal refusal;

                http_head_read(&h->head, connection, method, url, version, c->path, c->path_len);
                refusal = http_guard(&h->head, h->port, &c->call);
                if (refusal == HTTP_OK) {
                        c->is_judged = true;
                        return MHD_YES; /* MHD asks again when it has seen that there is no body */
                }
                /* an answer in this first round also ends the connection: no body is waited for,
                 * and nothing that follows a refused request is taken for one */
                r = endpoint_refuse(h->endpoint, &c->request, connection, refusal);
                return r < 0 ? MHD_NO : MHD_YES;
        }
        if (*upload_len > 0)
                return MHD_NO; /* cannot be: the guard lets no body pass */

        r = endpoint_answer(h->endpoint, &c->request, connection, &c->call);
        if (r == -EINPROGRESS) {
                conn_unlist(c); /* the endpoint's own timer bounds it */
                return MHD_YES;
        }
        if (!c->is_listed)
                conn_renew(c); /* was held: now it has its time to take the answer */
        return r < 0 ? MHD_NO : MHD_YES;
}

static int start_mhd(struct http_in *h, sd_event *event) {
        const unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                               MHD_USE_ERROR_LOG | USE_NO_THREAD_SAFETY;
        const union MHD_DaemonInfo *info;
        int r;

        h->mhd = MHD_start_daemon(
                flags, 0, NULL, NULL, on_request, h,
                /* must be the first */
                MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,                    /* */
                MHD_OPTION_URI_LOG_CALLBACK, on_request_line, h,                 /* */
                MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,                  /* */
                MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,                    /* */
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_POOL_LEN,               /* */
                MHD_OPTION_STRICT_FOR_CLIENT, (int)http_head_mhd_is_strict(),    /* see there */
                MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX + 1, /* ours decides */
                MHD_OPTION_END);
        if (!h->mhd)
                return -ENOMEM;
        info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info || info->epoll_fd < 0)
                return -ENOTSUP;

        r = sd_event_add_io(event, &h->on_mhd, info->epoll_fd, EPOLLIN, on_mhd, h);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(h->on_mhd, "http-mhd"); /* for debugging only */
        r = sd_event_add_defer(event, &h->more, on_more, h);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(h->more, "http-more"); /* the same */
        return sd_event_source_set_enabled(h->more, SD_EVENT_OFF);
}

static int add_timer(sd_event *event, sd_event_source **ret, sd_event_time_handler_t fn,
                     const char *description, struct http_in *h) {
        int r;

        r = sd_event_add_time(event, ret, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC, fn, h);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(*ret, description); /* for debugging only */
        return sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_listeners(struct http_in *h, sd_event *event) {
        int r;

        r = sd_event_add_io(event, &h->on_listen, h->listen_fd, EPOLLIN, on_listen, h);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(h->on_listen, "http-listen"); /* for debugging only */
        if (h->listen6_fd < 0)
                return 0;
        r = sd_event_add_io(event, &h->on_listen6, h->listen6_fd, EPOLLIN, on_listen6, h);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(h->on_listen6, "http-listen6"); /* the same */
        return 0;
}

int http_in_new(sd_event *event, int listen_fd, int listen6_fd, uint16_t port,
                struct endpoint *endpoint, struct audit *audit, struct http_in **ret) {
        _cleanup_(http_in_freep) struct http_in *h = NULL;
        int r;

        assert(event && endpoint && ret);
        assert(listen_fd >= 0);

        h = calloc(1, sizeof(*h));
        if (!h) {
                (void)fd_close(listen_fd); /* taken in any case */
                (void)fd_close(listen6_fd);
                return -ENOMEM;
        }
        h->endpoint = endpoint;
        h->audit = audit;
        h->port = port;
        h->listen_fd = listen_fd;
        h->listen6_fd = listen6_fd;
        h->reserve_fd = -EBADF;
        h->local = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        h->diag_fd = sockdiag_open();
        if (h->diag_fd < 0)
                return h->diag_fd;
        h->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (h->reserve_fd < 0)
                return -errno;

        r = start_mhd(h, event);
        if (r < 0)
                return r;
        r = add_timer(event, &h->deadline, on_deadline, "http-deadline", h);
        if (r < 0)
                return r;
        r = add_timer(event, &h->pause, on_pause_over, "http-pause", h);
        if (r < 0)
                return r;
        r = add_listeners(h, event);
        if (r < 0)
                return r;
        endpoint_on_resumed(endpoint, on_resumed, h);

        *ret = TAKE_PTR(h);
        return 0;
}

/* MHD_stop_daemon() aborts the process when a connection is still suspended. */
static void stop(struct http_in *h) {
        h->on_listen = sd_event_source_disable_unref(h->on_listen);
        h->on_listen6 = sd_event_source_disable_unref(h->on_listen6);
        if (h->mhd) {
                endpoint_on_resumed(h->endpoint, NULL, NULL);
                endpoint_answer_held(h->endpoint);
                pump(h);
        }
        h->on_mhd = sd_event_source_disable_unref(h->on_mhd);
        h->more = sd_event_source_disable_unref(h->more);
        if (h->mhd)
                MHD_stop_daemon(h->mhd);
        h->mhd = NULL;
        assert(h->n_connections == 0);
        h->deadline = sd_event_source_disable_unref(h->deadline);
        h->pause = sd_event_source_disable_unref(h->pause);
}

struct http_in *http_in_free(struct http_in *h) {
        if (!h)
                return NULL;
        stop(h);
        h->listen_fd = fd_close(h->listen_fd);
        h->listen6_fd = fd_close(h->listen6_fd);
        h->diag_fd = fd_close(h->diag_fd);
        h->reserve_fd = fd_close(h->reserve_fd);
        free(h);
        return NULL;
}

void http_in_detach(struct http_in *h, int *ret_listen_fd, int *ret_listen6_fd) {
        stop(h);
        *ret_listen_fd = TAKE_FD(h->listen_fd);
        *ret_listen6_fd = TAKE_FD(h->listen6_fd);
}
