/* persist-world.h - what persist.c stands on, in a test's hands: mfad-signer, the roles, AWS, the clock and a folder.
 * Owns:  one persist, the real sessions, and the folder for the file.
 * Calls: session.h, persist.h. Takes the place of aws_api.c, attempts.c, roles.c, role_kept.c and signer_client.c.
 * Limit: one question to mfad-signer at a time, one call to AWS. */
#pragma once
#include "common/clock.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/config.h"
#include "daemon/front/lease.h"
#include "daemon/front/persist.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"
#include <sys/types.h>

#define WALL   INT64_C(1800000000)
#define SERIAL "arn:aws:iam::123456789012:mfa/alice"
#define HOUR   UINT64_C(3600)

/* The call that is under way. */
struct world_aws {
        aws_api_fn fn;
        void *userdata;
};
extern struct world_aws aws;

/* It wraps by turning bytes around, and answers when answer() says so. */
struct world_signer {
        enum vault_state vault;
        enum signer_refusal refusal; /* 0 for none */
        int r;                       /* of the next answer */
        struct signer_request last;
        signer_answer_fn fn; /* NULL: nothing is asked */
        void *userdata;
        unsigned n_wrap, n_unwrap;
};
extern struct world_signer signer;

extern size_t n_roles;  /* all alike */
extern bool keeps_role; /* one is written, for which there is no room when it comes back */
extern int dir_fd;
extern sd_event *event;
extern struct config config;
extern struct sessions *sessions;
extern struct persist *persist;

/* For cmocka: one world per test. */
int set_up(void **state);
int tear_down(void **state);

/* A process begins, and ends. */
void begin(void);
void end(void);
void run_events(void);
/* mfad-signer answers what it was asked. */
void answer(void);
/* mfad-signer tells the vault's state. */
void tell(enum vault_state vault);

/* As if bought: persist sees no difference. */
void hold(const char *name, const char *id, uint64_t sec);
/* An open vault, a session "work" and its file. */
void held(void);
/* Asks AWS for the session "work". */
void give_code(void);
/* The access key id of the session @name, "" without. */
const char *id_of(const char *name);
bool has_file(void);
ino_t inode(void);
