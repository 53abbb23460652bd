/* aws_endpoint.h - which host serves STS, IAM or the console's sign-in, and which region a signature names.
 * Owns:  the table of partitions.
 * Calls: encode.h.
 * Limit: the partitions of botocore's partitions.json as of 2026; unknown regions fall to "aws".
 * Source: AWS General Reference, service endpoints; botocore's endpoint rule sets judge it in the tests. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stddef.h>

struct aws_endpoint {
        char url[513];   /* "https://host[:port]" */
        char region[33]; /* for the signature */
        bool is_custom;  /* a profile's own, not AWS's */
};

/* What a profile says about where its calls go. The texts are lent, never NULL. */
struct aws_where {
        const char *region;                         /* "" for us-east-1 */
        const char *sts_url, *iam_url, *signin_url; /* a profile's own endpoints; "" for AWS's */
        bool use_fips, use_dualstack;
        bool use_global;   /* sts_regional_endpoints = legacy */
        bool ignores_urls; /* ignore_configured_endpoint_urls: of a source's, too */
};
/* Nothing said. */
extern const struct aws_where aws_nowhere;

enum aws_service {
        AWS_STS,
        AWS_IAM,    /* global per partition */
        AWS_SIGNIN, /* the console's federation endpoint; nothing is signed for it */
};

/* Splits "https://host[:port]" or, for a loopback literal or "localhost" only, "http://...", lower
 * case, no path, query, or user. On success @ret_host ("host" or "host:port" as the Host header
 * carries it: a default port is left out) holds at most @size - 1 bytes. Returns 0 or -EINVAL. */
int aws_endpoint_check(const char *url, char *ret_host, size_t size);

/* Returns 0, or -EINVAL with the reason in @ret_why (static text: "FIPS and a custom endpoint do not go
 * together"); @ret_why may be NULL. The console's sign-in has one host per partition: use_fips and
 * use_dualstack do not matter to it. */
int aws_endpoint_find(enum aws_service service, const struct aws_where *where,
                      struct aws_endpoint *ret, const char **ret_why);
/* The address at which a browser enters the console of @region's partition: "https://console.aws.amazon.com/".
 * Static text. */
const char *aws_endpoint_console(const char *region);
/* The partition of @region as ARNs name it: "aws", "aws-cn", "aws-us-gov". Static text. */
const char *aws_endpoint_partition(const char *region);
