#include "daemon/front/aws_clock.h"
#include "common/boot_id.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "clock"
#define FILE_MAX  256

/* The year 9999 is the last that RFC 3339 can write; what is read never makes a sum overflow. */
#define DIFFERENCE_SEC_MAX INT64_C(253402300799)

struct aws_clock {
        int runtime_dir_fd; /* lent */
        bool is_wall_wrong;
        int64_t aws_minus_boot_sec; /* only while the wall clock is wrong */
};

static int64_t boot_sec(void) {
        return (int64_t)(clock_boot_usec() / USEC_PER_SEC);
}

int64_t aws_clock_now_sec(const struct aws_clock *c) {
        return c->is_wall_wrong ? boot_sec() + c->aws_minus_boot_sec : clock_wall_sec();
}

int64_t aws_clock_offset_sec(const struct aws_clock *c) {
        int64_t offset = aws_clock_now_sec(c) - clock_wall_sec();

        return offset >= -AWS_CLOCK_TRUST_SEC && offset <= AWS_CLOCK_TRUST_SEC ? 0 : offset;
}

/* The boot, within which the difference holds, and the difference. */
static size_t print(char out[FILE_MAX], const char *boot, int64_t difference_sec) {
        return (size_t)snprintf(out, FILE_MAX, "%s %" PRId64 "\n", boot, difference_sec);
}

static int save(const struct aws_clock *c) {
        char boot[BOOT_ID_LEN + 1], line[FILE_MAX];
        size_t n;
        int r;

        if (!c->is_wall_wrong) {
                if (unlinkat(c->runtime_dir_fd, FILE_NAME, 0) < 0 && errno != ENOENT)
                        return -errno;
                return 0;
        }
        r = boot_id_read(boot);
        if (r < 0)
                return r;
        n = print(line, boot, c->aws_minus_boot_sec);
        return fs_replace_file(c->runtime_dir_fd, FILE_NAME, line, n, 0600);
}

/* @text ends with a NUL that @len does not count; @boot is this one. */
static int parse(const char *text, size_t len, const char *boot, int64_t *ret_difference_sec) {
        char kept_boot[BOOT_ID_LEN + 1], again[FILE_MAX];
        int64_t difference_sec;

        if (sscanf(text, "%36s %" SCNd64, kept_boot, &difference_sec) != 2 ||
            difference_sec > DIFFERENCE_SEC_MAX || difference_sec < -DIFFERENCE_SEC_MAX)
                return -EBADMSG;
        /* sscanf(3) takes more than we ever write */
        if (print(again, kept_boot, difference_sec) != len || memcmp(again, text, len) != 0)
                return -EBADMSG;
        if (strcmp(kept_boot, boot) != 0)
                return -ESTALE;
        *ret_difference_sec = difference_sec;
        return 0;
}

static int load(struct aws_clock *c) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(FILE_MAX);
        _cleanup_(fd_closep) int fd = -EBADF;
        char boot[BOOT_ID_LEN + 1];
        int r;

        fd = openat(c->runtime_dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        r = fs_check_private_file(fd);
        if (r < 0)
                return r;
        r = fs_read_fd(fd, &text);
        if (r >= 0)
                r = boot_id_read(boot);
        if (r >= 0)
                r = parse(buf_text(&text), text.len, boot, &c->aws_minus_boot_sec);
        if (r < 0)
                return r;
        c->is_wall_wrong = true;
        return 0;
}

int aws_clock_new(int runtime_dir_fd, struct aws_clock **ret) {
        struct aws_clock *c;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->runtime_dir_fd = runtime_dir_fd;
        r = load(c);
        if (r < 0 && r != -ENOENT && r != -ESTALE)
                (void)log_warning(r, "cannot use the file \"" FILE_NAME "\", ignoring it");
        *ret = c;
        return 0;
}

struct aws_clock *aws_clock_free(struct aws_clock *c) {
        free(c);
        return NULL;
}

void aws_clock_learn(struct aws_clock *c, int64_t date_sec) {
        int64_t offset = date_sec - clock_wall_sec();
        bool was_wrong = c->is_wall_wrong;
        int r;

        if (offset < -AWS_CLOCK_OFFSET_SEC_MAX || offset > AWS_CLOCK_OFFSET_SEC_MAX) {
                log_notice("the clock is %" PRId64 " s from AWS's, too far to correct for", offset);
                return;
        }
        c->is_wall_wrong = offset < -AWS_CLOCK_TRUST_SEC || offset > AWS_CLOCK_TRUST_SEC;
        c->aws_minus_boot_sec = c->is_wall_wrong ? date_sec - boot_sec() : 0;
        if (!c->is_wall_wrong && !was_wrong)
                return;
        if (c->is_wall_wrong != was_wrong)
                log_notice("the clock %s AWS's (%" PRId64 " s)",
                           c->is_wall_wrong ? "differs from" : "agrees again with", offset);
        r = save(c);
        if (r < 0)
                (void)log_warning(r, "cannot keep the clock's difference across a lock");
}
