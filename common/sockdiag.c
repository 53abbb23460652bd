#include "common/sockdiag.h"
#include "common/macros.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

struct query {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
};

int sockdiag_open(void) {
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

        return fd < 0 ? -errno : fd;
}

/* Sends @q with a number of its own, so that an answer to an earlier one is never taken for its. */
static int send_query(int fd, struct query *q) {
        static uint32_t sequence;
        const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

        q->header = (struct nlmsghdr){.nlmsg_len = sizeof(*q),
                                      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                      .nlmsg_flags = NLM_F_REQUEST,
                                      .nlmsg_seq = ++sequence};
        if (sendto(fd, q, sizeof(*q), 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
                return -errno;
        return 0;
}

/* Reads one datagram. Returns 0 with the answer to @q, -EAGAIN for anything else, or the kernel's errno. */
static int read_answer(int fd, const struct query *q, struct inet_diag_msg *ret) {
        union {
                struct nlmsghdr header;
                char bytes[8192]; /* an error quotes the query; attributes may follow an answer */
        } m;
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(fd, &m, sizeof(m), 0, (struct sockaddr *)&from, &from_len);

        if (n < 0)
                return errno == EAGAIN ? -EIO
                                       : -errno; /* the kernel answers before sendto() ends */
        if (from.nl_pid != 0 || !NLMSG_OK(&m.header, (uint32_t)n) ||
            m.header.nlmsg_seq != q->header.nlmsg_seq)
                return -EAGAIN;
        if (m.header.nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *e = NLMSG_DATA(&m.header);

                if (m.header.nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
                        return -EBADMSG;
                return e->error < 0 && e->error != -EAGAIN ? e->error : -EBADMSG;
        }
        if (m.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
            m.header.nlmsg_len < NLMSG_LENGTH(sizeof(*ret)))
                return -EBADMSG;
        memcpy(ret, NLMSG_DATA(&m.header), sizeof(*ret));
        return 0;
}

static int ask(int fd, uint8_t family, const struct inet_diag_sockid *id,
               struct inet_diag_msg *ret) {
        struct query q = {.request = {.sdiag_family = family,
                                      .sdiag_protocol = IPPROTO_TCP,
                                      .idiag_states = ~0U,
                                      .id = *id}};
        int r;

        q.request.id.idiag_cookie[0] = q.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
        r = send_query(fd, &q);
        if (r < 0)
                return r;
        do
                r = read_answer(fd, &q, ret);
        while (r == -EAGAIN);
        return r;
}

int sockdiag_peer_uid(int fd, const struct sockaddr_in *peer, const struct sockaddr_in *local,
                      uid_t *ret_uid, uint32_t *ret_inode) {
        /* from the client's side: its own address is the source */
        const struct inet_diag_sockid id = {.idiag_sport = peer->sin_port,
                                            .idiag_dport = local->sin_port,
                                            .idiag_src[0] = peer->sin_addr.s_addr,
                                            .idiag_dst[0] = local->sin_addr.s_addr};
        struct inet_diag_msg answer = {0};
        int r;

        r = ask(fd, AF_INET, &id, &answer);
        if (r < 0)
                return r;
        /* Without an inode nobody holds the socket any more, and the uid reads 0. A connection that
         * does not exist may also find a listener on the client's port: that is not a peer. */
        if (answer.idiag_inode == 0)
                return -ENOENT;
        switch (answer.idiag_state) {
        case TCP_ESTABLISHED:
        case TCP_CLOSE_WAIT:
        case TCP_FIN_WAIT1:
        case TCP_FIN_WAIT2:
                *ret_uid = answer.idiag_uid;
                if (ret_inode)
                        *ret_inode = answer.idiag_inode;
                return 0;
        }
        return -ENOENT;
}

static int listener_uid(int fd, uint8_t family, const struct inet_diag_sockid *id, uid_t *ret_uid) {
        struct inet_diag_msg answer = {0};
        int r;

        r = ask(fd, family, id, &answer);
        if (r < 0)
                return r;
        if (answer.idiag_state != TCP_LISTEN || answer.idiag_inode == 0)
                return -ENOENT;
        *ret_uid = answer.idiag_uid;
        return 0;
}

int sockdiag_listener_uid(int fd, uint16_t port, uid_t *ret_uid) {
        const struct inet_diag_sockid id = {.idiag_sport = htons(port),
                                            .idiag_src[0] = htonl(INADDR_LOOPBACK)};

        return listener_uid(fd, AF_INET, &id, ret_uid);
}

int sockdiag_listener6_uid(int fd, uint16_t port, uid_t *ret_uid) {
        const struct inet_diag_sockid id = {.idiag_sport = htons(port),
                                            .idiag_src[3] = htonl(1)}; /* ::1 */

        return listener_uid(fd, AF_INET6, &id, ret_uid);
}
