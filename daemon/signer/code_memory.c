#include "daemon/signer/code_memory.h"
#include "common/boot_id.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/wire.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#define KEY_LEN 32
#define MAC_LEN 32

#define FILE_NAME "codes"
#define FILE_MAX  ((size_t)8 * 1024)

struct entry {
        uint64_t until_usec; /* CLOCK_BOOTTIME; in the past: the place is free */
        uint8_t mac[MAC_LEN];
};

struct code_memory {
        int dir_fd;
        struct secret *key;
        struct entry entries[CODE_MEMORY_MAX];
};

/* What the file says. */
struct kept {
        char boot[BOOT_ID_LEN + 1];
        const void *key; /* KEY_LEN bytes, lent */
        struct entry entries[CODE_MEMORY_MAX];
};

static int print(const char *boot, const void *key, const struct entry entries[CODE_MEMORY_MAX],
                 struct buf *b) {
        int r;

        r = wire_put_text(b, boot);
        if (r >= 0)
                r = wire_put_bytes(b, key, KEY_LEN);
        for (size_t i = 0; i < CODE_MEMORY_MAX && r >= 0; i++) {
                r = wire_put_u64(b, entries[i].until_usec);
                if (r >= 0)
                        r = wire_put_bytes(b, entries[i].mac, MAC_LEN);
        }
        return r;
}

/* @now_usec: nothing can have been remembered for longer than from now on; a later time would take a
 * place forever. Another boot's times are not looked at. */
static int parse(const void *bytes, size_t len, const char *boot, uint64_t now_usec,
                 struct kept *ret) {
        struct kept kept = {0};
        struct wire_reader w;
        size_t key_len, mac_len;
        const void *mac;
        int r;

        wire_reader_init(&w, bytes, len);
        wire_get_text(&w, kept.boot, sizeof(kept.boot));
        kept.key = wire_get_bytes(&w, KEY_LEN, &key_len);
        for (size_t i = 0; i < CODE_MEMORY_MAX; i++) {
                kept.entries[i].until_usec = wire_get_u64(&w);
                mac = wire_get_bytes(&w, MAC_LEN, &mac_len);
                if (!mac || mac_len != MAC_LEN)
                        return -EBADMSG;
                memcpy(kept.entries[i].mac, mac, MAC_LEN);
        }
        r = wire_end(&w);
        if (r < 0)
                return r;
        if (key_len != KEY_LEN)
                return -EBADMSG;
        if (strcmp(kept.boot, boot) != 0)
                return -ESTALE;
        for (size_t i = 0; i < CODE_MEMORY_MAX; i++)
                if (kept.entries[i].until_usec > now_usec + CODE_MEMORY_SEC * USEC_PER_SEC)
                        return -EBADMSG;
        *ret = kept;
        return 0;
}

static int save(const struct code_memory *m) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(FILE_MAX);
        char boot[BOOT_ID_LEN + 1];
        int r;

        if (m->dir_fd < 0)
                return 0;
        r = boot_id_read(boot);
        if (r >= 0)
                r = print(boot, secret_reveal(m->key), m->entries, &b);
        if (r < 0)
                return r;
        return fs_replace_file(m->dir_fd, FILE_NAME, b.data, b.len, 0600);
}

/* A full disk must not keep anybody from unlocking: this process remembers all the same. */
static void save_or_warn(const struct code_memory *m) {
        int r = save(m);

        if (r < 0)
                (void)log_warning(r, "cannot keep the memory of used codes across a restart");
}

/* Takes up what an earlier process of this boot has kept. */
static int load(struct code_memory *m) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(FILE_MAX);
        char boot[BOOT_ID_LEN + 1];
        struct kept kept;
        int r;

        r = fs_read_private_file(m->dir_fd, FILE_NAME, &b);
        if (r >= 0)
                r = boot_id_read(boot);
        if (r >= 0)
                r = parse(b.data, b.len, boot, clock_boot_usec(), &kept);
        if (r < 0)
                return r;
        memcpy(secret_reveal(m->key), kept.key, KEY_LEN);
        memcpy(m->entries, kept.entries, sizeof(kept.entries));
        return 0;
}

int code_memory_new(int dir_fd, struct code_memory **ret) {
        _cleanup_(code_memory_freep) struct code_memory *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->dir_fd = -EBADF;
        r = secret_new(KEY_LEN, &m->key);
        if (r < 0)
                return r;
        if (RAND_bytes((unsigned char *)secret_reveal(m->key), KEY_LEN) != 1)
                return -EIO;
        if (dir_fd >= 0) {
                m->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
                if (m->dir_fd < 0)
                        return -errno;
                r = load(m);
                if (r < 0 && r != -ENOENT && r != -ESTALE)
                        (void)log_warning(r, "cannot read which codes were used before, ignoring");
        }
        *ret = TAKE_PTR(m);
        return 0;
}

struct code_memory *code_memory_free(struct code_memory *m) {
        if (!m)
                return NULL;
        m->key = secret_free(m->key);
        m->dir_fd = fd_close(m->dir_fd);
        free(m);
        return NULL;
}

/* Six digits are quickly tried through, so without the key a hash would be the code. Whoever can read
 * the file has both; by then the code is used, and never good for anything without the long-term key. */
static int mac_of(const struct code_memory *m, const char *serial, const char *code,
                  uint8_t mac[MAC_LEN]) {
        unsigned char text[MFA_SERIAL_MAX + 1 + 6];
        size_t serial_len = strnlen(serial, MFA_SERIAL_MAX), code_len = strnlen(code, 6);
        unsigned char *done;

        memcpy(text, serial, serial_len);
        text[serial_len] = '\0'; /* no serial holds one, so the boundary is certain */
        memcpy(text + serial_len + 1, code, code_len);
        done = HMAC(EVP_sha256(), secret_reveal(m->key), KEY_LEN, text, serial_len + 1 + code_len,
                    mac, NULL);
        explicit_bzero(text, sizeof(text));
        return done ? 0 : -EIO;
}

static struct entry *find(struct code_memory *m, const uint8_t mac[MAC_LEN], uint64_t now_usec) {
        for (size_t i = 0; i < CODE_MEMORY_MAX; i++)
                if (m->entries[i].until_usec > now_usec &&
                    secret_equal(m->entries[i].mac, mac, MAC_LEN))
                        return &m->entries[i];
        return NULL;
}

static struct entry *find_free(struct code_memory *m, uint64_t now_usec) {
        for (size_t i = 0; i < CODE_MEMORY_MAX; i++)
                if (m->entries[i].until_usec <= now_usec)
                        return &m->entries[i];
        return NULL;
}

int code_memory_check(struct code_memory *m, const char *serial, const char *code) {
        uint64_t now_usec = clock_boot_usec();
        const struct entry *e;
        uint8_t mac[MAC_LEN];

        if (mac_of(m, serial, code, mac) < 0)
                return -EIO;
        e = find(m, mac, now_usec);
        if (e)
                return (int)((e->until_usec - now_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
        return find_free(m, now_usec) ? 0 : -ENOSPC;
}

int code_memory_add(struct code_memory *m, const char *serial, const char *code) {
        uint64_t now_usec = clock_boot_usec();
        struct entry *e = find_free(m, now_usec);

        assert(e); /* code_memory_check() said so */

        if (mac_of(m, serial, code, e->mac) < 0)
                return -EIO;
        e->until_usec = now_usec + CODE_MEMORY_SEC * USEC_PER_SEC;
        save_or_warn(m);
        return 0;
}

void code_memory_forget(struct code_memory *m, const char *serial, const char *code) {
        struct entry *e;
        uint8_t mac[MAC_LEN];

        if (mac_of(m, serial, code, mac) < 0)
                return; /* then it stays remembered, which is the safe side */
        e = find(m, mac, clock_boot_usec());
        if (!e)
                return;
        explicit_bzero(e, sizeof(*e));
        save_or_warn(m);
}
