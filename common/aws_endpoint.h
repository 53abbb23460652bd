/* aws_endpoint.h - which host serves STS or IAM for a region, and which region its signature names.
 * Owns:  the table of partitions.
 * Calls: encode.h.
 * Limit: the partitions of botocore's partitions.json as of 2026; unknown regions fall to "aws".
 * Source: AWS General Reference, service endpoints; botocore's endpoint rule sets judge it in the tests. */
#pragma once
#include "common/macros.h"
#include <stddef.h>

struct aws_endpoint {
        char url[513];   /* "https://host[:port]" */
        char region[33]; /* for the signature */
};

/* Splits "https://host[:port]" or, for a loopback literal or "localhost" only, "http://...", lower
 * case, no path, query, or user. On success @ret_host ("host" or "host:port" as the Host header
 * carries it: a default port is left out) holds at most @size - 1 bytes. Returns 0 or -EINVAL. */
int aws_endpoint_check(const char *url, char *ret_host, size_t size);

/* @service: "sts" or "iam". @region: NULL or "" means us-east-1. @override: a profile's
 * endpoint_url, or NULL. STS is always regional (tokens of the global endpoint fail in newer
 * regions). Returns 0 or -EINVAL. */
int aws_endpoint_find(const char *service, const char *region, const char *override,
                      struct aws_endpoint *ret);
