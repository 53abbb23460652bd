/* sandbox_calls.h - the system calls that each program keeps, as a seccomp filter.
 * Owns:  the lists.
 * Calls: prctl(2), seccomp(2).
 * Limit: a filter of SANDBOX_FILTER_MAX instructions; architectures that sandbox_calls.c names. */
#pragma once
#include "common/macros.h"

#define SANDBOX_FILTER_MAX 1024

enum sandbox_program {
        SANDBOX_SIGNER = 1, /* no network, no connection to be made, no other process */
        SANDBOX_FRONT,  /* also all that SANDBOX_FETCH needs, which inherits it and adds its own */
        SANDBOX_FETCH,  /* no writing, no other program, no unix socket */
        SANDBOX_FINDER, /* reading of files only; it must be in no Landlock domain: see peers.h */
};

/* Everything that is not on the list of @program fails with EPERM, or with ENOSYS where it is newer than the
 * lists, so that libraries take the older way. @landlock_abi is what sandbox_calls_inherited() will say.
 * The caller has no_new_privs. Returns 0, -EOPNOTSUPP on an unknown architecture, or another errno. */
int sandbox_calls_install(enum sandbox_program program, int landlock_abi);

/* Is this process under the filter of @program already? Returns the @landlock_abi of that time, or -ENOENT. */
int sandbox_calls_inherited(enum sandbox_program program);
