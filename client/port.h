/* port.h - the port that mfad is to have, when mfad itself cannot be asked: which, whose, and how to change it.
 * Owns:  nothing.
 * Calls: mfad_conf.h, units.h, sockdiag.h.
 * Limit: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* What mfad.conf says, else the default. Where systemd holds the port, its unit may say otherwise. */
uint16_t port_configured(void);
/* Another user listens on 127.0.0.1:@port or [::1]:@port. */
bool port_is_anothers(uint16_t port);
/* What to do for another port. */
const char *port_how_to_change(void);
