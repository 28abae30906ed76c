/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keys kept out of what is recorded. None comes here by itself: this helper parses
 * none, asks `ip' for none, and reads the IKE daemon's log at a level that has none.
 * This is for the day on which one of them does otherwise, or on which an operator
 * adds a command that shows them.
 */
#ifndef INVSPID_REDACT_H
#define INVSPID_REDACT_H

#include <stddef.h>

#define REDACTED "[removed]"
#define REDACT_AHEAD 64 /* so much of what follows a cut shows whether a key is cut */

/**
 * redact() - replaces what may be a key by REDACTED, in place
 * @s: text of @len bytes; need not be terminated, and is not longer afterwards
 *
 * That is 16 hexadecimal digits or more after 0x (an SPI, a mark or an identity of an
 * interface has 8), and 32 or more without (an IKE SPI has 16).
 *
 * Return: the new length.
 */
size_t redact(char *s, size_t len);

#endif
