/* attempts.h - how often AWS refused a code of an MFA device lately, and how long to leave it alone.
 * Owns:  the counts; the runtime file `attempts`, so that neither a crash nor a lock forgets them.
 * Calls: clock.h, boot_id.h, fs.h.
 * Limit: ATTEMPTS_DEVICES_MAX devices; beyond, the one refused longest ago is forgotten.
 * AWS documents no lock-out after wrong codes; we behave as if there were one. */
#pragma once
#include "common/macros.h"
#include <stdint.h>

#define ATTEMPTS_DEVICES_MAX  32
#define ATTEMPTS_FREE         3         /* refusals ... */
#define ATTEMPTS_WINDOW_SEC   (5 * 60)  /* ... within this time, then */
#define ATTEMPTS_WAIT_SEC     60        /* this wait, doubled by each further refusal */
#define ATTEMPTS_WAIT_SEC_MAX (15 * 60) /* up to this */
#define ATTEMPTS_FORGET_SEC   (60 * 60) /* without a refusal for so long all is forgotten */

struct attempts;

/* @runtime_dir_fd: lent until attempts_free(). A missing or unfit file counts as no refusals. */
int attempts_new(int runtime_dir_fd, struct attempts **ret);
struct attempts *attempts_free(struct attempts *a);
DEFINE_FREEP(struct attempts, attempts)

/* How long the device @mfa_serial must still be left alone; 0 when it need not. */
uint32_t attempts_wait_sec(const struct attempts *a, const char *mfa_serial);
void attempts_refused(struct attempts *a, const char *mfa_serial);
void attempts_accepted(struct attempts *a, const char *mfa_serial);
