#include "daemon/fetch/https.h"
#include "common/buf.h"
#include "common/encode.h"
#include "common/fetch_proto.h"
#include "common/wiping.h"
#include "daemon/fetch/aws_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <curl/curl.h>
#include <openssl/ssl.h>

/* One exchange under way. */
struct transfer {
        CURL *curl;
        struct curl_slist *headers;
        struct fetch_answer *answer;
        struct buf *body;
        size_t headers_len;
        unsigned n_dates;
        bool is_plain;      /* http: to this machine only */
        bool is_proxied;    /* CONNECT first */
        bool has_tls_begun; /* so the connection stands, through the proxy if there is one */
        bool is_over_limit; /* we stopped it */
        int error;          /* -ENOMEM, or 0 */
        char text[CURL_ERROR_SIZE];
};

int https_open(void) {
        const curl_version_info_data *version;
        int r;

        r = wiping_install_crypto();
        if (r < 0)
                return r;
        /* first come, first served: what libcurl asks for later cannot bring openssl.cnf back */
        if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
                return -EIO;
        /* calloc(3) and strdup(3) fit, for wiping_malloc() gives memory of the same heap */
        if (curl_global_init_mem(CURL_GLOBAL_SSL, wiping_malloc, wiping_free, wiping_realloc,
                                 strdup, calloc) != CURLE_OK)
                return -ENOMEM;
        /* a libcurl on another TLS library would ignore half of what is set below */
        version = curl_version_info(CURLVERSION_NOW);
        if (!version->ssl_version || strncmp(version->ssl_version, "OpenSSL/", 8) != 0)
                return -EOPNOTSUPP;
        return 0;
}

int https_parse_date(const char *text, int64_t *ret_wall_sec) {
        struct tm tm = {0}, normal;
        const char *end;
        char again[30];
        time_t t;

        /* strptime(3) in the C locale, which process_harden() set, then written anew and compared:
         * that refuses one-digit days, wrong weekdays, 30 February and all other variants */
        end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        if (!end || *end != '\0' || tm.tm_year < 70 || tm.tm_year > 8099)
                return -EINVAL;
        normal = tm;
        t = timegm(&normal);
        if (!gmtime_r(&t, &tm) ||
            strftime(again, sizeof(again), "%a, %d %b %Y %H:%M:%S GMT", &tm) != 29 ||
            strcmp(again, text) != 0)
                return -EINVAL;
        *ret_wall_sec = (int64_t)t;
        return 0;
}

bool https_is_loopback(const char *url) {
        const char *host = strstr(url, "://");
        char name[URL_MAX_LEN + 1];
        struct in6_addr v6;
        struct in_addr v4;
        size_t n;

        if (!host || strncmp(url, "http://", 7) == 0)
                return host != NULL; /* on_open_socket() sees to it */
        host += strlen("://");
        n = *host == '[' ? strcspn(++host, "]") : strcspn(host, ":/?#");
        if (n >= sizeof(name))
                return false;
        memcpy(name, host, n);
        name[n] = '\0';
        if (inet_pton(AF_INET, name, &v4) == 1)
                return ntohl(v4.s_addr) >> 24 == 127;
        if (inet_pton(AF_INET6, name, &v6) == 1)
                return IN6_IS_ADDR_LOOPBACK(&v6);
        /* RFC 6761 6.3 */
        return strcasecmp(name, "localhost") == 0 ||
               (n > 10 && strcasecmp(name + n - 10, ".localhost") == 0);
}

/* Over plain HTTP nothing leaves this machine, whatever a name resolves to. */
static bool is_loopback(const struct sockaddr *address) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

        if (address->sa_family == AF_INET)
                return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
        return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static curl_socket_t on_open_socket(void *userdata, curlsocktype purpose,
                                    struct curl_sockaddr *address) {
        const struct transfer *t = userdata;

        if (purpose != CURLSOCKTYPE_IPCXN || (t->is_plain && !is_loopback(&address->addr)))
                return CURL_SOCKET_BAD;
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The plaintext of what arrived is wiped from OpenSSL's read buffer once it was handed on. */
static CURLcode on_ssl_context(CURL *curl _unused_, void *context, void *userdata) {
        struct transfer *t = userdata;

        t->has_tls_begun = true;
        (void)SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT); /* returns the new options */
        return CURLE_OK;
}

/* Two dates, or one that is none, are none: nobody shall set our clock by them. */
static void read_date(struct transfer *t, const char *line, size_t len) {
        char value[64];
        int64_t sec = 0;

        while (len > 0 && strchr(" \t\r\n", line[len - 1]))
                len--;
        while (len > 0 && strchr(" \t", *line)) {
                line++;
                len--;
        }
        if (len < sizeof(value)) {
                memcpy(value, line, len);
                value[len] = '\0';
                if (memchr(value, '\0', len) || https_parse_date(value, &sec) < 0)
                        sec = 0;
        }
        t->n_dates++;
        t->answer->date_sec = t->n_dates == 1 ? sec : 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *userdata) {
        struct transfer *t = userdata;
        size_t len = size * n;

        t->headers_len += len;
        if (t->headers_len > HTTPS_HEADERS_MAX) {
                t->is_over_limit = true;
                return 0; /* ends the transfer */
        }
        if (len >= 5 && strncmp(line, "HTTP/", 5) == 0) {
                t->n_dates = 0; /* a "100 Continue" was before: its date does not count */
                t->answer->date_sec = 0;
        }
        if (len >= 5 && strncasecmp(line, "Date:", 5) == 0)
                read_date(t, line + 5, len - 5);
        return len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *userdata) {
        struct transfer *t = userdata;
        size_t len = size * n;
        int r;

        r = buf_put(t->body, bytes, len);
        if (r == -E2BIG)
                t->is_over_limit = true;
        else if (r < 0)
                t->error = r;
        return r < 0 ? 0 : len;
}

static int add_header(struct transfer *t, const char *line) {
        struct curl_slist *longer = curl_slist_append(t->headers, line);

        if (!longer)
                return -ENOMEM;
        t->headers = longer;
        return 0;
}

/* @lines: "Name: value\n" each. Only Host is curl's own; what it would add otherwise is switched off. */
static int set_headers(struct transfer *t, const struct buf *lines) {
        _cleanup_(buf_clear) struct buf copy = BUF_INIT(AWS_HEADERS_MAX);
        char *rest = NULL;
        int r;

        if ((r = add_header(t, "Accept:")) < 0 || (r = add_header(t, "Expect:")) < 0 ||
            (r = buf_put(&copy, buf_text(lines), lines->len)) < 0)
                return r;
        for (char *line = strtok_r(copy.data, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
                r = add_header(t, line);
                if (r < 0)
                        return r;
        }
        return curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK ? 0 : -ENOMEM;
}

/* Every limit that curl can be told. */
#define SET(option, value) (curl_easy_setopt(curl, (option), (value)) == CURLE_OK)

static bool set_limits(CURL *curl, struct transfer *t) {
        return SET(CURLOPT_PROTOCOLS_STR, t->is_plain ? "http" : "https") &&
               SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_NOPROXY, "") &&
               SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
               SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
               SET(CURLOPT_CONNECTTIMEOUT, (long)HTTPS_CONNECT_SEC) &&
               /* no limit to the speed: a slow answer that comes in time saves the user a code */
               SET(CURLOPT_TIMEOUT, (long)FETCH_TOTAL_SEC) && SET(CURLOPT_NOSIGNAL, 1L) &&
               /* or a resolver that hangs would hold the process after its time is over */
               SET(CURLOPT_QUICK_EXIT, 1L) && SET(CURLOPT_NOPROGRESS, 1L) &&
               SET(CURLOPT_FRESH_CONNECT, 1L) && SET(CURLOPT_FORBID_REUSE, 1L) &&
               SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket) && SET(CURLOPT_OPENSOCKETDATA, t) &&
               SET(CURLOPT_ERRORBUFFER, t->text);
}

/* @ca_file: "" for the system's authorities, as a directory: OpenSSL 3.0 needs 45 ms to load the
 * bundle, and nothing at all to look one certificate up in the directory. */
static bool set_trust(CURL *curl, struct transfer *t, const char *ca_file) {
        bool is_own = ca_file[0] != '\0';

        return SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
               SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
               SET(CURLOPT_CAINFO, is_own ? ca_file : NULL) &&
               SET(CURLOPT_CAPATH, is_own ? NULL : X509_get_default_cert_dir()) &&
               SET(CURLOPT_SSL_SESSIONID_CACHE, 0L) &&
               SET(CURLOPT_SSL_CTX_FUNCTION, on_ssl_context) && SET(CURLOPT_SSL_CTX_DATA, t);
}

/* What a proxy asks and answers stays apart from the exchange with AWS: our headers are for AWS only, and
 * the proxy's Date is not AWS's. */
static bool set_tunnel(CURL *curl) {
        return SET(CURLOPT_HTTPPROXYTUNNEL, 1L) && SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
               SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE) &&
               SET(CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC) &&
               SET(CURLOPT_PROXYTYPE, (long)CURLPROXY_HTTP);
}

/* curl copies the text; what is freed is wiped. */
static bool set_decoded(CURL *curl, CURLoption option, const char *text, size_t len) {
        char *decoded;
        bool is_set;

        if (len == 0) /* to curl_easy_unescape(3) that would mean the whole text */
                return SET(option, "");
        decoded = curl_easy_unescape(curl, text, (int)len, NULL);
        is_set = decoded && SET(option, decoded);
        curl_free(decoded);
        return is_set;
}

/* @proxy: "http://[user:password@]host:port". Given in parts, so that curl knows of no text with the
 * password that an error of its could quote. */
static bool set_proxy(CURL *curl, const char *proxy) {
        const char *user = proxy + strlen("http://"), *at = strrchr(user, '@'), *colon;
        char address[URL_MAX_LEN + 1];

        (void)snprintf(address, sizeof(address), "http://%s",
                       at ? at + 1 : user); /* no longer than @proxy */
        if (!set_tunnel(curl) || !SET(CURLOPT_PROXY, address))
                return false;
        if (!at)
                return true;
        colon = memchr(user, ':', (size_t)(at - user));
        assert(colon); /* text_is_proxy() */
        return set_decoded(curl, CURLOPT_PROXYUSERNAME, user, (size_t)(colon - user)) &&
               set_decoded(curl, CURLOPT_PROXYPASSWORD, colon + 1, (size_t)(at - colon - 1));
}

static bool set_exchange(CURL *curl, struct transfer *t, const struct aws_http_request *http) {
        return SET(CURLOPT_URL, http->url) && SET(CURLOPT_USERAGENT, "mfad/" MFAD_VERSION) &&
               SET(CURLOPT_POSTFIELDSIZE, (long)http->body.len) &&
               SET(CURLOPT_POSTFIELDS, buf_text(&http->body)) &&
               SET(CURLOPT_HEADERFUNCTION, on_header) && SET(CURLOPT_HEADERDATA, t) &&
               SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, t);
}

/* How far the exchange came: the time of a stage stays 0 until the stage is over. */
static bool is_past(CURL *curl, CURLINFO stage) {
        curl_off_t usec = 0;

        return curl_easy_getinfo(curl, stage, &usec) == CURLE_OK && usec > 0;
}

/* In doubt yes: when the connection stood and the request was on its way. What went to a proxy does not
 * count, though curl counts it, and beyond the proxy nothing goes out before TLS stands. */
static bool was_sent(const struct transfer *t) {
        long request_len = 0;

        if (t->is_proxied)
                return is_past(t->curl, CURLINFO_APPCONNECT_TIME_T) ||
                       is_past(t->curl, CURLINFO_PRETRANSFER_TIME_T);
        return curl_easy_getinfo(t->curl, CURLINFO_REQUEST_SIZE, &request_len) != CURLE_OK ||
               request_len > 0 || is_past(t->curl, CURLINFO_PRETRANSFER_TIME_T);
}

static enum fetch_outcome untrusted_outcome(CURL *curl) {
        long verified = X509_V_OK;

        (void)curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verified); /* stays OK at worst */
        switch (verified) { /* openssl-verify(1), DIAGNOSTICS */
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID: return FETCH_TLS_EXPIRED;
        /* curl compares the name itself, after OpenSSL found the chain good; 1 is where curl starts */
        case X509_V_OK:
        case X509_V_ERR_UNSPECIFIED:
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH: return FETCH_TLS_WRONG_NAME;
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_UNTRUSTED: return FETCH_TLS_UNTRUSTED;
        default: return FETCH_TLS_FAILED;
        }
}

/* The proxy has not let us through. Until then all trouble is with the proxy. */
static bool is_in_tunnel_mouth(const struct transfer *t) {
        return t->is_proxied && !t->has_tls_begun;
}

/* For errors that can happen at any stage: time-outs, resets. */
static enum fetch_outcome outcome_by_stage(const struct transfer *t) {
        if (!is_past(t->curl, CURLINFO_NAMELOOKUP_TIME_T))
                return FETCH_RESOLVE_FAILED;
        if (is_in_tunnel_mouth(t))
                return FETCH_CONNECT_FAILED;
        /* curl 7.88 sets CONNECT_TIME only when TLS stands too */
        if (t->has_tls_begun && !is_past(t->curl, CURLINFO_APPCONNECT_TIME_T))
                return FETCH_TLS_FAILED;
        if (!is_past(t->curl, CURLINFO_CONNECT_TIME_T))
                return FETCH_CONNECT_FAILED;
        return FETCH_NO_ANSWER;
}

static enum fetch_outcome outcome_of(const struct transfer *t, CURLcode code) {
        if (t->is_over_limit)
                return FETCH_BAD_ANSWER;
        switch ((
                int)code) { /* libcurl-errors(3); curl's enum, so what is not named goes by stage */
        case CURLE_OK: return FETCH_OK;
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_RESOLVE_HOST: return FETCH_RESOLVE_FAILED;
        case CURLE_COULDNT_CONNECT: return FETCH_CONNECT_FAILED;
        case CURLE_PEER_FAILED_VERIFICATION: return untrusted_outcome(t->curl);
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_CERTPROBLEM: return FETCH_TLS_FAILED;
        case CURLE_WEIRD_SERVER_REPLY:
                return is_in_tunnel_mouth(t) ? FETCH_CONNECT_FAILED : FETCH_BAD_ANSWER;
        case CURLE_UNSUPPORTED_PROTOCOL: return FETCH_BAD_ANSWER;
        case CURLE_OUT_OF_MEMORY:
        case CURLE_FAILED_INIT:
        case CURLE_URL_MALFORMAT: return FETCH_INTERNAL;
        default: return outcome_by_stage(t);
        }
}

/* Why there is no answer, as a text that tells the proxy's failure from AWS's. */
static void say_why(const struct transfer *t, CURLcode code, char *out, size_t size) {
        const char *why = t->text[0] ? t->text : curl_easy_strerror(code);
        char text[sizeof(t->text) + 40];
        long status = 0;

        (void)curl_easy_getinfo(t->curl, CURLINFO_HTTP_CONNECTCODE, &status); /* stays 0 */
        if (t->is_over_limit)
                (void)snprintf(text, sizeof(text), "the answer is too big");
        else if (is_in_tunnel_mouth(t) && status > 0 && status / 100 != 2)
                (void)snprintf(text, sizeof(text), "the proxy answers %ld", status);
        else
                (void)snprintf(text, sizeof(text), "%s%s",
                               is_in_tunnel_mouth(t) ? "no way through the proxy: " : "", why);
        aws_answer_make_printable(text, out, size);
}

static void conclude(struct transfer *t, CURLcode code) {
        struct fetch_answer *a = t->answer;
        long status = 0;

        a->outcome = outcome_of(t, code);
        a->was_sent = was_sent(t);
        (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE,
                                &status); /* stays 0; never a proxy's */
        a->http_status = status >= 100 && status <= 999 ? (uint32_t)status : 0;
        /* there is no answer but over TLS that was verified, or from this machine */
        a->is_date_verified = a->date_sec > 0;
        if (code != CURLE_OK)
                say_why(t, code, a->text, sizeof(a->text));
}

static void transfer_close(struct transfer *t) {
        curl_easy_cleanup(t->curl);
        curl_slist_free_all(t->headers);
}

int https_post(const struct fetch_request *q, struct fetch_answer *a, struct buf *body) {
        _cleanup_(transfer_close) struct transfer t = {
                .answer = a,
                .body = body,
                .is_plain = strncmp(q->http.url, "http://", 7) == 0,
                .is_proxied = q->proxy[0] != '\0' && !https_is_loopback(q->http.url),
        };
        CURLcode code;
        int r;

        t.curl = curl_easy_init();
        if (!t.curl || !set_limits(t.curl, &t) || !set_trust(t.curl, &t, q->ca_file) ||
            !set_exchange(t.curl, &t, &q->http) ||
            !(t.is_proxied ? set_proxy(t.curl, q->proxy)
                           : curl_easy_setopt(t.curl, CURLOPT_PROXY, "") == CURLE_OK))
                return -ENOMEM;
        r = set_headers(&t, &q->http.headers);
        if (r < 0)
                return r;
        code = curl_easy_perform(t.curl);
        conclude(&t, code);
        return t.error;
}
