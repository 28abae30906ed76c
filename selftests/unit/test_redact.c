// SPDX-License-Identifier: GPL-2.0-only
/* What is taken for a key, and what is left alone. */
#include "ktap.h"
#include "redact.h"

#define K16 "0123456789abcdef"
#define K32 "0123456789abcdef0123456789abcdef"
#define R REDACTED

static const struct {
	const char *text, *want;
} rows[] = {
	{ "", "" },
	{ "nothing", "nothing" },
	{ "0x", "0x" },
	{ "0", "0" },
	{ "spi 0xc0ffee11 reqid 1", "spi 0xc0ffee11 reqid 1" },
	{ "mark 0xffffffff/0xffffffff", "mark 0xffffffff/0xffffffff" },
	{ "IKE SPI " K16 "_i " K16 "_r*", "IKE SPI " K16 "_i " K16 "_r*" },
	{ "0x" K16, R },
	{ "0X" K16, R },
	{ "0x0123456789abcde", "0x0123456789abcde" },
	{ K32, R },
	{ "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde" },
	{ "aead rfc4106(gcm(aes)) 0x" K32 "01234567 128", "aead rfc4106(gcm(aes)) " R " 128" },
	{ "auth 0x" K32 " enc 0x" K32, "auth " R " enc " R },
	{ "x0x" K16 "y", "x" R "y" },
	{ "00x" K16, "00x" K16 }, /* no prefix inside of a number */
	{ "ABCDEF0123456789ABCDEF0123456789", R },
	{ "2001:db8:0123:4567:89ab:cdef:0123:4567", "2001:db8:0123:4567:89ab:cdef:0123:4567" },
	{ "\xff\x01" K32 "\xff", "\xff\x01" R "\xff" },
};

int main(void)
{
	char buf[256];
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(buf, sizeof(buf), "%s", rows[i].text);
		len = redact(buf, strlen(buf));
		buf[len] = '\0';
		ktap_str(rows[i].text, rows[i].want, buf);
	}
	/* Not a byte behind the end is read. */
	memcpy(buf, K32, 32);
	ktap_int("the last digit is not there", 31, (long long)redact(buf, 31));
	return ktap_done();
}
