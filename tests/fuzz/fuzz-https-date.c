/* fuzz-https-date.c - any text as a Date header is refused, or is the one spelling of a second that exists.
 * Owns:  nothing.
 * Calls: https.h.
 * Limit: TEXT_MAX bytes an input. */
#include "daemon/fetch/https.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same without the C library's calendar. */
static void spell(int64_t sec, char *out, size_t size) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* from 1 January 1970 on */
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int64_t days = sec / 86400, of_day = sec % 86400;
        int year = 1970, month = 0, weekday = (int)(days % 7);
        bool leaps;

        for (;; year++) {
                leaps = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
                if (days < 365 + leaps)
                        break;
                days -= 365 + leaps;
        }
        for (; days >= lengths[month] + (leaps && month == 1); month++)
                days -= lengths[month] + (leaps && month == 1);
        (void)snprintf(out, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", weekdays + 3 * weekday,
                       (int)days + 1, months + 3 * month, year, (int)(of_day / 3600),
                       (int)(of_day / 60 % 60), (int)(of_day % 60));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char text[TEXT_MAX + 1], again[64];
        int64_t sec = -1;

        if (size > TEXT_MAX)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        if (https_parse_date(text, &sec) < 0) {
                assert(sec == -1);
                return 0;
        }
        assert(sec >= 0 && sec < INT64_C(253402300800)); /* the year 10000 */
        spell(sec, again, sizeof(again));
        assert(strcmp(text, again) == 0);
        return 0;
}
