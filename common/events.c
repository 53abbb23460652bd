#include "common/events.h"

#include <string.h>

static const struct {
        const char *name;
        const char *message_id; /* made by uuidgen(1); sd_journal_print(3) says what they are for */
        enum log_level level;
} events[_EVENT_MAX] = {
        [EVENT_NONE] = {"message", "", LOG_LEVEL_INFO},
        [EVENT_LENT] = {"lent", "0c03b427163f4bd2b174c1a952f796dc", LOG_LEVEL_INFO},
        [EVENT_REFUSED] = {"refused", "ca14d9ab4cd44a6f852c2360e6e248ab", LOG_LEVEL_INFO},
        [EVENT_SUPPRESSED] = {"suppressed", "7d0ed8ad2cdd433c896f39cce6dfc514", LOG_LEVEL_INFO},
        [EVENT_STARTED] = {"started", "03f2a846b4a9404cb636251463a62289", LOG_LEVEL_INFO},
        [EVENT_LOCKED] = {"locked", "535dfd34ae2549dfb79553d2f1c80bb2", LOG_LEVEL_NOTICE},
        [EVENT_SESSION] = {"session", "64d6bf0655bf4fc5b6829db78384aee4", LOG_LEVEL_NOTICE},
        [EVENT_UNLOCKED] = {"unlocked", "22a1e0b048da4040a39c4b1fc47c6465", LOG_LEVEL_NOTICE},
        [EVENT_UNLOCK_FAILED] = {"unlock_failed", "9d9c55bc18e242a787dfd2e6f24581ee",
                                 LOG_LEVEL_NOTICE},
        [EVENT_ENDS_SOON] = {"ends_soon", "478efb1039b44ddda4d1614cc8526d63", LOG_LEVEL_NOTICE},
        [EVENT_ENDED] = {"ended", "1843a69921d5420d88560cc7d5cdf5c3", LOG_LEVEL_NOTICE},
        [EVENT_ROLE_BOUGHT] = {"role_bought", "96d4eabcfe1d4322853dfa5dc710e9a4", LOG_LEVEL_INFO},
        [EVENT_ROLE_FAILED] = {"role_failed", "a5437a35da844d8d9b4f7c03f1efe48f", LOG_LEVEL_NOTICE},
        [EVENT_CONFIG_READ] = {"config_read", "d4e47d006cf5435fb8f2125591f240f2", LOG_LEVEL_NOTICE},
        [EVENT_CONFIG_BROKEN] = {"config_broken", "3283ba7c6c7149819910866fbb1e987b",
                                 LOG_LEVEL_WARNING},
        [EVENT_VAULT] = {"vault", "4f4e0d5fd9884e139a4c5616ae0cc59c", LOG_LEVEL_NOTICE},
};

const char *event_name(enum event event) {
        return events[event].name;
}

const char *event_message_id(enum event event) {
        return events[event].message_id;
}

enum log_level event_level(enum event event) {
        return events[event].level;
}

enum event event_of_message_id(const char *text) {
        for (int i = EVENT_NONE + 1; i < _EVENT_MAX; i++)
                if (strcmp(events[i].message_id, text) == 0)
                        return (enum event)i;
        return EVENT_NONE;
}
