#include "common/aws_endpoint.h"
#include "common/encode.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HOST_LEN_MAX  253 /* RFC 1035, 2.3.4 */
#define LABEL_LEN_MAX 63

struct partition {
        const char *region_prefix;
        const char *dns_suffix;
        const char *global_region; /* a pseudo-region some configurations name */
        const char *sts_region;    /* what STS uses for the pseudo-region */
        const char *iam_host;      /* IAM has one place per partition */
        const char *iam_region;    /* that its signature names */
};

/* botocore's partitions.json and the endpoint rules of STS and IAM. The first one is also for regions
 * that match no prefix. */
static const struct partition partitions[] = {
        {"", "amazonaws.com", "aws-global", "us-east-1", "iam.amazonaws.com", "us-east-1"},
        {"cn-", "amazonaws.com.cn", "aws-cn-global", "cn-northwest-1",
         "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
        {"us-gov-", "amazonaws.com", "aws-us-gov-global", "us-gov-west-1",
         "iam.us-gov.amazonaws.com", "us-gov-west-1"},
        {"eusc-", "amazonaws.eu", "aws-eusc-global", "eusc-de-east-1",
         "iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
        {"us-iso-", "c2s.ic.gov", "aws-iso-global", "us-iso-east-1", "iam.us-iso-east-1.c2s.ic.gov",
         "us-iso-east-1"},
        {"us-isob-", "sc2s.sgov.gov", "aws-iso-b-global", "us-isob-east-1",
         "iam.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"},
        {"eu-isoe-", "cloud.adc-e.uk", "aws-iso-e-global", "eu-isoe-west-1",
         "iam.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"},
        {"us-isof-", "csp.hci.ic.gov", "aws-iso-f-global", "us-isof-south-1",
         "iam.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"},
};

static const struct partition *find_partition(const char *region) {
        for (size_t i = 1; i < ELEMENTSOF(partitions); i++)
                if (strncmp(region, partitions[i].region_prefix,
                            strlen(partitions[i].region_prefix)) == 0 ||
                    strcmp(region, partitions[i].global_region) == 0)
                        return &partitions[i];
        return &partitions[0];
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

int aws_endpoint_find(const char *service, const char *region, const char *override,
                      struct aws_endpoint *ret) {
        struct aws_endpoint e = {0};
        const struct partition *p;
        char host[sizeof(e.url)];
        bool is_iam = strcmp(service, "iam") == 0;
        size_t len;
        int n;

        assert(is_iam || strcmp(service, "sts") == 0);

        if (!region || !*region)
                region = "us-east-1";
        if (!text_is_region(region))
                return -EINVAL;
        p = find_partition(region);
        if (strcmp(region, p->global_region) == 0)
                region = p->sts_region;
        if (is_iam)
                region = p->iam_region;
        strcpy(e.region, region);

        if (override && *override) {
                len = strlen(override);
                if (override[len - 1] == '/')
                        len--;
                n = snprintf(e.url, sizeof(e.url), "%.*s", (int)len, override);
        } else if (is_iam) {
                n = snprintf(e.url, sizeof(e.url), "https://%s", p->iam_host);
        } else {
                n = snprintf(e.url, sizeof(e.url), "https://sts.%s.%s", region, p->dns_suffix);
        }
        if (n < 0 || (size_t)n >= sizeof(e.url) ||
            aws_endpoint_check(e.url, host, sizeof(host)) < 0)
                return -EINVAL;
        *ret = e;
        return 0;
}
