/* doctor.h - what `mfactl doctor` looks at, topic by topic.
 * Owns:  nothing; what is found goes into the report.
 * Calls: doctor_report.h and nearly everything else in client/.
 * Limit: DOCTOR_LISTED_MAX names in one line.
 * What judges a text, an answer or the environment is apart from what fetches it, for the tests. */
#pragma once
#include "client/client_token.h"
#include "client/doctor_report.h"
#include "client/link.h"
#include "client/mfad_conf.h"
#include "common/buf.h"
#include "common/fs.h"
#include <stdint.h>

#define DOCTOR_LISTED_MAX 8

/* What all topics start from. */
struct doctor {
        struct doctor_report report;
        bool is_offline;
        struct fs_places places;
        struct mfad_conf conf;
        struct link *control, *vault; /* NULL: there is no talking to it */
        json_t *status, *vault_status, *profiles;
        bool has_aws_answered; /* so that its clock is known */
        uint16_t port;         /* where mfad is, or will be */
        struct buf token;      /* empty: not known */
        char token_path[PATH_LEN_MAX];
};

/* Programs, addresses and files of the service; also fetches what the other topics need. */
void doctor_service(struct doctor *d);
/* `systemctl show` of our four units. @is_running: mfad answers, whoever started it. */
void doctor_units(struct doctor_report *r, const char *text, bool is_running);

/* The vault, the keys in it, the sessions and roles, and the configuration, as the daemons see them. */
void doctor_vault(struct doctor *d);
void doctor_sessions(struct doctor *d);
void doctor_configuration(struct doctor *d);

/* The environment that SDKs see, and the files that they read before they ask us. */
void doctor_environment(struct doctor *d);
void doctor_aws_files(struct doctor *d);

/* SDKs on this machine that are too old. */
void doctor_tools(struct doctor *d);
/* What `aws --version` says. */
void doctor_aws_cli(struct doctor_report *r, const char *version);
void doctor_botocore(struct doctor_report *r, const char *version);
