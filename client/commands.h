/* commands.h - what each command of mfactl does; one file cmd_NAME.c for each.
 * Owns:  nothing.
 * Calls: everything else in client/.
 * Limit: none. */
#pragma once
#include "client/args.h"
#include <sys/resource.h>
#include <sys/types.h>

enum exit_code cmd_init(const struct args *args);
enum exit_code cmd_key_import(const struct args *args);
enum exit_code cmd_key_add(const struct args *args);
enum exit_code cmd_key_list(const struct args *args);
enum exit_code cmd_key_test(const struct args *args);
enum exit_code cmd_key_remove(const struct args *args);
enum exit_code cmd_vault_passwd(const struct args *args);
enum exit_code cmd_vault_seal(const struct args *args);
enum exit_code cmd_vault_status(const struct args *args);
enum exit_code cmd_unlock(const struct args *args);
enum exit_code cmd_lock(const struct args *args);
enum exit_code cmd_status(const struct args *args);
enum exit_code cmd_status_prompt(void); /* status --prompt */
enum exit_code cmd_profiles(const struct args *args);
enum exit_code cmd_refresh(const struct args *args);
enum exit_code cmd_doctor(const struct args *args);
enum exit_code cmd_log(const struct args *args);
enum exit_code cmd_env(const struct args *args);
enum exit_code cmd_exec(const struct args *args);
enum exit_code cmd_creds(const struct args *args);
enum exit_code cmd_export(const struct args *args);
enum exit_code cmd_console(const struct args *args);

/* What this process was born with and gives to the programs that it becomes or starts. */
struct cmd_inherited {
        mode_t umask;
        struct rlimit core;
        bool is_sigpipe_ignored;
};
extern struct cmd_inherited cmd_inherited;
/* Undoes process_harden_client(): it is for this program, not for another one. */
void cmd_give_back_inherited(void);
