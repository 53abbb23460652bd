#include "client/errors.h"
#include "client/output.h"
#include "client/port.h"
#include "client/runtime_dir.h"
#include "client/units.h"
#include "common/fs.h"
#include "common/macros.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONTROL "org.mfad.Control."
#define VAULT   "org.mfad.Vault."
#define VARLINK "org.varlink.service."

#define NEXT_UNLOCK   "mfactl unlock"
#define NEXT_INIT     "mfactl init"
#define NEXT_STATUS   "mfactl status"
#define NEXT_LIST     "mfactl key list"
#define NEXT_TEST     "mfactl key test"
#define NEXT_PROFILES "mfactl profiles"
#define NEXT_DOCTOR   "mfactl doctor"

static const struct errors_entry entries[] = {
        {CONTROL "Sealed", EXIT_CODE_LOCKED, NEXT_UNLOCK},
        {CONTROL "NoVault", EXIT_CODE_VAULT, NEXT_INIT},
        {CONTROL "UnknownKey", EXIT_CODE_VAULT, NEXT_LIST},
        {CONTROL "UnknownProfile", EXIT_CODE_FAILURE, NEXT_PROFILES},
        {CONTROL "UnusableProfile", EXIT_CODE_FAILURE, NEXT_PROFILES},
        {CONTROL "NotARole", EXIT_CODE_FAILURE, NEXT_PROFILES},
        {CONTROL "NoMfaSerial", EXIT_CODE_FAILURE, NEXT_INIT},
        {CONTROL "Locked", EXIT_CODE_LOCKED, NEXT_UNLOCK},
        {CONTROL "WrongCode", EXIT_CODE_CODE_REFUSED, NEXT_UNLOCK},
        {CONTROL "CodeUsed", EXIT_CODE_CODE_REFUSED, NEXT_UNLOCK},
        {CONTROL "WrongSerial", EXIT_CODE_AWS, NEXT_INIT},
        {CONTROL "KeyRefused", EXIT_CODE_AWS, NEXT_TEST},
        {CONTROL "TemporaryKey", EXIT_CODE_AWS, NEXT_LIST},
        {CONTROL "WrongSecret", EXIT_CODE_AWS, NEXT_TEST},
        {CONTROL "Expired", EXIT_CODE_LOCKED, NEXT_UNLOCK},
        {CONTROL "ClockWrong", EXIT_CODE_AWS, "timedatectl set-ntp true"},
        {CONTROL "Throttled", EXIT_CODE_AWS, NULL},
        {CONTROL "Denied", EXIT_CODE_AWS, NULL},
        {CONTROL "Duration", EXIT_CODE_AWS, NULL},
        {CONTROL "RegionDisabled", EXIT_CODE_AWS, NULL},
        {CONTROL "BadPolicy", EXIT_CODE_AWS, NULL},
        {CONTROL "ServerError", EXIT_CODE_AWS, NEXT_STATUS},
        {CONTROL "Unreachable", EXIT_CODE_AWS, NULL},
        {CONTROL "OutcomeUnknown", EXIT_CODE_AWS, NULL},
        {CONTROL "BadAnswer", EXIT_CODE_AWS, NEXT_STATUS},
        {CONTROL "Busy", EXIT_CODE_BUSY, NEXT_STATUS},
        {CONTROL "MustWait", EXIT_CODE_BUSY, NEXT_STATUS},
        {CONTROL "Internal", EXIT_CODE_FAILURE, NULL},
        {VAULT "CannotOpen", EXIT_CODE_VAULT, NULL},
        {VAULT "BadVault", EXIT_CODE_VAULT, "mfactl vault status"},
        {VAULT "Rollback", EXIT_CODE_VAULT, "mfactl unlock, on a terminal, to decide"},
        {VAULT "Sealed", EXIT_CODE_LOCKED, NEXT_UNLOCK},
        {VAULT "NoVault", EXIT_CODE_VAULT, NEXT_INIT},
        {VAULT "VaultExists", EXIT_CODE_VAULT, NEXT_UNLOCK},
        {VAULT "UnknownKey", EXIT_CODE_VAULT, NEXT_LIST},
        {VAULT "KeyExists", EXIT_CODE_VAULT, NEXT_LIST},
        {VAULT "WeakPassphrase", EXIT_CODE_VAULT, NULL},
        {VAULT "TooManyKeys", EXIT_CODE_VAULT, NEXT_LIST},
        {VAULT "CannotWrite", EXIT_CODE_VAULT, NULL},
        {VAULT "Busy", EXIT_CODE_BUSY, NULL},
        {VAULT "Internal", EXIT_CODE_FAILURE, NULL},
        {VARLINK "InterfaceNotFound", EXIT_CODE_FAILURE, NULL},
        {VARLINK "MethodNotFound", EXIT_CODE_FAILURE, NULL},
        {VARLINK "MethodNotImplemented", EXIT_CODE_FAILURE, NULL},
        {VARLINK "InvalidParameter", EXIT_CODE_FAILURE, NULL},
};

const struct errors_entry *errors_find(const char *error) {
        for (size_t i = 0; i < ELEMENTSOF(entries); i++)
                if (strcmp(entries[i].error, error) == 0)
                        return &entries[i];
        return NULL;
}

size_t errors_n(void) {
        return ELEMENTSOF(entries);
}

const struct errors_entry *errors_at(size_t i) {
        return i < ELEMENTSOF(entries) ? &entries[i] : NULL;
}

enum exit_code errors_worse(enum exit_code a, enum exit_code b) {
        /* from the best to the worst: what passes by itself, what a code mends, what needs thought */
        static const enum exit_code order[] = {
                EXIT_CODE_OK,           EXIT_CODE_BUSY,  EXIT_CODE_LOCKED,
                EXIT_CODE_CODE_REFUSED, EXIT_CODE_AWS,   EXIT_CODE_FAILURE,
                EXIT_CODE_VAULT,        EXIT_CODE_USAGE, EXIT_CODE_NOT_RUNNING,
        };

        for (size_t i = ELEMENTSOF(order); i-- > 0;)
                if (order[i] == a || order[i] == b)
                        return order[i];
        return a;
}

enum exit_code errors_service_of(const char *name, const char *error, const json_t *parameters) {
        const struct errors_entry *entry = errors_find(error);
        const char *message = json_string_value(json_object_get(parameters, "message"));
        const char *parameter = json_string_value(json_object_get(parameters, "parameter"));
        const char *between = name ? ": " : "";

        name = name ? name : "";
        if (message)
                output_error("%s%s%s", name, between, message);
        else if (parameter)
                output_error("%s%sthe daemon does not accept \"%s\" (%s)", name, between, parameter,
                             error);
        else
                output_error("%s%sthe daemon answers %s", name, between, error);

        if (entry && entry->next && !(message && strstr(message, "mfactl ")))
                output_hint("run: %s", entry->next);
        return entry ? entry->code : EXIT_CODE_FAILURE;
}

enum exit_code errors_service(const char *error, const json_t *parameters) {
        return errors_service_of(NULL, error, parameters);
}

static void say_not_running(const char *program, bool is_signer) {
        output_error("%s is not running", program);
        /* what has just failed would fail again */
        if (units_has_failed(is_signer ? "mfad-signer.socket" : "mfad.socket") ||
            (!is_signer && !units_are_there() && port_is_anothers(port_configured())))
                output_hint("something is in its way; run: " NEXT_DOCTOR);
        else
                output_hint("run: %s", units_how_to_start());
}

/* @r: why its folder could not be entered. */
static void say_no_runtime_dir(const char *program, const char *advice, int r) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");

        if (!runtime || !*runtime)
                output_error("XDG_RUNTIME_DIR is not set, so %s cannot be found", program);
        else
                output_error("XDG_RUNTIME_DIR is %s, %s, so %s cannot be there", runtime,
                             r == -ENOENT ? "which is missing" : "where you may not write",
                             program);
        output_hint("log in through PAM, or run in every terminal: %s", advice);
}

static void say_not_ours(const char *socket) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        char dir[PATH_LEN_MAX];
        struct stat st;

        (void)snprintf(dir, sizeof(dir), "%s/mfad",
                       runtime ? runtime : ""); /* it was short enough */
        output_error("refusing to talk to %s/%s: it or its directory is not ours alone", dir,
                     socket);
        if (lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
            (st.st_mode & 077) != 0)
                output_hint("run: chmod 700 %s", dir);
        else
                output_hint("run: " NEXT_DOCTOR);
}

enum exit_code errors_link(const char *socket, int r) {
        bool is_signer = strcmp(socket, "vault") == 0;
        const char *program = is_signer ? "mfad-signer" : "mfad";
        const char *advice = runtime_dir_advice();

        switch (-r) {
        case ENOENT:
        case ECONNREFUSED:
                if (advice)
                        say_no_runtime_dir(program, advice, r);
                else
                        say_not_running(program, is_signer);
                return EXIT_CODE_NOT_RUNNING;
        case EPERM:
                if (getenv("SUDO_UID")) {
                        output_error("refusing to run under sudo: the vault and its sockets belong"
                                     " to the user who logged in");
                        output_hint("run mfactl without sudo");
                        return EXIT_CODE_NOT_RUNNING;
                }
                if (advice)
                        say_no_runtime_dir(program, advice, r);
                else
                        say_not_ours(socket);
                return EXIT_CODE_NOT_RUNNING;
        case ETIMEDOUT:
                output_error("%s does not answer", program);
                output_hint("run: " NEXT_DOCTOR);
                return EXIT_CODE_NOT_RUNNING;
        case ECONNRESET:
                output_error("%s ended in the middle of the call", program);
                output_hint("run: " NEXT_DOCTOR);
                return EXIT_CODE_NOT_RUNNING;
        default:
                output_error("cannot talk to %s: %s", program, strerror(-r));
                return EXIT_CODE_FAILURE;
        }
}
