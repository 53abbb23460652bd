/* varlink_text.h - the .varlink files, as built into the programs.
 * Owns:  the texts.
 * Calls: nothing.
 * Limit: none. */
#pragma once

extern const char varlink_text_org_mfad_Control[];
extern const char varlink_text_org_mfad_Vault[];
extern const char varlink_text_org_varlink_service[]; /* daemon/shared */
