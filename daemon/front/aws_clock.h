/* aws_clock.h - what time it is for AWS, when this machine's wall clock is wrong.
 * Owns:  the difference, learnt from verified answers; the runtime file `clock`, there only while the
 *        wall clock is wrong, so that the difference survives a lock.
 * Calls: clock.h, boot_id.h, fs.h.
 * Limit: AWS_CLOCK_OFFSET_SEC_MAX of correction; up to AWS_CLOCK_TRUST_SEC the wall clock is right.
 *        AWS_CLOCK_CUSTOM_MAX endpoints of profiles' own, in memory only.
 *
 * What a profile's own endpoint takes for the time, a simulator's for one, is so for that endpoint alone. In all of
 * this @url names it; "" is for AWS's own, which have one time. */
#pragma once
#include "common/macros.h"
#include <stdint.h>

#define AWS_CLOCK_OFFSET_SEC_MAX (24 * 60 * 60)
#define AWS_CLOCK_TRUST_SEC      2
#define AWS_CLOCK_CUSTOM_MAX     8

struct aws_clock;

/* @runtime_dir_fd: lent until aws_clock_free(). A missing or unfit file counts as a right clock. */
int aws_clock_new(int runtime_dir_fd, struct aws_clock **ret);
struct aws_clock *aws_clock_free(struct aws_clock *c);
DEFINE_FREEP(struct aws_clock, aws_clock)

/* @date_sec: the Date of a verified answer that has just come. */
void aws_clock_learn(struct aws_clock *c, const char *url, int64_t date_sec);
/* The time to sign with. Once the wall clock was found wrong this runs on CLOCK_BOOTTIME, so that
 * setting the clock right, or wrong again, does not matter. An endpoint that was not heard yet has AWS's. */
int64_t aws_clock_now_sec(const struct aws_clock *c, const char *url);
/* Its clock minus ours; 0 when they agree as far as AWS_CLOCK_TRUST_SEC. Beyond AWS_CLOCK_OFFSET_SEC_MAX
 * it is what was told last, and only to be shown. */
int64_t aws_clock_offset_sec(const struct aws_clock *c, const char *url);
