#include "client/duration.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int duration_parse(const char *text, uint32_t *ret_sec) {
        size_t digits = strspn(text, "0123456789");
        uint64_t value, unit;

        if (digits == 0)
                return -EINVAL;
        if (strcmp(text + digits, "") == 0 || strcmp(text + digits, "s") == 0)
                unit = 1;
        else if (strcmp(text + digits, "m") == 0)
                unit = 60;
        else if (strcmp(text + digits, "h") == 0)
                unit = 60 * 60;
        else
                return -EINVAL;
        if (digits > 9) /* no overflow below */
                return -ERANGE;
        value = strtoul(text, NULL, 10) * unit;
        if (value < DURATION_SEC_MIN || value > DURATION_SEC_MAX)
                return -ERANGE;
        *ret_sec = (uint32_t)value;
        return 0;
}

void duration_words(int64_t seconds, char out[DURATION_TEXT_MAX]) {
        if (seconds >= 60 * 60)
                (void)snprintf(out, DURATION_TEXT_MAX, "%lld h %lld min",
                               (long long)seconds / (60 * 60), (long long)seconds / 60 % 60);
        else if (seconds >= 60)
                (void)snprintf(out, DURATION_TEXT_MAX, "%lld min", (long long)seconds / 60);
        else
                (void)snprintf(out, DURATION_TEXT_MAX, "%lld s",
                               seconds > 0 ? (long long)seconds : 0LL);
}

void duration_clock(int64_t wall_sec, int64_t now_sec, char out[DURATION_TEXT_MAX]) {
        time_t then = (time_t)wall_sec, now = (time_t)now_sec;
        struct tm then_tm, now_tm;
        bool is_today;

        out[0] = '\0';
        if (!localtime_r(&then, &then_tm) || !localtime_r(&now, &now_tm))
                return; /* a year beyond int: there is no text for it */
        is_today = then_tm.tm_year == now_tm.tm_year && then_tm.tm_yday == now_tm.tm_yday;
        (void)strftime(out, DURATION_TEXT_MAX, is_today ? "%H:%M" : "%a %e %b %H:%M", &then_tm);
}
