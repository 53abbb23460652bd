#include "daemon/front/signer_client.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PACKETS_PER_TURN_MAX 8
#define RECONNECT_AFTER_USEC                                                                       \
        USEC_PER_SEC /* a connection that lived so long may be renewed at once */

struct signer_call {
        struct signer_client *client;
        struct signer_call *next;
        uint32_t id;
        uint64_t deadline_usec;
        int failed; /* a negative errno that is yet to be told */
        signer_answer_fn fn;
        void *userdata;
};

struct signer_client {
        sd_event *event;
        char socket_path[PATH_LEN_MAX];
        int fd;
        sd_event_source *io;
        sd_event_source *timer; /* for the oldest call */
        sd_event_source
                *news; /* tells failed calls and the watcher, outside of signer_client_ask() */
        uint64_t connected_at_usec;
        uint32_t last_id;
        struct signer_call *calls; /* oldest first */
        size_t n_calls;

        bool has_heard; /* the vault's state, on this connection */
        bool has_news;  /* for the watcher */
        bool has_missed; /* an answer did not come: what asked for it may try again at the next status */
        enum vault_state vault;
        size_t n_keys;
        struct signer_key *keys;
        void (*watch)(void *userdata);
        void *watch_userdata;
};

bool signer_client_is_connected(const struct signer_client *c) {
        return c->has_heard;
}

enum vault_state signer_client_vault(const struct signer_client *c) {
        return c->vault;
}

size_t signer_client_n_keys(const struct signer_client *c) {
        return c->n_keys;
}

const struct signer_key *signer_client_key(const struct signer_client *c, size_t i) {
        assert(i < c->n_keys);
        return &c->keys[i];
}

const struct signer_key *signer_client_find_key(const struct signer_client *c, const char *name) {
        for (size_t i = 0; i < c->n_keys; i++)
                if (strcmp(c->keys[i].name, name) == 0)
                        return &c->keys[i];
        return NULL;
}

void signer_client_watch(struct signer_client *c, void (*fn)(void *userdata), void *userdata) {
        c->watch = fn;
        c->watch_userdata = userdata;
}

static void tell_watcher(struct signer_client *c) {
        c->has_news = false;
        if (c->watch)
                c->watch(c->watch_userdata);
}

/* @keys is taken. Returns whether anything is different now. */
static bool set_state(struct signer_client *c, enum vault_state vault, struct signer_key *keys,
                      size_t n_keys) {
        /* nothing but texts, with zeros behind them */
        bool is_same = c->vault == vault && c->n_keys == n_keys &&
                       (n_keys == 0 || memcmp(c->keys, keys, n_keys * sizeof(*keys)) == 0);

        free(c->keys);
        c->keys = keys;
        c->n_keys = n_keys;
        c->vault = vault;
        return !is_same;
}

static void arm_timer(struct signer_client *c) {
        if (!c->calls) {
                (void)sd_event_source_set_enabled(c->timer, SD_EVENT_OFF); /* no calls, no timer */
                return;
        }
        if (sd_event_source_set_time(c->timer, c->calls->deadline_usec) < 0 ||
            sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT) < 0)
                log_debug("cannot arm the signer's timer");
}

struct signer_call *signer_call_cancel(struct signer_call *call) {
        struct signer_client *c;
        struct signer_call **at;

        if (!call)
                return NULL;
        c = call->client;
        for (at = &c->calls; *at != call; at = &(*at)->next)
                ;
        *at = call->next;
        c->n_calls--;
        free(call);
        arm_timer(c);
        return NULL;
}

/* Takes @call out of the list and tells its caller, which may start the next one. */
static void finish(struct signer_call *call, int r, struct signer_answer *answer) {
        signer_answer_fn fn = call->fn;
        void *userdata = call->userdata;

        (void)signer_call_cancel(call); /* always NULL */
        if (fn)
                fn(r, answer, userdata);
}

static void fail_later(struct signer_client *c, struct signer_call *call, int r) {
        call->failed = r;
        (void)sd_event_source_set_enabled(c->news, SD_EVENT_ONESHOT); /* cannot fail once added */
}

static void disconnect(struct signer_client *c, int r) {
        c->io = sd_event_source_disable_unref(c->io);
        c->fd = fd_close(c->fd);
        c->has_heard = false;
        for (struct signer_call *call = c->calls; call; call = call->next)
                if (call->failed == 0)
                        fail_later(c, call, r);
        (void)set_state(c, VAULT_SEALED, NULL, 0);
        /* from the event loop: it may be signer_client_ask() that has found this out */
        c->has_news = true;
        (void)sd_event_source_set_enabled(c->news, SD_EVENT_ONESHOT); /* cannot fail once added */
}

static void dispatch_answer(struct signer_client *c, struct signer_answer *a) {
        struct signer_call *call = c->calls;
        bool is_news;

        if (a->type == SIGNER_ANSWER_STATUS) {
                /* unasked, it is news also when nothing of this is: another passphrase, perhaps */
                is_news = a->id == 0 || !c->has_heard || c->has_missed;
                is_news |= set_state(c, a->vault, TAKE_PTR(a->keys), a->n_keys);
                a->n_keys = 0;
                c->has_heard = true;
                c->has_missed = false;
                if (is_news)
                        tell_watcher(c);
        }
        while (call && (call->id != a->id || call->failed < 0))
                call = call->next;
        if (call)
                finish(call, 0, a);
}

/* Returns 1 after a packet, 0 when there is none yet, or a negative errno: the connection is over. */
static int receive(struct signer_client *c) {
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(SIGNER_PACKET_MAX);
        struct signer_answer a = {0};
        ssize_t n;
        char *at;
        int r;

        r = buf_reserve(&packet, SIGNER_PACKET_MAX, &at);
        if (r < 0)
                return r;
        n = recv(c->fd, at, SIGNER_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        if ((size_t)n > SIGNER_PACKET_MAX)
                return -EMSGSIZE;
        buf_commit(&packet, (size_t)n);
        r = signer_answer_decode(packet.data, packet.len, &a);
        if (r < 0)
                return r;
        dispatch_answer(c, &a);
        signer_answer_clear(&a);
        return 1;
}

static int ensure_connected(struct signer_client *c);

static int on_signer_io(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t revents,
                        void *userdata) {
        struct signer_client *c = userdata;
        bool lived;
        int r = 1;

        for (size_t i = 0; i < PACKETS_PER_TURN_MAX && r > 0 && c->fd >= 0; i++)
                r = receive(c);
        if (r >= 0)
                return 0;

        lived = clock_boot_usec() - c->connected_at_usec >= RECONNECT_AFTER_USEC;
        if (r != -ECONNRESET)
                (void)log_warning(r, "mfad-signer's answer makes no sense, closing the connection");
        disconnect(c, -ECONNRESET);
        /* a signer that was just sealed is the same process with the same socket: hear its new state */
        if (lived)
                (void)ensure_connected(c); /* else the next question tries again */
        return 0;
}

static int send_request(struct signer_client *c, const struct signer_request *request) {
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(SIGNER_PACKET_MAX);
        int r;

        r = signer_request_encode(request, &packet);
        if (r < 0)
                return r;
        if (send(c->fd, packet.data, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                return -errno;
        return 0;
}

static int check_peer(int fd) {
        struct ucred peer;
        socklen_t len = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return -errno;
        return peer.uid == getuid() ? 0 : -EPERM;
}

static int connect_signer(const char *path) {
        _cleanup_(fd_closep) int fd = -EBADF;
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* never waits: a unix socket is connected at once or, with a full queue, EAGAIN */
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        r = check_peer(fd);
        if (r < 0)
                return r;
        return TAKE_FD(fd);
}

/* Connects, and asks for the state of the vault: the first thing to know. */
static int ensure_connected(struct signer_client *c) {
        struct signer_request status = {.type = SIGNER_REQUEST_STATUS};
        int r;

        if (c->fd >= 0)
                return 0;
        r = connect_signer(c->socket_path);
        if (r < 0)
                return r;
        c->fd = r;
        c->connected_at_usec = clock_boot_usec();
        r = sd_event_add_io(c->event, &c->io, c->fd, EPOLLIN, on_signer_io, c);
        if (r >= 0) {
                (void)sd_event_source_set_description(c->io, "signer"); /* for debugging only */
                status.id = ++c->last_id;
                r = send_request(c, &status);
        }
        if (r < 0) {
                c->io = sd_event_source_disable_unref(c->io);
                c->fd = fd_close(c->fd);
        }
        return r;
}

/* A connection whose other end died unnoticed is renewed once: what could not be sent was not heard. */
static int connect_and_send(struct signer_client *c, const struct signer_request *request) {
        bool was_connected = c->fd >= 0;
        int r;

        r = ensure_connected(c);
        if (r < 0)
                return r;
        r = send_request(c, request);
        if ((r != -EPIPE && r != -ECONNRESET) || !was_connected)
                return r;
        disconnect(c, -ECONNRESET);
        r = ensure_connected(c);
        return r < 0 ? r : send_request(c, request);
}

int signer_client_ask(struct signer_client *c, const struct signer_request *request,
                      signer_answer_fn fn, void *userdata, struct signer_call **ret) {
        struct signer_request q = *request;
        struct signer_call *call, **end;
        int r;

        if (c->n_calls >= SIGNER_CALLS_MAX)
                return -EBUSY;
        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        if (++c->last_id == 0)
                c->last_id = 1; /* 0 is what nobody asked for */
        q.id = c->last_id;
        *call = (struct signer_call){.client = c,
                                     .id = q.id,
                                     .deadline_usec =
                                             clock_boot_usec() + SIGNER_ANSWER_SEC * USEC_PER_SEC,
                                     .fn = fn,
                                     .userdata = userdata};
        r = connect_and_send(c, &q);
        explicit_bzero(&q, sizeof(q)); /* it may hold a code */

        for (end = &c->calls; *end; end = &(*end)->next)
                ;
        *end = call;
        c->n_calls++;
        if (r < 0)
                fail_later(c, call, r);
        arm_timer(c);
        if (ret)
                *ret = call;
        return 0;
}

static int on_news(_unused_ sd_event_source *s, void *userdata) {
        struct signer_client *c = userdata;

        if (c->has_news)
                tell_watcher(c);
        for (struct signer_call *call = c->calls; call;) {
                int r = call->failed;

                if (r == 0) {
                        call = call->next;
                        continue;
                }
                finish(call, r, NULL);
                call = c->calls; /* the callback may have changed the list */
        }
        return 0;
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct signer_client *c = userdata;

        /* one deadline for all, so the oldest call is the first to be late */
        while (c->calls && c->calls->deadline_usec <= clock_boot_usec()) {
                log_notice("mfad-signer does not answer");
                c->has_missed = true;
                finish(c->calls, -ETIMEDOUT, NULL);
        }
        arm_timer(c);
        return 0;
}

int signer_client_new(sd_event *event, const char *socket_path, struct signer_client **ret) {
        _cleanup_(signer_client_freep) struct signer_client *c = NULL;
        int r;

        assert(ret);

        if (strlen(socket_path) >= sizeof(c->socket_path))
                return -ENAMETOOLONG;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fd = -EBADF;
        c->vault = VAULT_SEALED;
        strcpy(c->socket_path, socket_path);
        c->event = sd_event_ref(event);
        r = sd_event_add_defer(event, &c->news, on_news, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->news, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(event, &c->timer, CLOCK_BOOTTIME, 0, 0, on_timer, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(c->news, "signer-news");   /* for debugging only */
        (void)sd_event_source_set_description(c->timer, "signer-timer"); /* for debugging only */
        *ret = TAKE_PTR(c);
        return 0;
}

struct signer_client *signer_client_free(struct signer_client *c) {
        if (!c)
                return NULL;
        while (c->calls)
                (void)signer_call_cancel(c->calls);
        (void)sd_event_source_disable_unref(c->io); /* always NULL */
        (void)sd_event_source_disable_unref(c->timer);
        (void)sd_event_source_disable_unref(c->news);
        (void)fd_close(c->fd);
        (void)sd_event_unref(c->event);
        free(c->keys);
        free(c);
        return NULL;
}
