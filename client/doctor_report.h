/* doctor_report.h - what `mfactl doctor` has found: said line by line, or kept for JSON.
 * Owns:  the list of checks.
 * Calls: output.h, layout.h, call.h.
 * Limit: OUTPUT_TEXT_MAX bytes a line. */
#pragma once
#include "client/errors.h"
#include "common/macros.h"
#include <stdbool.h>

enum doctor_level {
        DOCTOR_OK,
        DOCTOR_NOTE,    /* worth knowing; things work all the same */
        DOCTOR_PROBLEM, /* something does not work, or not safely */
};

struct doctor_report {
        bool is_quiet; /* for JSON: nothing is said before the end */
        json_t *checks;
        const char *topic; /* of what is added now; static text */
        const char *said_topic;
        size_t n_problems, n_notes;
};

int doctor_report_open(struct doctor_report *r, bool is_quiet);
void doctor_report_close(struct doctor_report *r);

/* @check: what was looked at, static text. @fix: the command or the change that helps, or NULL. */
void doctor_report_add(struct doctor_report *r, enum doctor_level level, const char *check,
                       const char *fix, const char *format, ...) _printf_(5, 6);

/* The last line, or the JSON. Returns how doctor ends. */
enum exit_code doctor_report_end(const struct doctor_report *r);
