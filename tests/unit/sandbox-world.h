/* sandbox-world.h - what a sandbox is to keep its program from, and a world to try it in.
 * Owns:  a user's home with what mfad has in it and what is none of its business, and another process.
 * Calls: the kernel.
 * Limit: one world a process. */
#pragma once
#include "common/fs.h"
#include "common/macros.h"
#include "common/sandbox.h"
#include "daemon/front/config.h"
#include <stdbool.h>
#include <stddef.h>

/* How the executable of the test is called by the attempts: it has to end with 0. */
#define NAME_OF_SELF "--ends-at-once"

extern struct fs_places world_places;
extern struct config world_config;

/* For cmocka_run_group_tests(). */
int world_make(void **state);
int world_end(void **state);
/* As it was at first: some of the attempts leave something. */
void world_tidy(void);
/* An empty file. */
void world_make_file(const char *path);
/* @path in the world's folder; lent for a while. */
const char *in_world(const char *path);

struct attempt {
        const char *name;
        int (*fn)(void);  /* returns 0 or an errno */
        unsigned allowed; /* in which sandboxes: bits 1 << enum sandbox_program */
        int abi;          /* of Landlock that refuses it; 0: that is seccomp's affair */
        bool may_lack;    /* this machine may not have it, or not for us */
};
extern const struct attempt attempts[];
extern const size_t n_attempts;

/* One of them. */
int read_aws_config(void);
