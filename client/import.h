/* import.h - plain keys out of the credentials file into the vault, with what is known about them.
 * Owns:  the list of keys under way.
 * Calls: unseal.h, aws_files.h, prompt.h.
 * Limit: IMPORT_KEYS_MAX keys at once, the vault's own limit.
 * The file loses a key only after the vault has said that it holds it. */
#pragma once
#include "client/aws_files.h"
#include "client/call.h"

#define IMPORT_KEYS_MAX 64

struct import_key {
        char name[KEY_NAME_MAX + 1];
        char section[PROFILE_NAME_MAX + 1]; /* "" when it did not come from a file */
};

struct import {
        struct aws_files files;
        struct aws_config *config;
        struct link *vault;
        bool is_unattended; /* --yes: every question is answered yes */
        struct import_key keys[IMPORT_KEYS_MAX];
        size_t n_keys;
};

void import_clear(struct import *i);

/* Fills the list: the profiles in @words, or those with a plain key that the user agrees to. */
enum exit_code import_choose(struct import *i, char *const words[], int n_words);
/* Stores every key of the list. @status: the open vault's. */
enum exit_code import_store(struct import *i, const json_t *status);
/* A key that the user types, or that stands on standard input, its id and its secret a line each. */
enum exit_code import_read(bool is_stdin, char id[ACCESS_KEY_ID_MAX + 1], struct secret **ret);
/* Stores one such key. @secret is borrowed. */
enum exit_code import_add(struct link *vault, const json_t *status, const char *name,
                          const char *access_key_id, const struct secret *secret,
                          const char *mfa_serial, bool is_unattended);
/* Takes what was stored out of the credentials file, and says that no copy is kept. */
enum exit_code import_remove_plain(const struct import *i);
