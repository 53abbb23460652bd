#include "client/call.h"
#include "client/child.h"
#include "client/client_token.h"
#include "client/doctor.h"
#include "client/output.h"
#include "client/port.h"
#include "client/profile_list.h"
#include "client/runtime_dir.h"
#include "client/units.h"
#include "common/sockdiag.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEMCTL_MSEC  5000
#define UNITS_TEXT_MAX  4096
#define ANSWER_SEC      10
#define FIX_MAX         256
#define LISTEN_HEAD     "\nListen=127.0.0.1:"
#define BY_HAND         MFAD_LIBEXECDIR "/mfad-signer & " MFAD_LIBEXECDIR "/mfad &"
#define ENABLE_SOCKETS  "systemctl --user enable --now mfad-signer.socket mfad.socket"
#define RESTART_SERVICE "systemctl --user restart mfad.service (or end mfad and start it again)"

static const char *const unit_names[] = {"mfad-signer.socket", "mfad-signer.service", "mfad.socket",
                                         "mfad.service"};

/* One unit, as `systemctl show` tells it: the properties that we asked for, "" for what is missing. */
struct unit {
        char id[64], load[32], active[32], sub[32], file[32], restarts[32];
};

/* The line "@name=..." of the block of @len bytes at @text. */
static void take_property(const char *text, size_t len, const char *name, char out[], size_t size) {
        size_t name_len = strlen(name);

        out[0] = '\0';
        for (const char *line = text, *end = text + len; line < end;) {
                const char *stop = memchr(line, '\n', (size_t)(end - line));
                size_t n = (size_t)((stop ? stop : end) - line);

                if (n > name_len && line[name_len] == '=' && strncmp(line, name, name_len) == 0) {
                        (void)snprintf(out, size, "%.*s", (int)(n - name_len - 1),
                                       line + name_len + 1);
                        return;
                }
                line += n + 1;
        }
}

static bool is(const char *text, const char *other) {
        return strcmp(text, other) == 0;
}

static void judge_socket(struct doctor_report *r, const char *name, const struct unit *u,
                         bool is_running) {
        enum doctor_level level = is_running ? DOCTOR_NOTE : DOCTOR_PROBLEM;
        char fix[FIX_MAX];

        if (is(u->active, "failed")) {
                (void)snprintf(fix, sizeof(fix),
                               "systemctl --user status %s, and then: systemctl --user "
                               "reset-failed %s; systemctl --user start %s",
                               name, name, name);
                doctor_report_add(r, DOCTOR_PROBLEM, name, fix, "has failed");
        } else if (!is(u->active, "active")) {
                doctor_report_add(r, level, name, ENABLE_SOCKETS, "%s, %s", u->active, u->file);
        } else if (!is(u->file, "enabled") && !is(u->file, "enabled-runtime")) {
                doctor_report_add(r, DOCTOR_NOTE, name, ENABLE_SOCKETS,
                                  "active, but %s: not there after the next login", u->file);
        } else {
                doctor_report_add(r, DOCTOR_OK, name, NULL, "active, %s", u->file);
        }
}

static void judge_service(struct doctor_report *r, const char *name, const struct unit *u) {
        bool was_restarted = *u->restarts && !is(u->restarts, "0");
        char fix[FIX_MAX];

        (void)snprintf(fix, sizeof(fix), "journalctl --user -n 20 -u %s", name);
        if (is(u->active, "failed")) {
                doctor_report_add(r, DOCTOR_PROBLEM, name, fix, "has failed");
        } else if (is(u->active, "activating") && (was_restarted || is(u->sub, "auto-restart"))) {
                doctor_report_add(r, DOCTOR_PROBLEM, name, fix,
                                  "does not start, though it was tried again%s%s%s",
                                  was_restarted ? " " : "", was_restarted ? u->restarts : "",
                                  was_restarted ? " times" : "");
        } else if (is(u->active, "inactive")) {
                doctor_report_add(r, DOCTOR_OK, name, NULL,
                                  "inactive; its socket starts it when it is asked");
        } else {
                doctor_report_add(r, DOCTOR_OK, name, NULL, "%s", u->active);
        }
}

void doctor_units(struct doctor_report *r, const char *text, bool is_running) {
        size_t n_missing = 0;

        for (const char *block = text; *block;) {
                const char *stop = strstr(block, "\n\n");
                size_t len = stop ? (size_t)(stop - block) : strlen(block);
                struct unit u;

                take_property(block, len, "Id", u.id, sizeof(u.id));
                take_property(block, len, "LoadState", u.load, sizeof(u.load));
                take_property(block, len, "ActiveState", u.active, sizeof(u.active));
                take_property(block, len, "SubState", u.sub, sizeof(u.sub));
                take_property(block, len, "UnitFileState", u.file, sizeof(u.file));
                take_property(block, len, "NRestarts", u.restarts, sizeof(u.restarts));
                block += len + (stop ? 2 : 0);
                for (size_t i = 0; i < ELEMENTSOF(unit_names); i++) {
                        if (!is(u.id, unit_names[i]))
                                continue;
                        if (is(u.load, "not-found"))
                                n_missing++;
                        else if (!is(u.load, "loaded"))
                                doctor_report_add(r, DOCTOR_NOTE, unit_names[i], NULL, "%s",
                                                  u.load);
                        else if (strstr(unit_names[i], ".socket"))
                                judge_socket(r, unit_names[i], &u, is_running);
                        else
                                judge_service(r, unit_names[i], &u);
                }
        }
        if (n_missing > 0)
                doctor_report_add(r, DOCTOR_NOTE, "units",
                                  "install them with ./run install or the package, and then: "
                                  "systemctl --user daemon-reload",
                                  "%zu of mfad's %zu are not installed: somebody has to start it",
                                  n_missing, ELEMENTSOF(unit_names));
}

/* What systemd says of our units; "" when there is none. */
static void ask_systemd(char text[UNITS_TEXT_MAX + 1]) {
        const char *argv[16] = {"systemctl", "--user", "show", "--property",
                                "Id,LoadState,ActiveState,SubState,UnitFileState,NRestarts,Listen"};
        struct child_wish wish = {argv, SYSTEMCTL_MSEC, false, text, UNITS_TEXT_MAX};
        size_t len = 0;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(unit_names); i++)
                argv[5 + i] = unit_names[i];
        r = child_run(&wish, &len);
        text[r == 0 ? len : 0] = '\0';
}

static void judge_units(struct doctor *d, const char *text) {
        if (strstr(text, "LoadState="))
                doctor_units(&d->report, text, d->control);
        else
                doctor_report_add(&d->report, DOCTOR_NOTE, "systemd", d->control ? NULL : BY_HAND,
                                  "no user manager answers: somebody has to start mfad");
}

/* Where mfad listens, or will: as its unit says, else as configured. */
static uint16_t port_to_be(const struct doctor *d, const char *units) {
        const char *its = strstr(units, LISTEN_HEAD);
        unsigned long port = its ? strtoul(its + strlen(LISTEN_HEAD), NULL, 10) : 0;

        return port > 0 && port <= UINT16_MAX ? (uint16_t)port
               : d->conf.port != 0            ? d->conf.port
                                              : MFAD_CONF_PORT_DEFAULT;
}

static const char *why_no_link(int r) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");

        if (runtime_dir_advice() && r != -ETIMEDOUT)
                return runtime && *runtime ? "it cannot have a folder in XDG_RUNTIME_DIR"
                                           : "XDG_RUNTIME_DIR is not set";
        switch (-r) {
        case ENOENT:
        case ECONNREFUSED: return "it does not run";
        case EPERM:
                return getenv("SUDO_UID") ? "mfactl does not work under sudo"
                                          : "its socket or the folder is not ours alone";
        case ETIMEDOUT: return "it does not answer";
        case ECONNRESET: return "it ended in the middle of the call";
        default: return strerror(-r);
        }
}

/* @is_in_the_way: another user has the port. */
static const char *fix_of_link(int r, bool is_signer, bool is_in_the_way, char fix[FIX_MAX]) {
        const char *advice = runtime_dir_advice();

        if (getenv("SUDO_UID") && r == -EPERM)
                return "run mfactl without sudo";
        if (advice) {
                (void)snprintf(fix, FIX_MAX, "log in through PAM, or in every terminal: %s",
                               advice);
                return fix;
        }
        if (r == -EPERM)
                return "chmod 700 $XDG_RUNTIME_DIR/mfad, or remove it if it is not yours";
        if (r == -ETIMEDOUT || r == -ECONNRESET)
                return !units_are_there() ? "see what it has logged; end it and start it again"
                       : is_signer        ? "journalctl --user -n 20 -u mfad-signer"
                                          : "journalctl --user -n 20 -u mfad";
        if (is_in_the_way)
                return port_how_to_change();
        return "systemctl --user start mfad-signer.socket mfad.socket; or without systemd: " BY_HAND;
}

/* Connects to @socket and asks for its status. Returns 0 or a negative errno. */
static int ask(const char *socket, const char *method, struct link **ret_link,
               json_t **ret_status) {
        char error[LINK_ERROR_MAX];
        int r = link_open(socket, ret_link);

        if (r >= 0)
                r = link_call(*ret_link, method, NULL, ANSWER_SEC, error, ret_status);
        if (r > 0) {
                json_decref(*ret_status);
                *ret_status = NULL;
                r = -EBADMSG;
        }
        if (r < 0)
                *ret_link = link_free(*ret_link);
        return r;
}

/* @control, @vault: what asking them has come to. */
static void judge_programs(struct doctor *d, int control, int vault) {
        const char *version = call_text(d->status, "version");
        char fix[FIX_MAX];

        if (control < 0)
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "mfad",
                                  fix_of_link(control, false, port_is_anothers(d->port), fix), "%s",
                                  why_no_link(control));
        if (vault < 0)
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "mfad-signer",
                                  fix_of_link(vault, true, false, fix), "%s", why_no_link(vault));
        if (d->status && version && strcmp(version, MFAD_VERSION) != 0)
                doctor_report_add(&d->report, DOCTOR_NOTE, "mfad", RESTART_SERVICE,
                                  "is version %s, but mfactl is " MFAD_VERSION, version);
        else if (d->status)
                doctor_report_add(&d->report, DOCTOR_OK, "mfad", NULL, "answers, version %s",
                                  version ? version : "unknown");
        if (d->vault_status)
                doctor_report_add(&d->report, DOCTOR_OK, "mfad-signer", NULL, "answers");
}

static bool is_private(const char *path, mode_t type) {
        struct stat st;

        return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
               (st.st_mode & 077) == 0;
}

static void judge_sockets(struct doctor *d) {
        static const char *const names[] = {"control", "vault", "sign"};
        const char *dir = d->places.runtime;
        char path[PATH_LEN_MAX], fix[PATH_LEN_MAX + 32];

        if (!*dir || access(dir, F_OK) < 0)
                return; /* that it does not run has been said */
        (void)snprintf(fix, sizeof(fix), "chmod 700 %s", dir);
        if (!is_private(dir, S_IFDIR)) {
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "folder", fix,
                                  "%s is not a folder of ours alone", dir);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (fs_join(path, sizeof(path), dir, names[i]) < 0 || access(path, F_OK) < 0)
                        continue;
                if (!is_private(path, S_IFSOCK)) {
                        doctor_report_add(&d->report, DOCTOR_PROBLEM, "sockets", RESTART_SERVICE,
                                          "%s is not a socket of ours alone", path);
                        return;
                }
        }
        doctor_report_add(&d->report, DOCTOR_OK, "folder", NULL,
                          "%s and its sockets are ours alone", dir);
}

static void judge_listeners(struct doctor *d) {
        _cleanup_(fd_closep) int diag = sockdiag_open();
        uid_t uid = (uid_t)-1;
        int r;

        r = diag < 0 ? diag : sockdiag_listener_uid(diag, d->port, &uid);
        if (r < 0)
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "port", RESTART_SERVICE,
                                  "cannot tell who listens on 127.0.0.1:%u: %s", d->port,
                                  r == -ENOENT ? "nobody does" : strerror(-r));
        else if (uid != geteuid())
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "port", port_how_to_change(),
                                  "127.0.0.1:%u belongs to user %u", d->port, (unsigned)uid);
        else
                doctor_report_add(&d->report, DOCTOR_OK, "port", NULL, "127.0.0.1:%u is ours",
                                  d->port);
        if (diag < 0 || sockdiag_listener6_uid(diag, d->port, &uid) < 0)
                return; /* no SDK is sent there */
        if (uid != geteuid())
                doctor_report_add(&d->report, DOCTOR_NOTE, "port",
                                  "say 127.0.0.1 wherever somebody says localhost",
                                  "[::1]:%u belongs to user %u", d->port, (unsigned)uid);
        else
                doctor_report_add(&d->report, DOCTOR_OK, "port", NULL, "[::1]:%u is ours", d->port);
}

static bool has_control(const struct doctor *d) {
        char path[PATH_LEN_MAX];

        return fs_join(path, sizeof(path), d->places.runtime, "control") == 0 &&
               access(path, F_OK) == 0;
}

/* mfad does not answer: could it have its port? A unit that cannot have [::1] does not start either. */
static void judge_port_to_be(struct doctor *d) {
        static const struct {
                const char *address;
                int (*find)(int fd, uint16_t port, uid_t *ret_uid);
        } addresses[] = {{"127.0.0.1", sockdiag_listener_uid}, {"[::1]", sockdiag_listener6_uid}};
        _cleanup_(fd_closep) int diag = sockdiag_open();
        char fix[FIX_MAX];
        uid_t uid;

        (void)snprintf(fix, sizeof(fix),
                       "end it (ss -ltnp 'sport = :%u' names it), or give mfad another port, see "
                       "mfad.conf(5)",
                       d->port);
        for (size_t i = 0; diag >= 0 && i < ELEMENTSOF(addresses); i++) {
                if (addresses[i].find(diag, d->port, &uid) < 0)
                        continue;
                if (uid != geteuid())
                        doctor_report_add(&d->report, DOCTOR_PROBLEM, "port", port_how_to_change(),
                                          "%s:%u belongs to user %u: mfad cannot have it",
                                          addresses[i].address, d->port, (unsigned)uid);
                else if (!has_control(d)) /* else it is systemd that holds both */
                        doctor_report_add(&d->report, DOCTOR_PROBLEM, "port", fix,
                                          "%s:%u belongs to another program of yours",
                                          addresses[i].address, d->port);
        }
}

static void judge_token(struct doctor *d) {
        int r = client_token_read(d->token_path, &d->token);

        if (r >= 0) {
                doctor_report_add(&d->report, DOCTOR_OK, "token", NULL, "%s is ours alone",
                                  d->token_path);
                return;
        }
        buf_clear(&d->token);
        doctor_report_add(&d->report, DOCTOR_PROBLEM, "token", RESTART_SERVICE, "%s: %s",
                          d->token_path, client_token_why_not(r));
}

void doctor_service(struct doctor *d) {
        char units[UNITS_TEXT_MAX + 1] = "";
        int control, vault;

        d->report.topic = "service";
        control = ask("control", CONTROL("GetStatus"), &d->control, &d->status);
        vault = ask("vault", VAULT("GetStatus"), &d->vault, &d->vault_status);
        ask_systemd(units); /* now that they were to start, if not before */
        d->port = port_to_be(d, units);
        judge_programs(d, control, vault);
        judge_units(d, units);
        judge_sockets(d);
        if (!d->control) {
                judge_port_to_be(d);
                return;
        }
        d->port = (uint16_t)call_number(d->status, "http_port", 0);
        judge_listeners(d);
        judge_token(d);
        if (profile_list(d->control, &d->profiles) != EXIT_CODE_OK)
                d->profiles = NULL; /* it has said why */
}
