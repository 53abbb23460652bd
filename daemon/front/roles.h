/* roles.h - credentials from AssumeRole, one entry per profile, each bought at most once at a time and kept
 * fresh without anybody asking.
 * Owns:  every entry, its credentials and its call; when each is due.
 * Calls: aws_api.h, aws_gate.h, profiles.h, session.h, lease.h. HTTP and control watch.
 * Limit: ROLES_MAX entries; beyond, the one that was not asked for the longest gives way. ROLES_CALLS_MAX
 *        calls at once. ROLES_FORGET_SEC without a request, and an entry is dropped.
 * role_times.h says when each is due. */
#pragma once
#include "common/macros.h"
#include "daemon/front/role.h"
#include <systemd/sd-event.h>

#define ROLES_MAX        4096
#define ROLES_CALLS_MAX  8
#define ROLES_FORGET_SEC (24 * 60 * 60)

struct aws_api;
struct profile_view;
struct profiles;
struct role_shop;
struct role_table;
struct roles;
struct sessions;

/* @api, @profiles and @sessions are lent until roles_free(). */
int roles_new(sd_event *event, struct aws_api *api, struct profiles *profiles,
              struct sessions *sessions, struct roles **ret);
struct roles *roles_free(struct roles *r);
DEFINE_FREEP(struct roles, roles)

/* Somebody wants the credentials of @view, a PROFILE_ROLE: notes that, and begins to buy them if none are
 * held and nothing speaks against it. What there is now, role.h tells. Returns 0, -ENOMEM or
 * -EBUSY. @ret is lent until it is dropped, which the watchers hear. */
int roles_ask(struct roles *r, const struct profile_view *view, struct role **ret);
/* Buys them anew, also when they are good or AWS has just refused. Errors as above. */
int roles_renew(struct roles *r, const struct profile_view *view, struct role **ret);
/* The entry of the profile @name, or NULL; asks for nothing. */
struct role *roles_find(const struct roles *r, const char *name);

/* How many have credentials, and those whose last attempt failed, up to @max of them. */
size_t roles_n_held(const struct roles *r);
size_t roles_failing(const struct roles *r, const struct role **ret, size_t max);

/* @fn runs from the event loop after every change of a role, and before it is dropped: then roles_find()
 * does not know it any more. It must not ask for a role itself. At most ROLES_WATCHES_MAX; -EBUSY beyond. */
#define ROLES_WATCHES_MAX 3
typedef void (*roles_changed_fn)(const struct role *role, void *userdata);
int roles_watch(struct roles *r, roles_changed_fn fn, void *userdata);

/* The files were read again: what has changed in them is bought anew when it is asked for. */
void roles_config_changed(struct roles *r);
/* Does what is due. The timer calls it; so do tests that own the clock. */
void roles_check_time(struct roles *r);
/* The entries themselves, and where they are bought: for role_kept.h, and for control_status.h, which only reads. */
struct role_table *roles_table(struct roles *r);
struct role_shop *roles_shop(struct roles *r);
