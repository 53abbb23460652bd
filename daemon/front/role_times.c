#include "daemon/front/role_times.h"
#include "common/clock.h"
#include "daemon/front/lease.h"

#include <openssl/rand.h>

static uint64_t by_chance(uint64_t max) {
        uint32_t chance = 0;

        (void)RAND_bytes((unsigned char *)&chance, sizeof(chance)); /* 0 does as well */
        return max * (chance % 65536) / 65536;
}

uint64_t role_refresh_due_usec(const struct lease *l) {
        uint64_t life = l->ends_boot_usec - l->bought_boot_usec;
        uint64_t lead = ROLE_LEAD_SEC * USEC_PER_SEC;

        if (life < 2 * lead)
                lead = life / 2;
        return l->ends_boot_usec - lead - by_chance(lead / 10);
}

uint64_t role_retry_due_usec(uint64_t from_usec) {
        return from_usec + by_chance(USEC_PER_SEC);
}
