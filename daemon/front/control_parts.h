/* control_parts.h - what org.mfad.Control works on.
 * Owns:  nothing.
 * Calls: nothing.
 * Limit: none. */
#pragma once
#include <stdint.h>

struct audit;
struct aws_api;
struct config;
struct persist;
struct profiles;
struct recent;
struct reload;
struct roles;
struct sessions;
struct signer_client;

/* What the methods work on; all of it is lent until control_free(). */
struct control_parts {
        struct sessions *sessions;
        struct roles *roles;
        struct profiles *profiles;
        struct signer_client *signer;
        struct aws_api *aws;
        const struct config *config;
        const struct reload *reload;
        const struct persist *persist;
        struct audit *audit;
        struct recent *recent;
        uint16_t http_port;
        /* Drops every secret by replacing this process image, which answers on @ack_fd (taken; negative
         * for nobody). Does not return. */
        void (*lock)(int ack_fd, void *userdata);
        void *lock_userdata;
};
