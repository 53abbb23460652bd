#include "daemon/front/hooks.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define LOGIND         "org.freedesktop.login1"
#define LOGIND_PATH    "/org/freedesktop/login1"
#define LOGIND_MANAGER LOGIND ".Manager"
#define LOGIND_SESSION LOGIND ".Session"
#define LOGIND_USER    LOGIND ".User"
#define BUS            "org.freedesktop.DBus"
#define BUS_PATH       "/org/freedesktop/DBus"
#define BUS_LOCAL      "org.freedesktop.DBus.Local"
#define PROPERTIES     "org.freedesktop.DBus.Properties"

#define BUS_NAME_MAX             255 /* D-Bus specification, "Message Protocol" */
#define IDLE_TIMER_ACCURACY_USEC USEC_PER_SEC

#define NO_INHIBITOR "cannot make the machine's sleep wait for the lock"
#define NO_ANSWER    "cannot ask systemd-logind about this user"
#define NO_LOGIND    "systemd-logind does not answer"

struct hooks {
        sd_event *event;
        const struct config *config;
        hooks_lock_fn fn;
        void *userdata;
        sd_bus *bus; /* NULL while nothing is unlocked */
        sd_bus_slot *inhibit_call;
        sd_bus_slot *user_call;
        sd_bus_message *user; /* the last answer about our user: its sessions are looked up here */
        sd_event_source *idle_timer;
        char logind[BUS_NAME_MAX + 1]; /* its unique name, "" while it is not there */
        int inhibitor_fd;
        uint64_t connected_usec; /* CLOCK_BOOTTIME */
        uint64_t asleep_usec;    /* how long this boot had slept when we last looked */
        bool is_user_call_stale; /* something happened since it was sent */
        bool has_missed;         /* something that logind may have announced before we listened */
        bool was_logged_in;
        bool has_complained;
};

/* What an answer about our user says. */
struct user {
        bool is_logged_in;
        struct hooks_idle idle;
};

bool hooks_idle_is_over(const struct hooks_idle *i, uint64_t *ret_due_usec) {
        uint64_t now = clock_boot_usec(), awake = clock_awake_usec(), since = i->from_usec, idle;

        if (!i->is_idle) {
                *ret_due_usec = now + i->limit_usec; /* it cannot have begun before now */
                return false;
        }
        idle = awake > i->since_awake_usec ? awake - i->since_awake_usec : 0;
        if (now > idle && now - idle > since)
                since = now - idle;
        *ret_due_usec = since + i->limit_usec;
        return *ret_due_usec <= now;
}

uint64_t hooks_slept_usec(uint64_t before, uint64_t now) {
        return now > before ? now - before : 0;
}

static bool is_anything_on(const struct config *c) {
        return c->lock_on_suspend || c->lock_on_screen_lock || c->lock_on_logout ||
               c->lock_idle_sec > 0;
}

static void complain_in_words(struct hooks *h, const char *what, const char *why) {
        if (!h->has_complained)
                log_notice("%s (%s): the locks on suspend, screen lock, idle time and logout may "
                           "not work",
                           what, why);
        h->has_complained = true;
}

static void complain(struct hooks *h, int r, const char *what) {
        complain_in_words(h, what, strerror(-r));
}

/* Whether @m is an answer that can be read; if not, says so. */
static bool is_answer(struct hooks *h, sd_bus_message *m, const char *what) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        if (error)
                complain_in_words(h, what, error->message ? error->message : error->name);
        return !error;
}

static void lock(struct hooks *h, const char *why) {
        log_notice("%s", why);
        h->fn(h->userdata);
}

static void disconnect(struct hooks *h) {
        h->inhibit_call = sd_bus_slot_unref(h->inhibit_call);
        h->user_call = sd_bus_slot_unref(h->user_call);
        h->user = sd_bus_message_unref(h->user);
        h->bus = sd_bus_close_unref(h->bus);
        h->inhibitor_fd = fd_close(h->inhibitor_fd); /* nobody would hear what it waits for */
        h->logind[0] = '\0';
        h->was_logged_in = false;
        /* only fails for a source of another process */
        (void)sd_event_source_set_enabled(h->idle_timer, SD_EVENT_OFF);
}

/* The bus hands on what any user sends to us alone, whatever our matches say: the sender is what counts. */
static bool is_from_logind(const struct hooks *h, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        return *h->logind && sender && strcmp(sender, h->logind) == 0;
}

/* ---- the inhibitor ---- */

static int on_inhibit(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;
        int fd, r;

        h->inhibit_call = sd_bus_slot_unref(h->inhibit_call);
        if (!is_answer(h, m, NO_INHIBITOR))
                return 0;
        r = sd_bus_message_read(m, "h", &fd);
        if (r >= 0) {
                /* execve(2) closes it, and by then the old image's memory is gone */
                fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                r = fd < 0 ? -errno : 0;
        }
        if (r < 0) {
                complain(h, r, NO_INHIBITOR);
                return 0;
        }
        (void)fd_close(h->inhibitor_fd); /* always -EBADF */
        h->inhibitor_fd = fd;
        return 0;
}

static int take_inhibitor(struct hooks *h) {
        if (!h->config->lock_on_suspend || h->inhibit_call)
                return 0;
        return sd_bus_call_method_async(h->bus, &h->inhibit_call, LOGIND, LOGIND_PATH,
                                        LOGIND_MANAGER, "Inhibit", on_inhibit, h, "ssss", "sleep",
                                        "mfad", "locks the AWS session", "delay");
}

/* ---- our user ---- */

static int read_state(sd_bus_message *m, struct user *u) {
        const char *state;
        int r = sd_bus_message_read(m, "v", "s", &state);

        /* the others are "lingering" and "offline" */
        if (r >= 0)
                u->is_logged_in = strcmp(state, "opening") == 0 || strcmp(state, "online") == 0 ||
                                  strcmp(state, "active") == 0 || strcmp(state, "closing") == 0;
        return r;
}

static int read_property(sd_bus_message *m, struct user *u) {
        const char *name;
        int value, r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (strcmp(name, "State") == 0)
                return read_state(m, u);
        if (strcmp(name, "IdleSinceHintMonotonic") == 0)
                return sd_bus_message_read(m, "v", "t", &u->idle.since_awake_usec);
        if (strcmp(name, "IdleHint") != 0)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "b", &value);
        if (r >= 0)
                u->idle.is_idle = value;
        return r;
}

static int read_user(sd_bus_message *m, struct user *u) {
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_property(m, u);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

/* Enters the property Sessions, a(so), of the answer @m. */
static bool enter_sessions(sd_bus_message *m) {
        const char *name;

        if (!m || sd_bus_message_rewind(m, /* complete= */ true) < 0 ||
            sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return false;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &name) < 0)
                        return false;
                if (strcmp(name, "Sessions") == 0)
                        return sd_bus_message_enter_container(m, 'v', "a(so)") >= 0 &&
                               sd_bus_message_enter_container(m, 'a', "(so)") >= 0;
                if (sd_bus_message_skip(m, "v") < 0 || sd_bus_message_exit_container(m) < 0)
                        return false;
        }
        return false;
}

/* Whether @path is one of the sessions in the answer @m. */
static bool has_session(sd_bus_message *m, const char *path) {
        const char *found;

        if (enter_sessions(m))
                while (sd_bus_message_read(m, "(so)", NULL, &found) > 0)
                        if (strcmp(found, path) == 0)
                                return true;
        return false;
}

static void set_idle_timer(struct hooks *h, uint64_t due) {
        int r = sd_event_source_set_time(h->idle_timer, due);

        if (r >= 0)
                r = sd_event_source_set_enabled(h->idle_timer, SD_EVENT_ONESHOT);
        if (r < 0)
                complain(h, r, "cannot set a timer");
}

static void judge(struct hooks *h, const struct user *u) {
        bool has_left = h->was_logged_in && !u->is_logged_in;
        struct hooks_idle idle = u->idle;
        uint64_t due;

        h->was_logged_in = u->is_logged_in;
        if (has_left && h->config->lock_on_logout) {
                lock(h, "the last login of this user has ended");
                return;
        }
        if (h->config->lock_idle_sec == 0)
                return;
        idle.from_usec = h->connected_usec;
        idle.limit_usec = h->config->lock_idle_sec * USEC_PER_SEC;
        if (hooks_idle_is_over(&idle, &due)) {
                lock(h, "nobody has been here for the time that lock_idle says");
                return;
        }
        set_idle_timer(h, due);
}

static int on_user(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* Asks for all that is known about our user; one call serves all that want it meanwhile. */
static int ask_user(struct hooks *h) {
        char path[64];

        if (h->user_call) {
                h->is_user_call_stale = true;
                return 0;
        }
        h->is_user_call_stale = false;
        (void)snprintf(path, sizeof(path), LOGIND_PATH "/user/_%u", (unsigned)getuid());
        return sd_bus_call_method_async(h->bus, &h->user_call, LOGIND, path, PROPERTIES, "GetAll",
                                        on_user, h, "s", LOGIND_USER);
}

static int on_locked_hint(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        int is_locked;

        /* a session that has just ended is none to ask about */
        if (!sd_bus_message_is_method_error(m, NULL) &&
            sd_bus_message_read(m, "v", "b", &is_locked) > 0 && is_locked)
                lock(userdata, "the screen is locked");
        return 0;
}

/* Whether the screen of any of our user's sessions is locked. */
static int ask_locked_hints(struct hooks *h) {
        const char *path;
        bool has_some = enter_sessions(h->user);
        int r = 0;

        while (has_some && r >= 0 && sd_bus_message_read(h->user, "(so)", NULL, &path) > 0)
                r = sd_bus_call_method_async(h->bus, NULL, LOGIND, path, PROPERTIES, "Get",
                                             on_locked_hint, h, "ss", LOGIND_SESSION, "LockedHint");
        return r;
}

static int on_user(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;
        struct user u = {0};
        int r = 0;

        h->user_call = sd_bus_slot_unref(h->user_call);
        h->user = sd_bus_message_unref(h->user);
        /* a user that logind does not know is not logged in */
        if (!sd_bus_message_is_method_error(m, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
                if (!is_answer(h, m, NO_ANSWER))
                        return 0;
                h->user = sd_bus_message_ref(m);
                r = read_user(m, &u);
        }
        if (r >= 0 && h->has_missed && h->config->lock_on_screen_lock)
                r = ask_locked_hints(h);
        h->has_missed = false;
        if (r >= 0 && h->is_user_call_stale)
                r = ask_user(h);
        if (r < 0)
                complain(h, r, NO_ANSWER);
        else if (!h->user_call)
                judge(h, &u);
        return 0;
}

static int on_idle_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct hooks *h = userdata;
        int r;

        /* should no answer come; one that comes knows better */
        set_idle_timer(h, clock_boot_usec() + h->config->lock_idle_sec * USEC_PER_SEC);
        r = ask_user(h);
        if (r < 0)
                complain(h, r, NO_ANSWER);
        return 0;
}

/* ---- what logind says by itself ---- */

/* Sessions and roles need no word of this: their timers have counted the sleep and are due by themselves. */
static void on_resume(struct hooks *h) {
        uint64_t asleep = clock_asleep_usec(), slept = hooks_slept_usec(h->asleep_usec, asleep);
        int r = 0;

        h->asleep_usec = asleep;
        if (h->config->lock_idle_sec > 0 && slept >= h->config->lock_idle_sec * USEC_PER_SEC) {
                lock(h, "the machine has slept for the time that lock_idle says");
                return;
        }
        if (h->inhibitor_fd < 0) /* logind refuses one while the machine goes to sleep */
                r = take_inhibitor(h);
        if (r < 0)
                complain(h, r, NO_INHIBITOR);
}

static int on_manager_signal(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;
        int begins, r = 0;

        if (!is_from_logind(h, m))
                return 0;
        if (sd_bus_message_is_signal(m, LOGIND_MANAGER, "PrepareForSleep")) {
                r = sd_bus_message_read(m, "b", &begins);
                if (r >= 0 && !begins)
                        on_resume(h);
                else if (r >= 0 && h->config->lock_on_suspend)
                        lock(h, "the machine goes to sleep");
                return 0;
        }
        if (sd_bus_message_is_signal(m, LOGIND_MANAGER, "SessionNew") ||
            sd_bus_message_is_signal(m, LOGIND_MANAGER, "SessionRemoved") ||
            sd_bus_message_is_signal(m, LOGIND_MANAGER, "UserRemoved"))
                r = ask_user(h);
        if (r < 0)
                complain(h, r, NO_ANSWER);
        return 0;
}

static int on_session_lock(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;

        if (is_from_logind(h, m) && has_session(h->user, sd_bus_message_get_path(m)))
                lock(h, "the screen is to be locked");
        return 0;
}

/* Whether @m, a PropertiesChanged, says that LockedHint is now true. */
static bool is_now_locked(sd_bus_message *m) {
        const char *name;
        int value;

        if (sd_bus_message_skip(m, "s") < 0 || sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return false;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &name) < 0)
                        return false;
                if (strcmp(name, "LockedHint") == 0)
                        return sd_bus_message_read(m, "v", "b", &value) > 0 && value;
                if (sd_bus_message_skip(m, "v") < 0 || sd_bus_message_exit_container(m) < 0)
                        return false;
        }
        return false;
}

static int on_session_changed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;

        if (is_from_logind(h, m) && is_now_locked(m) &&
            has_session(h->user, sd_bus_message_get_path(m)))
                lock(h, "the screen is locked");
        return 0;
}

static int on_preparing(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;
        int begins;

        if (is_answer(h, m, NO_ANSWER) && sd_bus_message_read(m, "v", "b", &begins) > 0 && begins)
                lock(h, "the machine goes to sleep");
        return 0;
}

/* ---- the bus ---- */

static void ask_first(struct hooks *h) {
        int r = 0;

        if (h->has_missed && h->config->lock_on_suspend)
                r = sd_bus_call_method_async(h->bus, NULL, LOGIND, LOGIND_PATH, PROPERTIES, "Get",
                                             on_preparing, h, "ss", LOGIND_MANAGER,
                                             "PreparingForSleep");
        if (r >= 0)
                r = ask_user(h);
        if (r < 0)
                complain(h, r, NO_ANSWER);
}

/* @name: the unique name that logind has now, "" for none. */
static void set_logind(struct hooks *h, const char *name) {
        int r;

        if (strlen(name) > BUS_NAME_MAX)
                return; /* no bus gives such a name */
        strcpy(h->logind, name);
        if (!*name)
                return;
        h->has_complained = false;
        r = take_inhibitor(h);
        if (r < 0)
                complain(h, r, NO_INHIBITOR);
        ask_first(h);
}

void hooks_came_back(struct hooks *h) {
        h->has_missed = true;
        if (*h->logind) /* else when it is found */
                ask_first(h);
}

static int on_owner(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;
        const char *name;
        int r;

        if (!is_answer(h, m, NO_LOGIND))
                return 0;
        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                complain(h, r, NO_LOGIND);
        else
                set_logind(h, name);
        return 0;
}

/* logind was restarted, or has come late. */
static int on_owner_changed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(m), *name, *before, *after;
        struct hooks *h = userdata;

        /* the bus itself speaks under this name, and lets nobody else have it */
        if (sender && strcmp(sender, BUS) == 0 &&
            sd_bus_message_read(m, "sss", &name, &before, &after) > 0 && strcmp(name, LOGIND) == 0)
                set_logind(h, after);
        return 0;
}

static int on_lost(_unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct hooks *h = userdata;

        complain(h, -ECONNRESET, "the system bus has closed the connection");
        disconnect(h);
        return 0;
}

/* Only a socket in the file system: sd-bus would also start programs and open connections by TCP. */
static bool is_address_legal(void) {
        const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");

        return !address || (strncmp(address, "unix:", 5) == 0 && !strchr(address, ';'));
}

static int add_matches(struct hooks *h) {
        const struct {
                const char *rule;
                sd_bus_message_handler_t fn;
        } matches[] = {
                {"type='signal',sender='" BUS_LOCAL "',interface='" BUS_LOCAL
                 "',member='Disconnected'",
                 on_lost},
                {"type='signal',sender='" BUS "',interface='" BUS
                 "',member='NameOwnerChanged',arg0='" LOGIND "'",
                 on_owner_changed},
                {"type='signal',sender='" LOGIND "',path='" LOGIND_PATH
                 "',interface='" LOGIND_MANAGER "'",
                 on_manager_signal},
                {"type='signal',sender='" LOGIND "',path_namespace='" LOGIND_PATH
                 "/session',interface='" LOGIND_SESSION "',member='Lock'",
                 on_session_lock},
                {"type='signal',sender='" LOGIND "',path_namespace='" LOGIND_PATH
                 "/session',interface='" PROPERTIES
                 "',member='PropertiesChanged',arg0='" LOGIND_SESSION "'",
                 on_session_changed},
        };
        /* the last two are for the screen */
        size_t n = ELEMENTSOF(matches) - (h->config->lock_on_screen_lock ? 0 : 2);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_add_match_async(h->bus, NULL, matches[i].rule, matches[i].fn, NULL, h);
        return r;
}

/* All of this is only queued: sd-bus connects, says hello and asks while the event loop runs. */
static int begin(struct hooks *h) {
        int r;

        if (!is_address_legal())
                return -EPROTONOSUPPORT;
        r = sd_bus_open_system_with_description(&h->bus, "logind");
        if (r >= 0)
                r = sd_bus_attach_event(h->bus, h->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = add_matches(h);
        if (r >= 0)
                r = sd_bus_call_method_async(h->bus, NULL, BUS, BUS_PATH, BUS, "GetNameOwner",
                                             on_owner, h, "s", LOGIND);
        return r;
}

void hooks_set_unlocked(struct hooks *h, bool is_unlocked) {
        int r;

        if (!is_unlocked) {
                disconnect(h);
                return;
        }
        if (h->bus || !is_anything_on(h->config))
                return;
        h->connected_usec = clock_boot_usec();
        h->asleep_usec = clock_asleep_usec();
        r = begin(h);
        if (r < 0) {
                complain(h, r, "cannot reach the system bus");
                disconnect(h);
        }
}

int hooks_new(sd_event *event, const struct config *config, hooks_lock_fn fn, void *userdata,
              struct hooks **ret) {
        _cleanup_(hooks_freep) struct hooks *h = NULL;
        int r;

        assert(ret);

        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->event = sd_event_ref(event);
        h->config = config;
        h->fn = fn;
        h->userdata = userdata;
        h->inhibitor_fd = -EBADF;
        r = sd_event_add_time(event, &h->idle_timer, CLOCK_BOOTTIME, 0, IDLE_TIMER_ACCURACY_USEC,
                              on_idle_timer, h);
        if (r >= 0)
                r = sd_event_source_set_enabled(h->idle_timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(h->idle_timer, "hooks-idle"); /* for debugging */
        *ret = TAKE_PTR(h);
        return 0;
}

struct hooks *hooks_free(struct hooks *h) {
        if (!h)
                return NULL;
        if (h->idle_timer)
                disconnect(h);
        (void)sd_event_source_disable_unref(h->idle_timer); /* these return NULL */
        (void)sd_event_unref(h->event);
        free(h);
        return NULL;
}
