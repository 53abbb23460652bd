#include "client/aws_files.h"
#include "client/call.h"
#include "client/doctor.h"
#include "client/duration.h"
#include "client/output.h"
#include "client/tell.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OFFSET_SEC_WORTH_SAYING 30
/* AWS refuses signatures that are 15 minutes off, some services from 5 on; SDKs sign by our clock. */
#define OFFSET_SEC_REFUSED      240
#define UNLOCK                  "mfactl unlock"

static bool is(const char *text, const char *other) {
        return text && strcmp(text, other) == 0;
}

/* Why not, in the user's words: a Failure of org.mfad.Control. */
static void add_failure(struct doctor_report *r, const char *check, const char *name,
                        const json_t *failure, const char *fix) {
        const char *message = call_text(failure, "message"), *since = call_text(failure, "since");
        char clock[DURATION_TEXT_MAX] = "";
        int64_t sec;

        if (!message)
                return;
        if (since && decode_time_iso(since, &sec) == 0)
                duration_clock(sec, clock_wall_sec(), clock);
        doctor_report_add(r, DOCTOR_PROBLEM, check, strstr(message, "mfactl ") ? NULL : fix,
                          "%s fails%s%s: %s", name, *clock ? " since " : "", clock, message);
}

static void judge_memory(struct doctor_report *r, const char *check, const char *kind) {
        if (is(kind, "plain"))
                doctor_report_add(r, DOCTOR_PROBLEM, check,
                                  "raise RLIMIT_MEMLOCK (ulimit -l, or LimitMEMLOCK= in the unit)",
                                  "secrets are not locked into memory and may reach the swap");
        else if (is(kind, "secretmem"))
                doctor_report_add(r, DOCTOR_OK, check, NULL,
                                  "secrets are where not even the kernel maps them");
        else
                doctor_report_add(r, DOCTOR_OK, check, NULL, "secrets are locked into memory");
}

/* Modes of the vault's file and folder; whose they are the signer itself checks too. */
static void judge_vault_file(struct doctor_report *r, const char *path) {
        char dir[PATH_LEN_MAX], fix[2 * PATH_LEN_MAX + 64];
        struct stat file, folder;
        char *slash;

        if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir) ||
            !(slash = strrchr(dir, '/')))
                return;
        *slash = '\0';
        if (stat(path, &file) < 0 || stat(dir, &folder) < 0) {
                doctor_report_add(r, DOCTOR_PROBLEM, "file", "mfactl vault status", "%s: %s", path,
                                  strerror(errno));
                return;
        }
        (void)snprintf(fix, sizeof(fix), "chmod 700 %s && chmod 600 %s", dir, path);
        if (file.st_uid != geteuid() || folder.st_uid != geteuid())
                doctor_report_add(r, DOCTOR_PROBLEM, "file", "find out who put it there",
                                  "%s or its folder belongs to another user", path);
        else if ((file.st_mode & 077) != 0 || (folder.st_mode & 077) != 0)
                doctor_report_add(r, DOCTOR_PROBLEM, "file", fix,
                                  "others may get at %s or its folder", path);
        else
                doctor_report_add(r, DOCTOR_OK, "file", NULL, "%s is ours alone", path);
}

static void judge_command(struct doctor *d) {
        char fix[PATH_LEN_MAX + 64];

        if (!*d->conf.passphrase_command)
                return;
        (void)snprintf(fix, sizeof(fix), "chmod go-w %s and its folder",
                       d->conf.passphrase_command_file);
        if (d->conf.is_command_safe)
                doctor_report_add(&d->report, DOCTOR_OK, "passphrase", NULL,
                                  "comes from the command in %s", d->conf.passphrase_command_file);
        else
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "passphrase", fix,
                                  "the command in %s is not run: others could have written it",
                                  d->conf.passphrase_command_file);
}

/* In the vault, or in the configuration under the key's name. */
static bool has_serial(const json_t *key, const struct aws_config *config, const char *name) {
        const struct aws_profile *profile = config ? aws_config_find(config, name) : NULL;

        return call_text(key, "mfa_serial") || (profile && *profile->mfa_serial);
}

/* Is it AWS that says so? */
static bool is_from_aws(const char *error) {
        static const char *const names[] = {
                CONTROL("KeyRefused"), CONTROL("WrongSecret"),    CONTROL("Expired"),
                CONTROL("Denied"),     CONTROL("RegionDisabled"), CONTROL("ClockWrong"),
                CONTROL("Throttled"),  CONTROL("ServerError"),
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (is(error, names[i]))
                        return true;
        return false;
}

/* As link_call(). @progress: what is said meanwhile. */
static int ask_aws(struct doctor *d, const char *progress, const char *method, json_t *parameters,
                   char error[LINK_ERROR_MAX], json_t **ret) {
        int r;

        error[0] = '\0';
        if (!d->report.is_quiet)
                output_progress(progress);
        r = link_call(d->control, method, parameters, CALL_AWS_SEC, error, ret);
        if (!d->report.is_quiet)
                output_progress_end();
        if (r == 0 || (r > 0 && is_from_aws(error)))
                d->has_aws_answered = true;
        return r;
}

/* Returns false when there is no point in asking for the next key. */
static bool test_key(struct doctor *d, const char *name) {
        json_auto_t *answer = NULL;
        char error[LINK_ERROR_MAX];
        const char *message, *arn;
        int r;

        r = ask_aws(d, "asking AWS whose key it is ...", CONTROL("GetKeyIdentity"),
                    json_pack("{ss}", "key", name), error, &answer);
        arn = r == 0 ? call_text(answer, "user_arn") : NULL;
        message = r > 0 ? call_text(answer, "message") : NULL;
        if (r == 0)
                doctor_report_add(&d->report, DOCTOR_OK, "key", NULL, "%s is good: %s", name,
                                  arn ? arn : "AWS knows it");
        else
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "key",
                                  message && strstr(message, "mfactl ") ? NULL : "mfactl key test",
                                  "%s: %s", name,
                                  message ? message
                                  : r < 0 ? strerror(-r)
                                          : error);
        return r >= 0 && strcmp(error, CONTROL("Unreachable")) != 0;
}

static void judge_keys(struct doctor *d) {
        const json_t *keys = json_object_get(d->vault_status, "keys");
        _cleanup_(aws_config_freep) struct aws_config *config = NULL;
        bool may_ask = d->control && !d->is_offline;
        struct aws_config_error error;
        struct aws_files files;

        /* what is wrong with the files is another topic */
        if (aws_files_of_mfad(&files) >= 0)
                (void)aws_config_load(files.config, files.credentials, false, &config, &error);
        if (json_array_size(keys) == 0)
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "keys", "mfactl init",
                                  "the vault is empty");
        else if (!may_ask)
                doctor_report_add(&d->report, DOCTOR_NOTE, "keys",
                                  d->is_offline ? "mfactl doctor, without --offline" : NULL,
                                  "AWS was not asked whether they are good");
        for (size_t k = 0; k < json_array_size(keys); k++) {
                const json_t *key = json_array_get(keys, k);
                const char *name = call_text(key, "name");

                if (name && !has_serial(key, config, name))
                        doctor_report_add(&d->report, DOCTOR_PROBLEM, "MFA", "mfactl init",
                                          "the MFA device of the key \"%s\" is not known", name);
                else if (name)
                        doctor_report_add(&d->report, DOCTOR_OK, "MFA", NULL,
                                          "the device of the key \"%s\" is known", name);
                if (name && may_ask)
                        may_ask = test_key(d, name);
        }
}

void doctor_vault(struct doctor *d) {
        const char *state = call_text(d->vault_status, "state");
        const char *path = call_text(d->vault_status, "path");

        d->report.topic = "vault";
        if (!d->vault_status)
                return;
        if (is(state, "none")) {
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "vault", "mfactl init",
                                  "there is none yet");
                return;
        }
        if (path)
                judge_vault_file(&d->report, path);
        judge_command(d);
        judge_memory(&d->report, "memory", call_text(d->vault_status, "memory"));
        if (is(state, "open"))
                judge_keys(d);
        else
                doctor_report_add(&d->report, DOCTOR_NOTE, "vault", UNLOCK,
                                  "sealed: what is in it was not looked at");
}

/* What AWS does not take for the credentials' own sake; all else only kept it from being asked. */
static bool is_refusal(const char *error) {
        return is(error, CONTROL("KeyRefused")) || is(error, CONTROL("WrongSecret")) ||
               is(error, CONTROL("Expired")) || is(error, CONTROL("Denied"));
}

static void say_failed_test(struct doctor_report *r, const char *key, const char *error,
                            const char *why) {
        const char *fix = is(error, CONTROL("Denied")) ? "ask whoever administers the AWS account"
                          : strstr(why, "mfactl ")     ? NULL
                                                       : UNLOCK;

        if (is_refusal(error))
                doctor_report_add(r, DOCTOR_PROBLEM, "session", fix, "%s: AWS does not take it: %s",
                                  key, why);
        else
                doctor_report_add(r, DOCTOR_NOTE, "session", NULL,
                                  "%s: AWS could not be asked about it: %s", key, why);
}

/* What AWS itself says to the session of @key. Returns false when there is no point in asking for the next one. */
static bool test_session(struct doctor *d, const char *key) {
        char error[LINK_ERROR_MAX];
        json_auto_t *answer = NULL;
        const char *message;
        int r;

        r = ask_aws(d, "asking AWS about the session ...", CONTROL("TestSession"),
                    json_pack("{ss}", "profile", key), error, &answer);
        message = r > 0 ? call_text(answer, "message") : NULL;
        if (r != 0)
                say_failed_test(&d->report, key, error,
                                message ? message
                                : r < 0 ? strerror(-r)
                                        : error);
        else if (json_is_false(json_object_get(answer, "may_ask_iam")))
                doctor_report_add(
                        &d->report, DOCTOR_NOTE, "session", NULL,
                        "%s: AWS takes it, but the account denies it iam:ListMFADevices: it may "
                        "be allowed little more than to assume roles",
                        key);
        else
                doctor_report_add(&d->report, DOCTOR_OK, "session", NULL, "%s: AWS takes it: %s",
                                  key, call_text(answer, "user_arn"));
        return r >= 0 && !is(error, CONTROL("Unreachable"));
}

/* Returns whether it is unlocked. */
static bool judge_session(struct doctor_report *r, const json_t *session) {
        const char *key = call_text(session, "key"), *state = call_text(session, "state");
        int64_t left = call_number(session, "seconds_left", -1);
        const json_t *failure = json_object_get(session, "failure");
        bool is_unlocked = is(state, "unlocked") || is(state, "expiring");
        char until[TELL_UNTIL_MAX] = "";

        key = key ? key : "";
        if (left >= 0)
                tell_until(left, until);
        if (is_unlocked)
                doctor_report_add(r, DOCTOR_OK, "session", NULL, "%s is unlocked until %s", key,
                                  until);
        else if (!json_is_object(failure))
                doctor_report_add(r, DOCTOR_NOTE, "session", UNLOCK, "%s is %s", key,
                                  state ? state : "locked");
        add_failure(r, "session", key, failure, UNLOCK);
        return is_unlocked;
}

void doctor_sessions(struct doctor *d) {
        const json_t *sessions = json_object_get(d->status, "sessions");
        const json_t *failing = json_object_get(d->status, "roles_failing");
        bool may_ask = d->control && !d->is_offline;
        struct doctor_report *r = &d->report;

        r->topic = "sessions";
        if (!d->status)
                return;
        for (size_t i = 0; i < json_array_size(sessions); i++) {
                const json_t *session = json_array_get(sessions, i);
                const char *key = call_text(session, "key");

                if (judge_session(r, session) && key && may_ask)
                        may_ask = test_session(d, key);
        }
        if (json_array_size(sessions) == 0)
                doctor_report_add(r, DOCTOR_NOTE, "session", UNLOCK, "none is unlocked");
        for (size_t i = 0; i < json_array_size(failing); i++) {
                const json_t *role = json_array_get(failing, i);
                const char *name = call_text(role, "name");

                add_failure(r, "role", name ? name : "", json_object_get(role, "failure"),
                            "mfactl profiles");
        }
        if (json_array_size(failing) == 0)
                doctor_report_add(r, DOCTOR_OK, "roles", NULL, "%" PRId64 " held, none fails",
                                  call_number(d->status, "roles_held", 0));
        judge_memory(r, "memory", call_text(d->status, "memory"));
}

static void judge_clock(struct doctor *d, int64_t offset) {
        int64_t off = offset < 0 ? -offset : offset;
        const char *where = offset > 0 ? "behind" : "ahead of";
        struct doctor_report *r = &d->report;

        if (off < OFFSET_SEC_WORTH_SAYING && !d->has_aws_answered)
                doctor_report_add(r, DOCTOR_NOTE, "clock", NULL,
                                  "whether it agrees with AWS's is not known: AWS was not asked");
        else if (off < OFFSET_SEC_WORTH_SAYING)
                doctor_report_add(r, DOCTOR_OK, "clock", NULL, "agrees with AWS's");
        else if (off < OFFSET_SEC_REFUSED)
                doctor_report_add(r, DOCTOR_NOTE, "clock", "timedatectl set-ntp true",
                                  "%" PRId64 " s %s AWS's; mfad allows for it", off, where);
        else
                doctor_report_add(r, DOCTOR_PROBLEM, "clock", "timedatectl set-ntp true",
                                  "%" PRId64 " s %s AWS's: %s SDKs sign by this clock, and AWS "
                                  "refuses them",
                                  off, where,
                                  off <= CALL_CLOCK_CORRECTED_SEC
                                          ? "mfad allows for it, but"
                                          : "that is too much to correct for, and");
}

static void judge_profiles(struct doctor_report *r, const json_t *profiles) {
        size_t n_unusable = 0;

        for (size_t i = 0; i < json_array_size(profiles); i++) {
                const json_t *profile = json_array_get(profiles, i);
                const char *name = call_text(profile, "name");
                const char *notice = call_text(profile, "notice");

                if (!is(call_text(profile, "kind"), "unusable") || !name)
                        continue;
                /* it may be meant for other ways to sign in, so it is no problem by itself */
                if (n_unusable++ < DOCTOR_LISTED_MAX)
                        doctor_report_add(r, DOCTOR_NOTE, "profile", NULL,
                                          "%s cannot be used with mfad: %s", name,
                                          notice ? notice : "no reason is given");
        }
        if (n_unusable > DOCTOR_LISTED_MAX)
                doctor_report_add(r, DOCTOR_NOTE, "profile", "mfactl profiles",
                                  "%zu more cannot be used", n_unusable - DOCTOR_LISTED_MAX);
        if (n_unusable == 0)
                doctor_report_add(r, DOCTOR_OK, "profiles", NULL, "%zu, all of them usable",
                                  json_array_size(profiles));
}

/* What AWS has said meanwhile has taught mfad what time it is. */
static void refresh_status(struct doctor *d) {
        char error[LINK_ERROR_MAX];
        json_t *answer = NULL;

        if (link_call(d->control, CONTROL("GetStatus"), NULL, CALL_SEC, error, &answer) != 0) {
                json_decref(answer); /* what it said at first is true enough */
                return;
        }
        json_decref(d->status);
        d->status = answer;
}

void doctor_configuration(struct doctor *d) {
        const json_t *notices;

        d->report.topic = "configuration";
        if (!d->status)
                return;
        if (d->control && d->has_aws_answered)
                refresh_status(d);
        notices = json_object_get(d->status, "notices");
        judge_clock(d, call_number(d->status, "clock_offset_seconds", 0));
        for (size_t i = 0; i < json_array_size(notices); i++) {
                const char *notice = json_string_value(json_array_get(notices, i));

                if (notice)
                        doctor_report_add(&d->report, DOCTOR_NOTE, "config", NULL, "%s", notice);
        }
        if (d->profiles)
                judge_profiles(&d->report, d->profiles);
}
