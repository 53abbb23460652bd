/* sandbox.h - what the kernel refuses this process from now on: files (Landlock), system calls (seccomp).
 * Owns:  the ruleset until it is in force; then nothing, for what was given up never comes back.
 * Calls: the kernel; sandbox_calls.h, log.h at debug level.
 * Limit: PATH_LEN_MAX bytes a path. What an older kernel does not know it does not refuse. */
#pragma once
#include "common/macros.h"
#include "common/sandbox_calls.h"
#include <stdbool.h>

enum sandbox_use {
        SANDBOX_READ,    /* files are read, folders listed; all of these also in what is beneath */
        SANDBOX_WRITE,   /* also written, made, renamed in place and removed; no folders are made */
        SANDBOX_EXECUTE, /* also executed */
};

struct sandbox {
        enum sandbox_program program;
        int ruleset_fd; /* -EBADF when there is nothing to add to: see below */
        int abi;        /* of Landlock; 0 for none */
        bool is_inherited;
        bool has_filter;
};

/* Begins a sandbox in which no file may be used yet. A process that became itself anew by execve(2) is in
 * its sandbox already: then is_inherited is set and all of the following does nothing. */
void sandbox_open(enum sandbox_program program, struct sandbox *ret);
/* Releases what sandbox_enter() was not called for. */
void sandbox_close(struct sandbox *s);

/* @path: a folder with all beneath it, or a file. What does not exist cannot be allowed, which is no error. */
void sandbox_allow(struct sandbox *s, const char *path, enum sandbox_use use);
/* A file of the user's to be read, which others may replace: its folder, and the folder of what it links
 * to. Only the file itself where the folder is one that everybody writes to, or has one of @private
 * (NULL-terminated) in it or is that. */
void sandbox_allow_file(struct sandbox *s, const char *path, const char *const private[]);
/* The system's own programs, libraries and settings, for reading; /dev/null. */
void sandbox_allow_system(struct sandbox *s);
/* What looking up names and verifying certificates reads besides. */
void sandbox_allow_lookups(struct sandbox *s);
/* To execute this very program again, whose loader an upgrade of the C library replaces under way: by its
 * folder, unless that is too wide as for sandbox_allow_file(). */
void sandbox_allow_self(struct sandbox *s, const char *const private[]);
/* To execute the program @name of this one's folder: by the folder, so that an upgrade's new file counts too,
 * unless it is too wide as for sandbox_allow_file(). */
void sandbox_allow_sibling(struct sandbox *s, const char *name, const char *const private[]);

/* From here on. Whatever the kernel cannot do is left out. */
void sandbox_enter(struct sandbox *s);

/* mfad-signer's: @data_dir, which is made if it is missing, and @runtime_dir ("" for none) for writing. */
struct sandbox sandbox_enter_signer(const char *data_dir, const char *runtime_dir);
/* mfad-fetch's: @ca_file ("" for the system's) for reading. mfad's is in daemon/front/confine.h. */
struct sandbox sandbox_enter_fetch(const char *ca_file);
/* That of the process that finds out who asks: its system calls only. */
struct sandbox sandbox_enter_finder(void);

#define SANDBOX_NAME_MAX 64

/* Which protection is in force: "landlock 7, seccomp", "none". */
void sandbox_describe(const struct sandbox *s, char out[SANDBOX_NAME_MAX]);
