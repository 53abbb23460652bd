#include "daemon/signer/vault_api.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/varlink_text.h"
#include "daemon/shared/varlink_server.h"
#include "daemon/signer/kdf.h"
#include "daemon/signer/vault.h"
#include "daemon/signer/vault_answers.h"

#include <string.h>

#define DELAY_STEP_USEC (100 * USEC_PER_MSEC)
#define DELAY_MAX_USEC  (10 * USEC_PER_SEC)

/* An Open or ChangePassphrase that waits: passphrases of others failed just before. */
struct waiting {
        struct varlink_call *call; /* NULL: this place is free */
        struct secret *passphrase;
        struct secret *new_passphrase; /* NULL for Open */
        bool accept_rollback;
};

struct vault_api {
        struct varlink_server *server;
        sd_event_source *timer;
        struct vault *vault;
        vault_api_seal_fn seal;
        void *seal_userdata;
        struct waiting waiting[VAULT_API_WAITING_MAX]; /* first come, first served; no gaps */
        size_t n_waiting;
        unsigned n_wrong;         /* since the last right one */
        uint64_t not_before_usec; /* CLOCK_BOOTTIME */
};

/* --- answers -------------------------------------------------------------------------------- */

static void answer_error(struct varlink_call *call, const char *error, const char *message) {
        varlink_call_error(call, error, json_pack("{s:s}", "message", message));
}

/* Answers with what a function of vault.h returned. */
static void answer(struct vault_api *a, struct varlink_call *call, int r) {
        const struct vault_problem *p = vault_problem(a->vault);
        char message[VAULT_ANSWER_MAX];

        if (r == VAULT_OK) {
                varlink_call_reply(call, NULL);
                return;
        }
        if (r < 0) {
                (void)log_error(r, "a call on the vault failed");
                answer_error(call, VAULT_ERROR_INTERNAL, strerror(-r));
                return;
        }
        vault_answer_message(a->vault, (enum vault_result)r, message);
        if (r == VAULT_E_ROLLBACK)
                varlink_call_error(call, vault_answer_error(VAULT_E_ROLLBACK),
                                   json_pack("{s:s, s:I, s:I}", "message", message, "generation",
                                             (json_int_t)p->generation, "expected",
                                             (json_int_t)p->expected));
        else
                answer_error(call, vault_answer_error((enum vault_result)r), message);
}

static void answer_invalid(struct varlink_call *call, const char *parameter) {
        varlink_call_error(call, "org.varlink.service.InvalidParameter",
                           json_pack("{s:s}", "parameter", parameter));
}

/* --- passphrases ---------------------------------------------------------------------------- */

static void waiting_clear(struct waiting *w) {
        w->passphrase = secret_free(w->passphrase);
        w->new_passphrase = secret_free(w->new_passphrase);
        *w = (struct waiting){};
}

static void waiting_remove(struct vault_api *a, size_t i) {
        waiting_clear(&a->waiting[i]);
        a->n_waiting--;
        memmove(&a->waiting[i], &a->waiting[i + 1], (a->n_waiting - i) * sizeof(a->waiting[0]));
        a->waiting[a->n_waiting] = (struct waiting){};
}

static void on_caller_gone(struct varlink_call *call, void *userdata) {
        struct vault_api *a = userdata;

        for (size_t i = 0; i < a->n_waiting; i++)
                if (a->waiting[i].call == call) {
                        waiting_remove(a, i);
                        return;
                }
}

/* Counts wrong passphrases and says how long the next one has to wait. */
static void note_outcome(struct vault_api *a, int r) {
        uint64_t delay_usec;

        if (r == VAULT_OK)
                a->n_wrong = 0;
        if (r != VAULT_E_CANNOT_OPEN)
                return;
        a->n_wrong++;
        delay_usec = a->n_wrong * DELAY_STEP_USEC;
        if (delay_usec > DELAY_MAX_USEC)
                delay_usec = DELAY_MAX_USEC;
        a->not_before_usec = clock_boot_usec() + delay_usec;
        (void)log_warning(0,
                          "cannot open the vault: wrong passphrase or changed file (%u in a row)",
                          a->n_wrong);
}

/* Works in the event loop: scrypt holds it for 0.7 s a passphrase, and sign requests wait. A child
 * process or a thread would be one more place with the passphrase and the keys in it. */
static void try_passphrase(struct vault_api *a, struct varlink_call *call, const char *passphrase,
                           const char *new_passphrase, bool accept_rollback) {
        int r;

        if (new_passphrase)
                r = vault_change_passphrase(a->vault, passphrase, new_passphrase);
        else
                r = vault_open(a->vault, passphrase, accept_rollback);
        note_outcome(a, r);
        if (r == VAULT_OK)
                log_event(EVENT_VAULT, NULL,
                          new_passphrase ? "passphrase changed" : "vault opened");
        answer(a, call, r);
}

static void arm_timer(struct vault_api *a) {
        int r;

        if (a->n_waiting == 0)
                return;
        r = sd_event_source_set_time(a->timer, a->not_before_usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
        if (r < 0) /* the callers would wait for ever */
                (void)log_error(r, "cannot set a timer");
}

static int on_turn(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        struct vault_api *a = userdata;
        struct waiting w;

        if (a->n_waiting == 0) /* the callers went away */
                return 0;
        w = a->waiting[0];
        a->waiting[0] = (struct waiting){}; /* what it owned is w's */
        waiting_remove(a, 0);
        varlink_call_on_gone(w.call, NULL, NULL);
        try_passphrase(a, w.call, secret_reveal(w.passphrase),
                       w.new_passphrase ? secret_reveal(w.new_passphrase) : NULL,
                       w.accept_rollback);
        waiting_clear(&w);
        arm_timer(a);
        return 0;
}

static int wait_turn(struct vault_api *a, struct varlink_call *call, const char *passphrase,
                     const char *new_passphrase, bool accept_rollback) {
        struct waiting w = {.call = call, .accept_rollback = accept_rollback};
        int r;

        r = secret_copy(passphrase, strlen(passphrase), &w.passphrase);
        if (r >= 0 && new_passphrase)
                r = secret_copy(new_passphrase, strlen(new_passphrase), &w.new_passphrase);
        if (r < 0) {
                waiting_clear(&w);
                return r;
        }
        varlink_call_on_gone(call, on_caller_gone, a);
        a->waiting[a->n_waiting++] = w;
        arm_timer(a);
        return 0;
}

static void take_passphrase(struct vault_api *a, struct varlink_call *call, const char *passphrase,
                            const char *new_passphrase, bool accept_rollback) {
        int r;

        if (a->n_waiting == 0 && clock_boot_usec() >= a->not_before_usec) {
                try_passphrase(a, call, passphrase, new_passphrase, accept_rollback);
                return;
        }
        if (a->n_waiting == VAULT_API_WAITING_MAX) {
                answer_error(
                        call, vault_answer_error(VAULT_E_BUSY),
                        "too many passphrases are waiting to be tried; try again in some seconds");
                return;
        }
        r = wait_turn(a, call, passphrase, new_passphrase, accept_rollback);
        if (r < 0)
                answer(a, call, r);
}

/* --- methods -------------------------------------------------------------------------------- */

static const char *state_name(enum vault_state state) {
        switch (state) {
        case VAULT_NONE: return "none";
        case VAULT_SEALED: return "sealed";
        case VAULT_OPEN: return "open";
        }
        abort();
}

static json_t *describe_key(const struct vault_key *key) {
        const char *id = key->info.access_key_id;
        size_t len = strlen(id);
        char created[21];

        encode_time_iso(key->created_sec, created);
        return json_pack("{s:s, s:s, s:s*, s:s*, s:s}", "name", key->info.name, "access_key_id",
                         id + (len > 4 ? len - 4 : 0), "mfa_serial",
                         *key->info.mfa_serial ? key->info.mfa_serial : NULL, "user_arn",
                         *key->info.user_arn ? key->info.user_arn : NULL, "created", created);
}

static void on_get_status(struct varlink_call *call, const json_t *parameters _unused_,
                          void *userdata) {
        struct vault_api *a = userdata;
        const struct vault_keys *keys = vault_keys(a->vault);
        json_t *list = json_array(), *reply;

        for (size_t i = 0; keys && i < keys->n; i++)
                (void)json_array_append_new(list, describe_key(&keys->keys[i])); /* see below */
        if (!list || json_array_size(list) != (keys ? keys->n : 0)) {
                json_decref(list);
                answer(a, call, -ENOMEM);
                return;
        }
        reply = json_pack("{s:s, s:s, s:I, s:o, s:s, s:i}", "state",
                          state_name(vault_state(a->vault)), "path", vault_path(a->vault),
                          "generation", (json_int_t)vault_generation(a->vault), "keys", list,
                          "memory", secret_arena_name(secret_arena_kind()), "kdf_log2n",
                          (int)vault_log2n(a->vault));
        if (!reply) {
                answer(a, call, -ENOMEM);
                return;
        }
        varlink_call_reply(call, reply);
}

static void on_create(struct varlink_call *call, const json_t *parameters, void *userdata) {
        struct vault_api *a = userdata;
        int r;

        r = vault_create(a->vault, varlink_string(parameters, "passphrase"));
        if (r == VAULT_OK)
                log_event(EVENT_VAULT, NULL, "vault made: %s", vault_path(a->vault));
        answer(a, call, r);
}

static void on_open(struct varlink_call *call, const json_t *parameters, void *userdata) {
        take_passphrase(userdata, call, varlink_string(parameters, "passphrase"), NULL,
                        varlink_bool(parameters, "accept_rollback", false));
}

static void on_change_passphrase(struct varlink_call *call, const json_t *parameters,
                                 void *userdata) {
        take_passphrase(userdata, call, varlink_string(parameters, "old_passphrase"),
                        varlink_string(parameters, "new_passphrase"), false);
}

static void on_seal(struct varlink_call *call, const json_t *parameters _unused_, void *userdata) {
        struct vault_api *a = userdata;

        a->seal(call, a->seal_userdata);
}

/* The alphabets that varlink_check() does not know. NULL when all is well, else the parameter. */
static const char *find_bad_key_text(const json_t *parameters) {
        const char *id = varlink_string(parameters, "access_key_id");
        const char *secret_key = varlink_string(parameters, "secret_access_key");
        const char *serial = varlink_string(parameters, "mfa_serial");
        const char *arn = varlink_string(parameters, "user_arn");

        if (!text_is_key_name(varlink_string(parameters, "name")))
                return "name";
        if (id && !text_is_access_key_id(id))
                return "access_key_id";
        if (secret_key && !text_is_graph(secret_key, SECRET_KEY_MAX))
                return "secret_access_key";
        if (serial && *serial && !text_is_mfa_serial(serial))
                return "mfa_serial";
        if (arn && *arn && !text_is_graph(arn, USER_ARN_MAX))
                return "user_arn";
        return NULL;
}

static void on_add_key(struct varlink_call *call, const json_t *parameters, void *userdata) {
        const char *bad = find_bad_key_text(parameters);
        struct vault_api *a = userdata;
        struct signer_key info = {};
        const char *text;
        int r;

        if (bad) {
                answer_invalid(call, bad);
                return;
        }
        /* each is shorter than its array: see find_bad_key_text() */
        strcpy(info.name, varlink_string(parameters, "name"));
        strcpy(info.access_key_id, varlink_string(parameters, "access_key_id"));
        if ((text = varlink_string(parameters, "mfa_serial")))
                strcpy(info.mfa_serial, text);
        if ((text = varlink_string(parameters, "user_arn")))
                strcpy(info.user_arn, text);
        r = vault_add_key(a->vault, &info, varlink_string(parameters, "secret_access_key"),
                          varlink_bool(parameters, "replace", false));
        if (r == VAULT_OK)
                log_event(EVENT_VAULT, NULL, "key \"%s\" is in the vault", info.name);
        answer(a, call, r);
}

static void on_set_key_info(struct varlink_call *call, const json_t *parameters, void *userdata) {
        const char *bad = find_bad_key_text(parameters);
        struct vault_api *a = userdata;

        if (bad) {
                answer_invalid(call, bad);
                return;
        }
        answer(a, call,
               vault_set_key_info(a->vault, varlink_string(parameters, "name"),
                                  varlink_string(parameters, "mfa_serial"),
                                  varlink_string(parameters, "user_arn")));
}

static void on_remove_key(struct varlink_call *call, const json_t *parameters, void *userdata) {
        const char *name = varlink_string(parameters, "name");
        struct vault_api *a = userdata;
        int r;

        r = vault_remove_key(a->vault, name);
        if (r == VAULT_OK)
                log_event(EVENT_VAULT, NULL, "key \"%s\" was removed from the vault", name);
        answer(a, call, r);
}

#define TEXT(field, least, most)                                                                   \
        { .name = field, .type = VARLINK_STRING, .min = least, .max = most }
#define MAYBE_TEXT(field, most)                                                                    \
        { .name = field, .type = VARLINK_STRING, .is_optional = true, .max = most }
#define MAYBE_BOOL(field)                                                                          \
        { .name = field, .type = VARLINK_BOOL, .is_optional = true }

static const struct varlink_field create_fields[] = {
        TEXT("passphrase", 0, VAULT_PASSPHRASE_MAX),
        {},
};
static const struct varlink_field open_fields[] = {
        TEXT("passphrase", 0, VAULT_PASSPHRASE_MAX),
        MAYBE_BOOL("accept_rollback"),
        {},
};
static const struct varlink_field add_key_fields[] = {
        TEXT("name", 1, KEY_NAME_MAX),
        TEXT("access_key_id", 1, ACCESS_KEY_ID_MAX),
        TEXT("secret_access_key", 1, SECRET_KEY_MAX),
        MAYBE_TEXT("mfa_serial", MFA_SERIAL_MAX),
        MAYBE_TEXT("user_arn", USER_ARN_MAX),
        MAYBE_BOOL("replace"),
        {},
};
static const struct varlink_field set_key_info_fields[] = {
        TEXT("name", 1, KEY_NAME_MAX),
        MAYBE_TEXT("mfa_serial", MFA_SERIAL_MAX),
        MAYBE_TEXT("user_arn", USER_ARN_MAX),
        {},
};
static const struct varlink_field remove_key_fields[] = {
        TEXT("name", 1, KEY_NAME_MAX),
        {},
};
static const struct varlink_field change_passphrase_fields[] = {
        TEXT("old_passphrase", 0, VAULT_PASSPHRASE_MAX),
        TEXT("new_passphrase", 0, VAULT_PASSPHRASE_MAX),
        {},
};

static const struct varlink_method methods[] = {
        {.name = "GetStatus", .fn = on_get_status},
        {.name = "Create", .fields = create_fields, .fn = on_create},
        {.name = "Open", .fields = open_fields, .fn = on_open},
        {.name = "Seal", .fn = on_seal, .is_urgent = true},
        {.name = "AddKey", .fields = add_key_fields, .fn = on_add_key},
        {.name = "SetKeyInfo", .fields = set_key_info_fields, .fn = on_set_key_info},
        {.name = "RemoveKey", .fields = remove_key_fields, .fn = on_remove_key},
        {.name = "ChangePassphrase",
         .fields = change_passphrase_fields,
         .fn = on_change_passphrase},
        {},
};

static const struct varlink_interface interface = {
        .name = "org.mfad.Vault",
        .description = varlink_text_org_mfad_Vault,
        .product = "mfad-signer",
        .methods = methods,
};

int vault_api_new(sd_event *event, int listen_fd, struct vault *vault, vault_api_seal_fn seal,
                  void *userdata, struct vault_api **ret) {
        _cleanup_(vault_api_freep) struct vault_api *a = NULL;
        int r;

        assert(listen_fd >= 0);
        assert(vault);

        a = calloc(1, sizeof(*a));
        if (!a) {
                (void)fd_close(listen_fd);
                return -ENOMEM;
        }
        a->vault = vault;
        a->seal = seal;
        a->seal_userdata = userdata;
        r = varlink_server_new(event, listen_fd, &interface, a, &a->server);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &a->timer, CLOCK_BOOTTIME, 0, 0, on_turn, a);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(a->timer,
                                              "passphrase-delay"); /* for debugging only */
        *ret = TAKE_PTR(a);
        return 0;
}

struct vault_api *vault_api_free(struct vault_api *a) {
        if (!a)
                return NULL;
        a->timer = sd_event_source_disable_unref(a->timer);
        a->server = varlink_server_free(a->server); /* calls on_caller_gone() for each that waits */
        free(a);
        return NULL;
}

int vault_api_listen_fd(const struct vault_api *a) {
        return varlink_server_listen_fd(a->server);
}
