// SPDX-License-Identifier: GPL-2.0-only
/* Since when has nothing come in on an SA? The kernel's answers are made up here. */
#include <errno.h>

#include "decide.h"
#include "ktap.h"
#include "watch.h"

static uint64_t packets;
static int answer, asked;

int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *sa)
{
	(void)x;
	(void)dst;
	(void)spi;
	(void)proto;
	(void)mark;
	asked++;
	memset(sa, 0, sizeof(*sa));
	sa->packets = packets;
	return answer;
}

static struct watch *w;
static const struct ike_addr dst = { .family = 2, .addr = { 192, 0, 2, 1 } };

static void expect(const char *what, uint32_t spi, int64_t now, int want_err, int64_t want)
{
	char name[96];
	int64_t since = 0;

	snprintf(name, sizeof(name), "%s: error", what);
	ktap_int(name, want_err, watch_since(w, NULL, &dst, spi, 50, 0, now, &since));
	if (!want_err)
		ktap_int(what, want, since);
}

int main(void)
{
	w = watch_new();
	packets = 0;
	expect("nothing has ever come in", 1, 1000, 0, LONG_AGO);
	expect("nor since", 1, 2000, 0, LONG_AGO);
	packets = 1;
	expect("the first packet", 1, 3000, 0, 3000);
	expect("no other", 1, 9000, 0, 3000);
	packets = 5;
	expect("some more", 1, 9100, 0, 9100);
	expect("an SA that had traffic when first asked for", 2, 9200, 0, 9200);
	asked = 0;
	packets = 6;
	expect("asked again in the same look", 2, 9210, 0, 9200);
	ktap_int("without a question to the kernel", 0, asked);
	answer = -ESRCH;
	expect("it is gone", 2, 9300, -ESRCH, 0);
	answer = 0;
	packets = 0;
	expect("another one of that SPI", 2, 9400, 0, LONG_AGO);
	packets = 7;
	expect("after a minute nothing is remembered", 1, 80000, 0, 80000);
	watch_free(w);
	return ktap_done();
}
