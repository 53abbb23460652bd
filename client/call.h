/* call.h - calls to the daemons that tell the user what went wrong.
 * Owns:  nothing that outlives a call.
 * Calls: link.h, errors.h, output.h.
 * Limit: CALL_SEC for an answer that needs no network, CALL_AWS_SEC for one that does. */
#pragma once
#include "client/errors.h"
#include "client/link.h"

#define CALL_SEC                 30 /* a passphrase costs the signer a second, and more after wrong ones */
#define CALL_AWS_SEC             60
#define CALL_CLOCK_CORRECTED_SEC (24 * 60 * 60) /* mfad corrects no more: mfad(8), CLOCKS */
#define CONTROL(method)          "org.mfad.Control." method
#define VAULT(method)            "org.mfad.Vault." method

/* Connects to @socket, "control" or "vault". */
enum exit_code call_open(const char *socket, struct link **ret);

/* Calls @method with @parameters (taken; NULL for none). On success the answer is in @ret (NULL: not
 * wanted). */
enum exit_code call_run(struct link *l, const char *method, json_t *parameters,
                        unsigned timeout_sec, json_t **ret);
/* The same, but an error that the service answers with is not printed: it is left in @ret_error
 * (otherwise ""), its parameters in @ret. Its exit code is returned, for errors_service() to print. */
enum exit_code call_try(struct link *l, const char *method, json_t *parameters,
                        unsigned timeout_sec, char ret_error[LINK_ERROR_MAX], json_t **ret);

/* The string or integer @name of @object; NULL or @otherwise when it is absent or null. */
const char *call_text(const json_t *object, const char *name);
int64_t call_number(const json_t *object, const char *name, int64_t otherwise);

/* To stdout, on one line (@is_compact) or several. */
enum exit_code call_print_json(const json_t *object, bool is_compact);
