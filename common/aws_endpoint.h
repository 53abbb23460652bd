/* aws_endpoint.h - which host serves STS or IAM for a region, and which region its signature names.
 * Owns:  the table of partitions.
 * Calls: encode.h.
 * Limit: the partitions of botocore's partitions.json as of 2026; unknown regions fall to "aws".
 * Source: AWS General Reference, service endpoints; botocore's endpoint rule sets judge it in the tests. */
#pragma once
#include <stddef.h>

struct aws_endpoint {
        char url[513];   /* "https://host[:port]" */
        char region[33]; /* for the signature */
};

/* @service: "sts" or "iam". @region: NULL or "" means us-east-1. @override: a profile's
 * endpoint_url, or NULL. STS is always regional (tokens of the global endpoint fail in newer
 * regions). Returns 0 or -EINVAL. */
int aws_endpoint_find(const char *service, const char *region, const char *override,
                      struct aws_endpoint *ret);
