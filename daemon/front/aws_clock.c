#include "daemon/front/aws_clock.h"
#include "common/boot_id.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/aws_endpoint.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "clock"
#define FILE_MAX  256

/* The year 9999 is the last that RFC 3339 can write; what is read never makes a sum overflow. */
#define DIFFERENCE_SEC_MAX INT64_C(253402300799)

#define URL_SIZE (sizeof(((struct aws_endpoint *)NULL)->url))

/* What time it is at one place. */
struct place {
        char url[URL_SIZE]; /* "": AWS's, or not in use */
        bool is_wall_wrong;
        int64_t minus_boot_sec;      /* its time; only while the wall clock is wrong */
        bool is_too_wrong;           /* to be believed, and so to be corrected for */
        int64_t told_minus_boot_sec; /* what was said then */
};

struct aws_clock {
        int runtime_dir_fd; /* lent */
        struct place aws;
        struct place custom[AWS_CLOCK_CUSTOM_MAX]; /* the one that was heard last is first */
};

static int64_t boot_sec(void) {
        return (int64_t)(clock_boot_usec() / USEC_PER_SEC);
}

static const struct place *find(const struct aws_clock *c, const char *url) {
        for (size_t i = 0; *url && i < AWS_CLOCK_CUSTOM_MAX; i++)
                if (strcmp(c->custom[i].url, url) == 0)
                        return &c->custom[i];
        return &c->aws;
}

/* The place of @url comes first, instead of the one that was not heard for longest. */
static struct place *find_or_make(struct aws_clock *c, const char *url) {
        const struct place *found = find(c, url);
        struct place place = {0};
        size_t i;

        if (!*url)
                return &c->aws;
        i = found == &c->aws ? AWS_CLOCK_CUSTOM_MAX - 1 : (size_t)(found - c->custom);
        if (found != &c->aws)
                place = *found;
        memmove(c->custom + 1, c->custom, i * sizeof(*c->custom));
        (void)snprintf(place.url, sizeof(place.url), "%s", url); /* it is an endpoint's */
        c->custom[0] = place;
        return &c->custom[0];
}

int64_t aws_clock_now_sec(const struct aws_clock *c, const char *url) {
        const struct place *p = find(c, url);

        return p->is_wall_wrong ? boot_sec() + p->minus_boot_sec : clock_wall_sec();
}

int64_t aws_clock_offset_sec(const struct aws_clock *c, const char *url) {
        const struct place *p = find(c, url);
        int64_t now_sec =
                p->is_too_wrong ? boot_sec() + p->told_minus_boot_sec : aws_clock_now_sec(c, url);
        int64_t offset = now_sec - clock_wall_sec();

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

        if (!c->aws.is_wall_wrong) {
                if (unlinkat(c->runtime_dir_fd, FILE_NAME, 0) < 0 && errno != ENOENT)
                        return -errno;
                return 0;
        }
        r = boot_id_read(boot);
        if (r < 0)
                return r;
        n = print(line, boot, c->aws.minus_boot_sec);
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
        char boot[BOOT_ID_LEN + 1];
        int r;

        r = fs_read_private_file(c->runtime_dir_fd, FILE_NAME, &text);
        if (r >= 0)
                r = boot_id_read(boot);
        if (r >= 0)
                r = parse(buf_text(&text), text.len, boot, &c->aws.minus_boot_sec);
        if (r < 0)
                return r;
        c->aws.is_wall_wrong = true;
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

static void say_changed(const struct place *p, int64_t offset) {
        if (!*p->url)
                log_notice("the clock %s AWS's (%" PRId64 " s)",
                           p->is_wall_wrong ? "differs from" : "agrees again with", offset);
        else
                log_notice("the clock %s that of \"%s\" (%" PRId64 " s)",
                           p->is_wall_wrong ? "differs from" : "agrees again with", p->url, offset);
}

void aws_clock_learn(struct aws_clock *c, const char *url, int64_t date_sec) {
        int64_t offset = date_sec - clock_wall_sec();
        struct place *p = find_or_make(c, url);
        bool was_wrong = p->is_wall_wrong;
        int r;

        p->is_too_wrong = offset < -AWS_CLOCK_OFFSET_SEC_MAX || offset > AWS_CLOCK_OFFSET_SEC_MAX;
        if (p->is_too_wrong) {
                p->told_minus_boot_sec = date_sec - boot_sec();
                log_notice("the clock is %" PRId64 " s from %s%s, too far to correct for", offset,
                           *url ? "that of " : "AWS's", url);
                return;
        }
        p->is_wall_wrong = offset < -AWS_CLOCK_TRUST_SEC || offset > AWS_CLOCK_TRUST_SEC;
        p->minus_boot_sec = p->is_wall_wrong ? date_sec - boot_sec() : 0;
        if (p->is_wall_wrong != was_wrong)
                say_changed(p, offset);
        if (*url || (!p->is_wall_wrong && !was_wrong))
                return;
        r = save(c);
        if (r < 0)
                (void)log_warning(r, "cannot keep the clock's difference across a lock");
}
