// SPDX-License-Identifier: GPL-2.0-only
/* The clocks, and the name of the boot. */
#include <string.h>
#include <time.h>

#include "clock.h"
#include "ktap.h"

static void test_clocks(void)
{
	struct timespec boot, wall;
	int64_t now;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	now = now_ms();
	ktap_ok(now / 1000 - boot.tv_sec >= 0 && now / 1000 - boot.tv_sec < 60,
		"milliseconds since boot: %lld, at %lld s", (long long)now, (long long)boot.tv_sec);
	ktap_ok(now_ms() >= now, "they do not go back");
	now = wall_ms();
	ktap_ok(llabs(now / 1000 - wall.tv_sec) < 60, "milliseconds since 1970: %lld, at %lld s",
		(long long)now, (long long)wall.tv_sec);
}

static void test_boot_id(void)
{
	char id[64], again[64], cut[9];
	size_t hex;

	clock_boot_id(id, sizeof(id));
	clock_boot_id(again, sizeof(again));
	hex = strspn(id, "0123456789abcdef-");
	ktap_int("length of the boot's name", 36, (long long)strlen(id));
	ktap_int("of which are digits and dashes", 36, (long long)hex);
	ktap_str("the same again", id, again);
	clock_boot_id(cut, sizeof(cut));
	id[8] = '\0';
	ktap_str("as much as there is room for", id, cut);
}

int main(void)
{
	test_clocks();
	test_boot_id();
	return ktap_done();
}
