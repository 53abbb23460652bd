/* aws_answer.h - what AWS's XML says: the few fields we want, or its error code and message.
 * Owns:  nothing; the credentials it makes are the answer's.
 * Calls: expat with a wiping allocator; common/creds.h, common/encode.h.
 * Limit: AWS_ANSWER_DEPTH_MAX elements inside each other, AWS_ANSWER_TEXT_MAX bytes of text in one.
 * Source: STS API reference 2011-06-15, IAM API reference 2010-05-08 (AWS query protocol). */
#pragma once
#include "common/aws_request.h"
#include <stddef.h>

#define AWS_ANSWER_DEPTH_MAX 16
#define AWS_ANSWER_TEXT_MAX  ((size_t)32 * 1024)

struct fetch_answer;

/* Reads the body of an HTTP 200 to @op, any but AWS_OP_GET_SIGNIN_TOKEN (signin_answer.h). Fills @a: FETCH_OK and the fields of that operation, or
 * FETCH_BAD_ANSWER and `text` that says what is wrong. `date_sec` of @a is AWS's clock, by which an
 * Expiration has to lie ahead; without one it is ours. Returns 0 or -ENOMEM. */
int aws_answer_read(enum aws_op op, const void *xml, size_t len, struct fetch_answer *a);

/* Reads the body that came with an HTTP error. Fills `aws_code` and `text` of @a, and sets
 * FETCH_AWS_ERROR; a body that is not AWS's XML leaves the code "". Returns 0 or -ENOMEM. */
int aws_answer_read_error(const void *xml, size_t len, struct fetch_answer *a);

/* @text into @out of @size bytes as one line of printable ASCII, cut where it must be: what a server
 * says ends on the user's terminal. */
void aws_answer_make_printable(const char *text, char *out, size_t size);
