/* events.h - what happens that deserves an entry of its own in the journal: one table of the kinds.
 * Owns:  the names, levels and message ids. An id stands for its kind for ever, and systemd/mfad.catalog says
 *        what each means.
 * Calls: nothing.
 * Limit: none. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

enum log_level { /* the numbers are syslog's */
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
};

enum event {
        EVENT_NONE = 0, /* any other message */
        EVENT_LENT,     /* credentials, or the console's address, were handed out */
        EVENT_REFUSED,  /* they were asked for and not handed out */
        EVENT_SUPPRESSED,
        EVENT_STARTED,
        EVENT_LOCKED,
        EVENT_SESSION, /* it changed its state in another way than the next two */
        EVENT_UNLOCKED,
        EVENT_UNLOCK_FAILED,
        EVENT_ENDS_SOON,
        EVENT_ENDED,
        EVENT_ROLE_BOUGHT,
        EVENT_ROLE_FAILED,
        EVENT_CONFIG_READ,
        EVENT_CONFIG_BROKEN,
        EVENT_VAULT, /* made, opened, sealed; its passphrase or keys changed */
        _EVENT_MAX,
};

/* What is known about an event besides its sentence; none of it is secret. Lent; NULL or 0: not known, or of
 * no meaning there. */
struct event_fields {
        const char *profile; /* or session, or role */
        const char *result;  /* "ok", or the code of the refusal or failure */
        const char *token;   /* the client token's name */
        const char *key_id_suffix;
        bool has_peer; /* the next five are about a process that asked */
        uid_t uid;
        pid_t pid;
        const char *exe, *comm, *unit;
        unsigned n_suppressed;
};

/* "unlock_failed": as MFAD_EVENT and `mfactl log --json` spell it. */
const char *event_name(enum event event);
/* 32 hexadecimal digits. */
const char *event_message_id(enum event event);
enum log_level event_level(enum event event);
/* The reverse; EVENT_NONE for any other text. */
enum event event_of_message_id(const char *text);
