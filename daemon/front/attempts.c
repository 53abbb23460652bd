#include "daemon/front/attempts.h"
#include "common/boot_id.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "attempts"
#define FILE_MAX  ((size_t)32 * 1024)

struct device {
        char mfa_serial[MFA_SERIAL_MAX + 1]; /* "": free */
        uint64_t refused_sec[ATTEMPTS_FREE]; /* CLOCK_BOOTTIME, newest first; 0: none */
        uint32_t wait_sec;                   /* the last wait that was set; 0: none yet */
};

struct attempts {
        int runtime_dir_fd; /* lent */
        struct device devices[ATTEMPTS_DEVICES_MAX];
};

static uint64_t now_sec(void) {
        return clock_boot_usec() / USEC_PER_SEC;
}

static struct device *find(const struct attempts *a, const char *mfa_serial) {
        for (size_t i = 0; i < ATTEMPTS_DEVICES_MAX; i++)
                if (strcmp(a->devices[i].mfa_serial, mfa_serial) == 0)
                        return (struct device *)&a->devices[i];
        return NULL;
}

/* A free place, else that of the device refused longest ago. */
static struct device *find_place(struct attempts *a) {
        struct device *oldest = &a->devices[0];

        for (size_t i = 0; i < ATTEMPTS_DEVICES_MAX; i++) {
                if (!*a->devices[i].mfa_serial)
                        return &a->devices[i];
                if (a->devices[i].refused_sec[0] < oldest->refused_sec[0])
                        oldest = &a->devices[i];
        }
        return oldest;
}

/* The first line names the boot; then one line a device: serial, last wait, times of refusal. */
static int print(const struct attempts *a, const char *boot, struct buf *text) {
        int r;

        r = buf_printf(text, "%s\n", boot);
        for (size_t i = 0; i < ATTEMPTS_DEVICES_MAX && r >= 0; i++) {
                const struct device *d = &a->devices[i];

                if (*d->mfa_serial)
                        r = buf_printf(text, "%s %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                                       d->mfa_serial, d->wait_sec, d->refused_sec[0],
                                       d->refused_sec[1], d->refused_sec[2]);
        }
        return r;
}

static int save(const struct attempts *a) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(FILE_MAX);
        char boot[BOOT_ID_LEN + 1];
        int r;

        r = boot_id_read(boot);
        if (r >= 0)
                r = print(a, boot, &text);
        if (r < 0)
                return r;
        return fs_replace_file(a->runtime_dir_fd, FILE_NAME, text.data, text.len, 0600);
}

static void save_or_warn(const struct attempts *a) {
        int r = save(a);

        if (r < 0)
                (void)log_warning(r, "cannot keep the count of refused codes across a restart");
}

static int parse_line(const char *line, uint64_t now, struct device *ret) {
        struct device d = {0};

        if (sscanf(line, "%256s %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64, d.mfa_serial,
                   &d.wait_sec, &d.refused_sec[0], &d.refused_sec[1], &d.refused_sec[2]) != 5)
                return -EBADMSG;
        if (!text_is_mfa_serial(d.mfa_serial) || d.wait_sec > ATTEMPTS_WAIT_SEC_MAX)
                return -EBADMSG;
        if (d.refused_sec[0] > now || d.refused_sec[1] > d.refused_sec[0] ||
            d.refused_sec[2] > d.refused_sec[1])
                return -EBADMSG;
        *ret = d;
        return 0;
}

static int parse_lines(struct attempts *a, const char *text, uint64_t now) {
        size_t n = 0;
        int r;

        for (const char *p = strchr(text, '\n'); p && p[1]; p = strchr(p + 1, '\n')) {
                struct device d;

                if (n == ATTEMPTS_DEVICES_MAX)
                        return -E2BIG;
                r = parse_line(p + 1, now, &d);
                if (r < 0)
                        return r;
                if (find(a, d.mfa_serial))
                        return -EBADMSG;
                a->devices[n++] = d;
        }
        return 0;
}

/* Fills an empty @a, up to the first line that is unfit. @text is not longer than FILE_MAX and ends with a
 * NUL that @len does not count; @boot and @now are those of this boot. */
static int parse(struct attempts *a, const char *text, size_t len, const char *boot, uint64_t now) {
        _cleanup_(buf_clear) struct buf again = BUF_INIT(FILE_MAX);
        int r;

        if (strncmp(text, boot, BOOT_ID_LEN) != 0)
                return -ESTALE; /* the machine was started since: its clock began anew */
        r = parse_lines(a, text, now);
        if (r >= 0)
                r = print(a, boot, &again);
        if (r < 0)
                return r;
        /* sscanf(3) takes more than we ever write: signs, zeros, blanks, line ends */
        return again.len == len && memcmp(again.data, text, len) == 0 ? 0 : -EBADMSG;
}

static int load(struct attempts *a) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(FILE_MAX);
        char boot[BOOT_ID_LEN + 1];
        int r;

        r = fs_read_private_file(a->runtime_dir_fd, FILE_NAME, &text);
        if (r >= 0)
                r = boot_id_read(boot);
        if (r < 0)
                return r;
        return parse(a, buf_text(&text), text.len, boot, now_sec());
}

int attempts_new(int runtime_dir_fd, struct attempts **ret) {
        struct attempts *a;
        int r;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->runtime_dir_fd = runtime_dir_fd;
        r = load(a);
        if (r < 0 && r != -ENOENT && r != -ESTALE)
                (void)log_warning(r, "cannot use the file \"" FILE_NAME "\" beyond what was read");
        *ret = a;
        return 0;
}

struct attempts *attempts_free(struct attempts *a) {
        free(a);
        return NULL;
}

uint32_t attempts_wait_sec(const struct attempts *a, const char *mfa_serial) {
        const struct device *d = find(a, mfa_serial);
        uint64_t now = now_sec(), end;

        if (!*mfa_serial || !d)
                return 0;
        end = d->refused_sec[0] + d->wait_sec;
        return d->wait_sec > 0 && now < end ? (uint32_t)(end - now) : 0;
}

static uint32_t next_wait_sec(const struct device *d, uint64_t now) {
        uint64_t first = d->refused_sec[ATTEMPTS_FREE - 1];

        if (d->wait_sec > 0)
                return d->wait_sec * 2 < ATTEMPTS_WAIT_SEC_MAX ? d->wait_sec * 2
                                                               : ATTEMPTS_WAIT_SEC_MAX;
        return first > 0 && now - first <= ATTEMPTS_WINDOW_SEC ? ATTEMPTS_WAIT_SEC : 0;
}

void attempts_refused(struct attempts *a, const char *mfa_serial) {
        struct device *d = find(a, mfa_serial);
        uint64_t now = now_sec();

        assert(text_is_mfa_serial(mfa_serial));

        if (!d || now - d->refused_sec[0] > ATTEMPTS_FORGET_SEC) {
                if (!d)
                        d = find_place(a);
                memset(d, 0, sizeof(*d));
                strcpy(d->mfa_serial, mfa_serial);
        }
        memmove(d->refused_sec + 1, d->refused_sec,
                sizeof(d->refused_sec) - sizeof(*d->refused_sec));
        d->refused_sec[0] = now;
        d->wait_sec = next_wait_sec(d, now);
        save_or_warn(a);
}

void attempts_accepted(struct attempts *a, const char *mfa_serial) {
        struct device *d = find(a, mfa_serial);

        if (!*mfa_serial || !d)
                return;
        memset(d, 0, sizeof(*d));
        save_or_warn(a);
}
