/* role_buy.h - the purchase of a role: of the first in its chain that has to be bought, and what becomes of it.
 * Owns:  nothing; the calls belong to the entries.
 * Calls: aws_api.h, aws_gate.h, profiles.h, session.h; whose entries they are, through the shop's callbacks.
 * Limit: the shop's n_calls_max. */
#pragma once
#include "daemon/front/profiles.h"
#include "daemon/front/role_table.h"

struct aws_api;
struct aws_gate;
struct sessions;

/* What all purchases have in common. */
struct role_shop {
        struct aws_api *api; /* these are lent */
        struct profiles *profiles;
        struct sessions *sessions;
        struct aws_gate *gate;
        const struct role_table *table;
        unsigned n_calls, n_calls_max;
        void *userdata;
        /* The entry of @view, made when there is none, and empty when its profile reads otherwise now. Returns
         * 0, -ENOMEM or -EBUSY. Another entry may be dropped for it, but none that is busy. */
        int (*find_or_add)(void *userdata, const struct profile_view *view, struct role **ret);
        void (*changed)(void *userdata, const struct role *role);
        /* A call has ended: another may begin. */
        void (*call_ended)(void *userdata);
};

/* Begins the purchase of @role, which is wanted, or of the first in its chain that has to be bought. When that one
 * fails at once, the next in the chain hears of it, until @role does. What has to wait stays wanted. */
void role_buy(struct role *role);
/* What the name of @role stands for now. */
enum profile_kind role_buy_resolve(const struct role *role, struct profile_view *ret);
/* Breaks its call off, if there is one. */
void role_buy_cancel(struct role *role);
/* Nothing speaks against an attempt: no refusal that is remembered. */
bool role_buy_may_try(const struct role *role);
void role_buy_forget_failure(struct role *role);
/* Says when it is to be bought again. What is only the source of other roles is bought when they need it. */
void role_buy_plan(struct role *role);
