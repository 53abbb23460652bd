/* signin_answer.h - what the console's sign-in endpoint says: a token in JSON, or a page for people.
 * Owns:  nothing; the token it makes is the answer's.
 * Calls: jansson with a wiping allocator (the program installs it); aws_answer.h, common/secret.h.
 * Limit: SIGNIN_ANSWER_MAX bytes of JSON, SIGNIN_TOKEN_MAX bytes of token, SIGNIN_REASON_MAX of a page.
 * Source: IAM User Guide, "Enable custom identity broker access to the AWS console". */
#pragma once
#include <stddef.h>

#define SIGNIN_ANSWER_MAX ((size_t)64 * 1024)
#define SIGNIN_REASON_MAX ((size_t)120)

struct fetch_answer;

/* Reads the body of an HTTP 200. Fills @a: FETCH_OK and `signin_token`, or FETCH_BAD_ANSWER and `text`
 * that says what is wrong, and quotes nothing. Returns 0 or -ENOMEM. */
int signin_answer_read(const char *json, size_t len, struct fetch_answer *a);

/* Reads the body that came with an HTTP error: sets FETCH_AWS_ERROR, leaves `aws_code` "", and fills
 * `text` with the status and the page's title, or the start of a plain text. */
void signin_answer_read_error(const char *body, size_t len, struct fetch_answer *a);
