/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Strict parsers for what people type: the whole string must be the value.
 * @what is the name of the value in the error text, which quotes the bad
 * value and says what is wanted. Return 0, -EINVAL or -ERANGE.
 */
#ifndef INVSPI_LIB_PARSE_H
#define INVSPI_LIB_PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"
#include "flow.h"

struct invspi_prefix {
	int family;
	union invspi_addr addr; /* bits after @plen are 0 */
	uint8_t plen;
};

/**
 * parse_number() - decimal or 0x-hexadecimal within bounds
 *
 * No sign, no blanks, no octal (a leading 0 is refused, since half of the
 * readers take it for octal).
 */
int parse_number(const char *s, const char *what, uint64_t min, uint64_t max, uint64_t *value,
		 struct invspi_err *err);

/**
 * parse_spi() - SPI in hexadecimal with 0x, or in decimal
 *
 * Also takes both at once as the kernel log line has it,
 * 0xB761863E(3076621886), if they agree.
 */
int parse_spi(const char *s, uint32_t *spi, struct invspi_err *err);

/**
 * parse_addr() - IPv4 or IPv6 address
 * @family: out
 */
int parse_addr(const char *s, int *family, union invspi_addr *addr, struct invspi_err *err);

/**
 * parse_prefix() - address with an optional /length
 *
 * Set bits behind the length are an error, since they are mostly a mistake.
 */
int parse_prefix(const char *s, struct invspi_prefix *prefix, struct invspi_err *err);

/**
 * prefix_has() - does @prefix hold the address
 * @family: of @addr; one of another family is not in it
 */
bool prefix_has(const struct invspi_prefix *prefix, int family, const union invspi_addr *addr);

/**
 * parse_listen() - ADDRESS:PORT to listen at, IPv6 in [brackets]
 *
 * No names: what a name means may change between two starts.
 */
int parse_listen(const char *s, struct sockaddr_storage *sa, socklen_t *len,
		 struct invspi_err *err);

/**
 * parse_duration() - 500ms, 2s, 10m, 1h, 1d
 * @bare_ms: milliseconds that a number without unit counts in; 0: refused
 * @min_ms: smallest allowed, in milliseconds
 * @max_ms: largest
 */
int parse_duration(const char *s, const char *what, unsigned int bare_ms, uint64_t min_ms,
		   uint64_t max_ms, uint64_t *ms, struct invspi_err *err);

/**
 * parse_keyword() - index of a word in a NULL-terminated list
 *
 * An exact word wins, else an unambiguous beginning of one is taken.
 *
 * Return: the index, or -EINVAL; the text lists the words.
 */
int parse_keyword(const char *s, const char *what, const char *const *words,
		  struct invspi_err *err);

#endif /* INVSPI_LIB_PARSE_H */
