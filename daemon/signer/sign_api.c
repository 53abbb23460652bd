#include "daemon/signer/sign_api.h"
#include "common/boot_id.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/signer_proto.h"
#include "daemon/signer/code_memory.h"
#include "daemon/signer/sign.h"
#include "daemon/signer/vault.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct connection {
        struct sign_api *api;
        sd_event_source *io;
        int fd; /* -EBADF: this place is free */
};

struct sign_api {
        sd_event *event;
        sd_event_source *io;
        int listen_fd;
        struct vault *vault;
        struct code_memory *codes;
        char boot_id[BOOT_ID_LEN + 1];
        struct connection connections[SIGN_CONNECTIONS_MAX];
        char packet[SIGNER_PACKET_MAX]; /* wiped after each: it may hold a code or a key */
};

static void connection_close(struct connection *c) {
        c->io = sd_event_source_disable_unref(c->io);
        c->fd = fd_close(c->fd);
        /* there is a descriptor again, if they had run out; cannot fail on a living source */
        (void)sd_event_source_set_enabled(c->api->io, SD_EVENT_ON);
}

static struct sign_context context_of(const struct sign_api *s) {
        return (struct sign_context){
                .vault = vault_state(s->vault),
                .keys = vault_keys(s->vault),
                .wrap = {.kek = vault_kek(s->vault),
                         .vault_id = vault_id(s->vault),
                         .boot_id = s->boot_id},
                .former_keks = vault_former_keks(s->vault),
                .codes = s->codes,
                .now_sec = clock_wall_sec(),
        };
}

/* The whole packet at once or not at all: a peer that lets its queue fill up is dropped. */
static void connection_send(struct connection *c, const struct buf *packet) {
        if (send(c->fd, packet->data, packet->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
                log_debug("dropping a client of the sign socket: %s", strerror(errno));
                connection_close(c);
        }
}

void sign_api_tell(struct sign_api *s) {
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(SIGNER_PACKET_MAX);
        struct sign_context context = context_of(s);
        int r;

        r = sign_status(&context, /* id= */ 0, &packet);
        for (size_t i = 0; i < ELEMENTSOF(s->connections); i++) {
                struct connection *c = &s->connections[i];

                if (c->fd < 0)
                        continue;
                if (r < 0)
                        connection_close(c); /* rather no news than old ones: it will ask again */
                else
                        connection_send(c, &packet);
        }
}

/* Returns the length of the packet now in s->packet, 0 when there is none, or a negative errno when
 * the connection must go (-ECONNRESET at its end). */
static ssize_t receive(struct sign_api *s, int fd) {
        struct iovec part = {.iov_base = s->packet, .iov_len = sizeof(s->packet)};
        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t n;

        n = recvmsg(fd, &m, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        /* too long, or with descriptors, which the kernel has closed for want of room */
        if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -EBADMSG;
        return n;
}

static int on_packet(sd_event_source *source _unused_, int fd, uint32_t revents _unused_,
                     void *userdata) {
        struct connection *c = userdata;
        struct sign_api *s = c->api;
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(SIGNER_PACKET_MAX);
        struct sign_context context = context_of(s);
        ssize_t n;
        int r;

        n = receive(s, fd);
        if (n == 0)
                return 0;
        r = n < 0 ? (int)n : sign_packet(&context, s->packet, (size_t)n, &packet);
        explicit_bzero(s->packet, n > 0 ? (size_t)n : sizeof(s->packet));
        if (r >= 0) {
                connection_send(c, &packet);
                return 0;
        }
        if (r != -ECONNRESET)
                (void)log_warning(r, "dropping a client of the sign socket");
        connection_close(c);
        return 0;
}

static bool peer_is_us(int fd) {
        struct ucred peer;
        socklen_t len = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return false;
        if (peer.uid == getuid())
                return true;
        (void)log_warning(0, "refusing uid %u on the sign socket", peer.uid);
        return false;
}

static struct connection *free_place(struct sign_api *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->connections); i++)
                if (s->connections[i].fd < 0)
                        return &s->connections[i];
        return NULL;
}

static int on_connection(sd_event_source *source, int listen_fd, uint32_t revents _unused_,
                         void *userdata) {
        struct sign_api *s = userdata;
        _cleanup_(fd_closep) int fd = -EBADF;
        struct connection *c = free_place(s);
        int r;

        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
                (void)log_warning(-errno, "not accepting on the sign socket until a client leaves");
                (void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* else it would spin */
        }
        if (fd < 0 || !peer_is_us(fd))
                return 0;
        if (!c) {
                (void)log_warning(0, "more than %d clients on the sign socket, refusing one",
                                  SIGN_CONNECTIONS_MAX);
                return 0;
        }
        r = sd_event_add_io(s->event, &c->io, fd, EPOLLIN, on_packet, c);
        if (r < 0) {
                (void)log_warning(r, "cannot serve a client of the sign socket");
                return 0;
        }
        (void)sd_event_source_set_description(c->io, "sign-connection"); /* for debugging only */
        c->fd = TAKE_FD(fd);
        return 0;
}

int sign_api_new(sd_event *event, int listen_fd, int runtime_dir_fd, struct vault *vault,
                 struct sign_api **ret) {
        _cleanup_(sign_api_freep) struct sign_api *s = NULL;
        int r;

        assert(listen_fd >= 0);
        assert(vault);

        s = calloc(1, sizeof(*s));
        if (!s) {
                (void)fd_close(listen_fd);
                return -ENOMEM;
        }
        s->listen_fd = listen_fd;
        s->event = sd_event_ref(event);
        s->vault = vault;
        for (size_t i = 0; i < ELEMENTSOF(s->connections); i++)
                s->connections[i] = (struct connection){.api = s, .fd = -EBADF};
        r = boot_id_read(s->boot_id);
        if (r < 0)
                return r;
        r = code_memory_new(runtime_dir_fd, &s->codes);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &s->io, listen_fd, EPOLLIN, on_connection, s);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(s->io, "sign-listener"); /* for debugging only */
        *ret = TAKE_PTR(s);
        return 0;
}

struct sign_api *sign_api_free(struct sign_api *s) {
        if (!s)
                return NULL;
        s->io = sd_event_source_disable_unref(s->io);
        for (size_t i = 0; i < ELEMENTSOF(s->connections); i++)
                connection_close(&s->connections[i]);
        s->listen_fd = fd_close(s->listen_fd);
        s->codes = code_memory_free(s->codes);
        s->event = sd_event_unref(s->event);
        free(s);
        return NULL;
}

int sign_api_listen_fd(const struct sign_api *s) {
        return s->listen_fd;
}
