/* aws_config_check.h - whether a setting's value makes sense, and its one spelling.
 * Owns:  nothing.
 * Calls: encode.h, aws_endpoint.h.
 * Limit: those of encode.h and aws_request.h.
 * Each check takes a value that is not empty and may rewrite it in place, never longer. It returns NULL
 * when the value makes sense, else static text that goes on from the setting's name: "is no region". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef const char *(*aws_config_check_fn)(char *text);

const char *aws_config_check_region(char *text);
const char *aws_config_check_mfa_serial(char *text);
/* What aws_endpoint_check() takes. */
const char *aws_config_check_url(char *text);
const char *aws_config_check_proxy(char *text);
/* An absolute path. */
const char *aws_config_check_path(char *text);
const char *aws_config_check_profile_name(char *text);
const char *aws_config_check_role_arn(char *text);
/* A role session name or a source identity. */
const char *aws_config_check_session_name(char *text);
const char *aws_config_check_external_id(char *text);
/* Only that it may be JSON: AWS judges the rest. */
const char *aws_config_check_policy(char *text);
/* "ARN , ARN" becomes "ARN,ARN". */
const char *aws_config_check_policy_arns(char *text);
/* "KEY = VALUE , KEY=VALUE" becomes "KEY=VALUE,KEY=VALUE". Keys that differ in case only are the same to AWS. */
const char *aws_config_check_tags(char *text);
/* "KEY , KEY" becomes "KEY,KEY". */
const char *aws_config_check_tag_keys(char *text);

/* True when each of @tag_keys, as checked, is the key of one of @tags, as checked. */
bool aws_config_has_tags(const char *tags, const char *tag_keys);
/* A role's duration: returns NULL and the seconds, or why not. */
const char *aws_config_check_duration(const char *text, uint32_t *ret_sec);
/* As botocore reads it: "true" in any case. */
bool aws_config_is_true(const char *text);
/* "true" or "false" in any case: what a setting of our own has to say. */
const char *aws_config_check_bool(char *text);
