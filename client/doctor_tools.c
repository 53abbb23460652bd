#include "client/child.h"
#include "client/doctor.h"
#include "client/output.h"

#include <stdio.h>
#include <string.h>

#define TOOL_MSEC        10000 /* a cold start of Python on a busy machine */
#define TOOL_TEXT_MAX    512
#define AWS_HEAD         "aws-cli/"
#define BOTOCORE_HEAD    "botocore/"
#define WITH_TOKEN       "eval \"$(mfactl env)\", without --token-file-only"
#define TOKEN_FILE_SINCE "the token's file is read from %u.%u on"

/* The first versions that read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE. */
struct since {
        unsigned major, minor;
};
static const struct since aws_cli_since = {2, 15}, botocore_since = {1, 32};

/* "2.9.19 ...". Returns whether it is a version. */
static bool take_version(const char *text, unsigned *ret_major, unsigned *ret_minor) {
        return sscanf(text, "%5u.%5u", ret_major, ret_minor) == 2;
}

static void judge(struct doctor_report *r, const char *check, const char *text,
                  const struct since *since) {
        const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        unsigned major = 0, minor = 0;

        if (!take_version(text, &major, &minor))
                doctor_report_add(r, DOCTOR_NOTE, check, NULL, "its version is not known");
        else if (major > since->major || (major == since->major && minor >= since->minor))
                doctor_report_add(r, DOCTOR_OK, check, NULL, "%u.%u reads the token's file", major,
                                  minor);
        else if (token && *token)
                doctor_report_add(r, DOCTOR_OK, check, NULL,
                                  "%u.%u takes the token from the environment; " TOKEN_FILE_SINCE,
                                  major, minor, since->major, since->minor);
        else
                doctor_report_add(r, file && *file ? DOCTOR_PROBLEM : DOCTOR_NOTE, check,
                                  WITH_TOKEN,
                                  "%u.%u needs the token in the environment; " TOKEN_FILE_SINCE,
                                  major, minor, since->major, since->minor);
}

void doctor_aws_cli(struct doctor_report *r, const char *version) {
        const char *its = strstr(version, AWS_HEAD), *core = strstr(version, BOTOCORE_HEAD);

        /* version 1 stands on a botocore of its own choice, and says which */
        if (core && its && its[strlen(AWS_HEAD)] == '1')
                judge(r, "aws (botocore)", core + strlen(BOTOCORE_HEAD), &botocore_since);
        else
                judge(r, "aws", its ? its + strlen(AWS_HEAD) : "", &aws_cli_since);
}

void doctor_botocore(struct doctor_report *r, const char *version) {
        judge(r, "botocore", version, &botocore_since);
}

/* What @argv prints; false when it does not run, is not there, or takes too long: then it is passed over. */
static bool ask(const char *const *argv, char text[TOOL_TEXT_MAX + 1]) {
        struct child_wish wish = {argv, TOOL_MSEC, false, text, TOOL_TEXT_MAX};
        size_t len = 0;
        int r = child_run(&wish, &len);

        text[len] = '\0';
        return r == 0;
}

void doctor_tools(struct doctor *d) {
        static const char *const aws[] = {"aws", "--version", NULL};
        /* imports nothing of it, which would take longer */
        static const char *const python[] = {"python3", "-c",
                                             "from importlib.metadata import version;"
                                             "print(version('botocore'))",
                                             NULL};
        char text[TOOL_TEXT_MAX + 1];

        d->report.topic = "SDKs";
        if (!d->report.is_quiet)
                output_progress("looking for SDKs ...");
        if (ask(aws, text))
                doctor_aws_cli(&d->report, text);
        if (ask(python, text))
                doctor_botocore(&d->report, text);
        if (!d->report.is_quiet)
                output_progress_end();
}
