#include "common/aws_endpoint.h"
#include "common/encode.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HOST_LEN_MAX  253 /* RFC 1035, 2.3.4 */
#define LABEL_LEN_MAX 63
#define REGION_SIZE   33 /* text_is_region() */

enum { /* which of a partition's IAM hosts */
        PLAIN = 0,
        FIPS = 1,
        DUALSTACK = 2,
        FIPS_AND_DUALSTACK = FIPS | DUALSTACK,
};

struct partition {
        const char *name;
        const char *region_prefix;
        const char *global_region; /* a pseudo-region some configurations name */
        const char *home_region;   /* what stands for the pseudo-region */
        const char *dns_suffix, *dualstack_suffix;
        const char *iam_region;   /* IAM has one place per partition; its signature names this */
        const char *iam_hosts[4]; /* by the enum above */
        const char *signin_host;  /* where /federation is */
        const char *console_url;
};

/* botocore's partitions.json and the endpoint rules of STS and IAM; for the sign-in hosts the IAM User
 * Guide, AWS General Reference (aws-cn, aws-us-gov), and the endpoint rules of the signin service: the
 * younger partitions have no host there without a region. The first one is also for regions that match
 * no prefix. */
static const struct partition partitions[] = {
        {.name = "aws",
         .region_prefix = "",
         .global_region = "aws-global",
         .home_region = "us-east-1",
         .dns_suffix = "amazonaws.com",
         .dualstack_suffix = "api.aws",
         .iam_region = "us-east-1",
         .iam_hosts = {"iam.amazonaws.com", "iam-fips.amazonaws.com", "iam.global.api.aws",
                       "iam-fips.global.api.aws"},
         .signin_host = "signin.aws.amazon.com",
         .console_url = "https://console.aws.amazon.com/"},
        {.name = "aws-cn",
         .region_prefix = "cn-",
         .global_region = "aws-cn-global",
         .home_region = "cn-northwest-1",
         .dns_suffix = "amazonaws.com.cn",
         .dualstack_suffix = "api.amazonwebservices.com.cn",
         .iam_region = "cn-north-1",
         .iam_hosts = {"iam.cn-north-1.amazonaws.com.cn", "iam-fips.amazonaws.com.cn",
                       "iam.global.api.amazonwebservices.com.cn",
                       "iam-fips.api.amazonwebservices.com.cn"},
         .signin_host = "signin.amazonaws.cn",
         .console_url = "https://console.amazonaws.cn/"},
        {.name = "aws-us-gov",
         .region_prefix = "us-gov-",
         .global_region = "aws-us-gov-global",
         .home_region = "us-gov-west-1",
         .dns_suffix = "amazonaws.com",
         .dualstack_suffix = "api.aws",
         .iam_region = "us-gov-west-1",
         .iam_hosts = {"iam.us-gov.amazonaws.com", "iam.us-gov.amazonaws.com", "iam.us-gov.api.aws",
                       "iam.us-gov.api.aws"},
         .signin_host = "signin.amazonaws-us-gov.com",
         .console_url = "https://console.amazonaws-us-gov.com/"},
        {.name = "aws-eusc",
         .region_prefix = "eusc-",
         .global_region = "aws-eusc-global",
         .home_region = "eusc-de-east-1",
         .dns_suffix = "amazonaws.eu",
         .dualstack_suffix = "api.amazonwebservices.eu",
         .iam_region = "eusc-de-east-1",
         .iam_hosts = {"iam.eusc-de-east-1.amazonaws.eu", "iam-fips.amazonaws.eu",
                       "iam.api.amazonwebservices.eu", "iam-fips.api.amazonwebservices.eu"},
         .signin_host = "eusc-de-east-1.signin.amazonaws-eusc.eu",
         .console_url = "https://eusc-de-east-1.console.amazonaws-eusc.eu/"},
        {.name = "aws-iso",
         .region_prefix = "us-iso-",
         .global_region = "aws-iso-global",
         .home_region = "us-iso-east-1",
         .dns_suffix = "c2s.ic.gov",
         .dualstack_suffix = "api.aws.ic.gov",
         .iam_region = "us-iso-east-1",
         .iam_hosts = {"iam.us-iso-east-1.c2s.ic.gov", "iam-fips.us-iso-east-1.c2s.ic.gov",
                       "iam.api.aws.ic.gov", "iam-fips.api.aws.ic.gov"},
         .signin_host = "signin.c2shome.ic.gov",
         .console_url = "https://console.c2shome.ic.gov/"},
        {.name = "aws-iso-b",
         .region_prefix = "us-isob-",
         .global_region = "aws-iso-b-global",
         .home_region = "us-isob-east-1",
         .dns_suffix = "sc2s.sgov.gov",
         .dualstack_suffix = "api.aws.scloud",
         .iam_region = "us-isob-east-1",
         .iam_hosts = {"iam.us-isob-east-1.sc2s.sgov.gov", "iam-fips.us-isob-east-1.sc2s.sgov.gov",
                       "iam.api.aws.scloud", "iam-fips.api.aws.scloud"},
         .signin_host = "signin.sc2shome.sgov.gov",
         .console_url = "https://console.sc2shome.sgov.gov/"},
        {.name = "aws-iso-e",
         .region_prefix = "eu-isoe-",
         .global_region = "aws-iso-e-global",
         .home_region = "eu-isoe-west-1",
         .dns_suffix = "cloud.adc-e.uk",
         .dualstack_suffix = "api.cloud-aws.adc-e.uk",
         .iam_region = "eu-isoe-west-1",
         .iam_hosts = {"iam.eu-isoe-west-1.cloud.adc-e.uk", "iam-fips.cloud.adc-e.uk",
                       "iam.api.cloud-aws.adc-e.uk", "iam-fips.api.cloud-aws.adc-e.uk"},
         .signin_host = "eu-isoe-west-1.signin.csphome.adc-e.uk",
         .console_url = "https://console.csphome.adc-e.uk/"},
        {.name = "aws-iso-f",
         .region_prefix = "us-isof-",
         .global_region = "aws-iso-f-global",
         .home_region = "us-isof-south-1",
         .dns_suffix = "csp.hci.ic.gov",
         .dualstack_suffix = "api.aws.hci.ic.gov",
         .iam_region = "us-isof-south-1",
         .iam_hosts = {"iam.us-isof-south-1.csp.hci.ic.gov", "iam-fips.csp.hci.ic.gov",
                       "iam.api.aws.hci.ic.gov", "iam-fips.api.aws.hci.ic.gov"},
         .signin_host = "us-isof-south-1.signin.csphome.hci.ic.gov",
         .console_url = "https://console.csphome.hci.ic.gov/"},
};

/* Where sts_regional_endpoints = legacy means the global endpoint (AWS SDKs and Tools Reference Guide,
 * "AWS STS Regional endpoints"): regions that are younger have no such past. */
static const char *const legacy_regions[] = {
        "ap-northeast-1", "ap-south-1",   "ap-southeast-1", "ap-southeast-2",
        "aws-global",     "ca-central-1", "eu-central-1",   "eu-north-1",
        "eu-west-1",      "eu-west-2",    "eu-west-3",      "sa-east-1",
        "us-east-1",      "us-east-2",    "us-west-1",      "us-west-2",
};

const struct aws_where aws_nowhere = {.region = "", .sts_url = "", .iam_url = "", .signin_url = ""};

static const struct partition *find_partition(const char *region) {
        for (size_t i = 1; i < ELEMENTSOF(partitions); i++)
                if (strncmp(region, partitions[i].region_prefix,
                            strlen(partitions[i].region_prefix)) == 0 ||
                    strcmp(region, partitions[i].global_region) == 0)
                        return &partitions[i];
        return &partitions[0];
}

static bool is_legacy_region(const char *region) {
        for (size_t i = 0; i < ELEMENTSOF(legacy_regions); i++)
                if (strcmp(region, legacy_regions[i]) == 0)
                        return true;
        return false;
}

/* "[...]" in the one form that curl also makes of it. */
static bool is_ipv6_literal(const char *host, size_t len) {
        char text[INET6_ADDRSTRLEN], same[INET6_ADDRSTRLEN];
        struct in6_addr address;

        if (len < 4 || len - 2 >= sizeof(text) || host[0] != '[' || host[len - 1] != ']')
                return false;
        memcpy(text, host + 1, len - 2);
        text[len - 2] = '\0';
        return inet_pton(AF_INET6, text, &address) == 1 &&
               inet_ntop(AF_INET6, &address, same, sizeof(same)) && strcmp(text, same) == 0;
}

static bool is_host_name(const char *host, size_t len) {
        const char *label = host;

        if (len < 1 || len > HOST_LEN_MAX)
                return false;
        for (const char *p = host;; p++) {
                if (p < host + len && *p != '.') {
                        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) &&
                            *p != '-' && *p != '_')
                                return false;
                        continue;
                }
                if (p == label || p - label > LABEL_LEN_MAX || *label == '-' || p[-1] == '-')
                        return false;
                if (p == host + len)
                        return true;
                label = p + 1;
        }
}

/* Anything whose last label begins with a digit is an address to curl ("127.1", "0x7f000001"): only
 * the plain dotted form passes. */
static bool is_odd_address(const char *host) {
        const char *dot = strrchr(host, '.');
        struct in_addr address;

        return isdigit((unsigned char)(dot ? dot[1] : host[0])) &&
               inet_pton(AF_INET, host, &address) != 1;
}

static bool is_loopback(const char *host) {
        struct in_addr address;

        return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
               (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* ":port" or nothing. Returns 0 for none, the port, or -EINVAL. */
static int read_port(const char *text) {
        size_t len = strlen(text);
        long port;

        if (len == 0)
                return 0;
        if (text[0] != ':' || text[1] == '0' || len > 6 ||
            strspn(text + 1, "0123456789") != len - 1)
                return -EINVAL;
        port = strtol(text + 1, NULL, 10);
        return port >= 1 && port <= 65535 ? (int)port : -EINVAL;
}

int aws_endpoint_check(const char *url, char *ret_host, size_t size) {
        bool is_https = strncmp(url, "https://", 8) == 0;
        char host[HOST_LEN_MAX + 1];
        const char *start, *end;
        size_t len;
        int n, port;

        if (!is_https && strncmp(url, "http://", 7) != 0)
                return -EINVAL;
        start = url + (is_https ? 8 : 7);
        end = *start == '[' ? start + strcspn(start, "]") + 1 : start + strcspn(start, ":");
        len = (size_t)(end - start);
        if (len > HOST_LEN_MAX || strlen(start) < len)
                return -EINVAL;
        memcpy(host, start, len);
        host[len] = '\0';
        if (*start == '[' ? !is_ipv6_literal(host, len)
                          : !is_host_name(host, len) || is_odd_address(host))
                return -EINVAL;
        if (!is_https && !is_loopback(host))
                return -EINVAL;

        port = read_port(end);
        if (port < 0)
                return -EINVAL;
        if (port == 0 || port == (is_https ? 443 : 80))
                n = snprintf(ret_host, size, "%s", host);
        else
                n = snprintf(ret_host, size, "%s:%d", host, port);
        return n < 0 || (size_t)n >= size ? -EINVAL : 0;
}

/* The region without the old spelling of FIPS ("fips-us-east-1", "us-east-1-fips"), which botocore reads
 * as use_fips_endpoint. Returns whether it was there. */
static bool plain_region(const char *text, char ret[static REGION_SIZE]) {
        size_t len = strlen(text), skip = strncmp(text, "fips-", 5) == 0 ? 5 : 0;
        bool has_suffix = len > skip + 5 && strcmp(text + len - 5, "-fips") == 0;

        (void)snprintf(ret, REGION_SIZE, "%.*s", (int)(len - skip - (has_suffix ? 5 : 0)),
                       text + skip); /* it fits: text_is_region() */
        return skip > 0 || has_suffix;
}

/* A profile's own endpoint: as it stands, but for one slash at the end. */
static int put_custom(const char *url, unsigned kind, struct aws_endpoint *e,
                      const char **ret_why) {
        char host[sizeof(e->url)];
        size_t len = strlen(url);

        if (kind != PLAIN) {
                *ret_why = kind & FIPS ? "FIPS and a custom endpoint do not go together"
                                       : "dualstack and a custom endpoint do not go together";
                return -EINVAL;
        }
        if (len > 0 && url[len - 1] == '/')
                len--;
        if (len < sizeof(e->url)) {
                memcpy(e->url, url, len);
                e->url[len] = '\0';
                if (aws_endpoint_check(e->url, host, sizeof(host)) >= 0)
                        return 0;
        }
        *ret_why =
                "a custom endpoint is https://HOST[:PORT], or http:// to this machine, and no path";
        return -EINVAL;
}

/* @region: as configured, which decides about the global endpoint; @e->region: what is signed. */
static void put_sts(const struct partition *p, const char *region, bool use_global, unsigned kind,
                    struct aws_endpoint *e) {
        const char *suffix = kind & DUALSTACK ? p->dualstack_suffix : p->dns_suffix;
        /* botocore's rules: GovCloud's plain endpoints are its FIPS endpoints */
        bool is_fips_host = kind & FIPS && !(kind == FIPS && strcmp(p->name, "aws-us-gov") == 0);

        if (kind == PLAIN &&
            (strcmp(region, "aws-global") == 0 || (use_global && is_legacy_region(region)))) {
                strcpy(e->url, "https://sts.amazonaws.com");
                strcpy(e->region, partitions[0].home_region);
                return;
        }
        (void)snprintf(e->url, sizeof(e->url), "https://sts%s.%s.%s", is_fips_host ? "-fips" : "",
                       e->region, suffix);
}

/* Where @where itself says so, else where AWS has it. Fills @e but for custom endpoints, which it returns. */
static const char *put_service(enum aws_service service, const struct aws_where *where,
                               const struct partition *p, const char *region, unsigned kind,
                               struct aws_endpoint *e) {
        switch (service) {
        case AWS_STS:
                put_sts(p, region, where->use_global && !*where->sts_url, kind, e);
                return where->sts_url;
        case AWS_IAM:
                strcpy(e->region, p->iam_region);
                (void)snprintf(e->url, sizeof(e->url), "https://%s", p->iam_hosts[kind]);
                return where->iam_url;
        case AWS_SIGNIN:
                (void)snprintf(e->url, sizeof(e->url), "https://%s", p->signin_host);
                return where->signin_url;
        }
        abort();
}

int aws_endpoint_find(enum aws_service service, const struct aws_where *where,
                      struct aws_endpoint *ret, const char **ret_why) {
        const char *custom, *why = NULL;
        const struct partition *p;
        struct aws_endpoint e = {0};
        char region[REGION_SIZE], host[sizeof(e.url)];
        bool use_fips;
        unsigned kind;

        if (!ret_why)
                ret_why = &why;
        if (*where->region && !text_is_region(where->region)) {
                *ret_why = "the region is none";
                return -EINVAL;
        }
        use_fips = plain_region(*where->region ? where->region : "us-east-1", region) ||
                   where->use_fips;
        kind = (use_fips ? FIPS : PLAIN) | (where->use_dualstack ? DUALSTACK : PLAIN);
        if (service == AWS_SIGNIN)
                kind = PLAIN; /* AWS names no other host for it */
        p = find_partition(region);
        strcpy(e.region, strcmp(region, p->global_region) == 0 ? p->home_region : region);

        custom = put_service(service, where, p, region, kind, &e);
        if (*custom) {
                int r = put_custom(custom, kind, &e, ret_why);

                if (r < 0)
                        return r;
                e.is_custom = true;
        } else if (aws_endpoint_check(e.url, host, sizeof(host)) < 0) {
                *ret_why = "the region is none"; /* "-" makes no name of a host */
                return -EINVAL;
        }
        *ret = e;
        return 0;
}

const char *aws_endpoint_console(const char *region) {
        char plain[REGION_SIZE] = "";

        if (text_is_region(region))
                (void)plain_region(region, plain);
        return find_partition(plain)->console_url;
}

const char *aws_endpoint_partition(const char *region) {
        char plain[REGION_SIZE] = "";

        if (text_is_region(region))
                (void)plain_region(region, plain);
        return find_partition(plain)->name;
}
