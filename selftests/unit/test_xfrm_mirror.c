// SPDX-License-Identifier: GPL-2.0-only
/* The mirror of the SAD and the memory of what left, without a kernel. */
#include <errno.h>

#include "ktap.h"
#include "xfrm_mirror.h"

static struct xfrm_sa sa(uint32_t spi, uint8_t last, uint32_t mark)
{
	struct xfrm_sa s = { .spi = spi, .proto = 50, .mark = mark, .mark_mask = mark ? 0xff : 0 };

	s.dst = (struct ike_addr){ AF_INET, { 192, 0, 2, last } };
	return s;
}

static bool put(struct mirror *m, struct xfrm_sa s)
{
	bool isnew = false;

	ktap_ok(!mirror_put(m, &s, &isnew), "put");
	return isnew;
}

static bool esp(uint8_t proto, uint8_t arg)
{
	return proto == arg;
}

static void test_keys(void)
{
	struct xfrm_sa s, got, *many;
	struct mirror m;

	mirror_init(&m);
	ktap_ok(put(&m, sa(1, 1, 0)), "new");
	ktap_ok(!put(&m, sa(1, 1, 0)), "the same again");
	ktap_ok(put(&m, sa(1, 2, 0)), "another destination");
	ktap_ok(put(&m, sa(1, 1, 5)), "another mark");
	s = sa(1, 1, 0);
	s.proto = 51;
	ktap_ok(put(&m, s), "another protocol");
	s = sa(1, 1, 0);
	s.if_id = 9;
	ktap_ok(!put(&m, s), "the interface id is no part of the key");
	ktap_int("count", 4, m.count);
	ktap_int("find", 3, mirror_find(&m, 1, 50, NULL, NULL));
	ktap_int("find AH", 1, mirror_find(&m, 1, 51, NULL, NULL));
	ktap_int("find another", 0, mirror_find(&m, 2, 50, NULL, NULL));
	s = sa(1, 1, 5);
	ktap_int("take", 0, mirror_take(&m, &s, &got));
	ktap_int("it was that one", 5, got.mark);
	ktap_int("take again", -ENOENT, mirror_take(&m, &s, &got));
	s = sa(1, 1, 0);
	mirror_take(&m, &s, &got);
	ktap_int("the update was kept", 9, got.if_id);
	ktap_int("take all ESP", 1, (long long)mirror_take_if(&m, &many, esp, 50));
	ktap_int("it was that one", 2, many[0].dst.addr[3]);
	free(many);
	ktap_int("AH is left", 1, m.count);
	mirror_free(&m);
}

static void test_marks(void)
{
	struct xfrm_sa *gone;
	struct mirror m;

	mirror_init(&m);
	put(&m, sa(1, 1, 0));
	put(&m, sa(2, 1, 0));
	mirror_unmark(&m);
	put(&m, sa(2, 1, 0));
	put(&m, sa(3, 1, 0));
	ktap_int("a dump lacked one", 1, (long long)mirror_take_unmarked(&m, &gone));
	ktap_int("this one", 1, gone[0].spi);
	free(gone);
	ktap_int("two are left", 2, m.count);
	mirror_free(&m);
}

static void test_many(void)
{
	unsigned int i, found = 0, bad = 0;
	struct xfrm_sa s;
	struct mirror m;
	bool isnew;

	mirror_init(&m);
	for (i = 0; i < 50000; i++) {
		s = sa(0xc0000000 + i, (uint8_t)i, 0);
		bad += mirror_put(&m, &s, &isnew) || !isnew;
	}
	for (i = 0; i < 50000; i++)
		found += mirror_find(&m, 0xc0000000 + i, 50, NULL, NULL) == 1;
	ktap_int("50000 put", 0, bad);
	ktap_int("all found", 50000, found);
	ktap_ok(m.nbucket >= 16384, "the table grew (%u)", m.nbucket);
	for (i = 0; i < 50000; i += 2) {
		s = sa(0xc0000000 + i, (uint8_t)i, 0);
		bad += mirror_take(&m, &s, &s) != 0;
	}
	ktap_int("half of them taken", 25000, m.count);
	ktap_int("without an error", 0, bad);
	mirror_free(&m);
}

static int seen(struct mirror *m, uint32_t spi, uint8_t last, int64_t *when)
{
	struct xfrm_sa s = sa(spi, last, 0);

	return mirror_seen_leaving(m, &s.dst, spi, 50, when, NULL);
}

static void test_left(void)
{
	enum xfrm_gone how;
	struct xfrm_sa s;
	struct mirror m;
	int64_t when = 0;
	unsigned int i, found;

	mirror_init(&m);
	s = sa(1, 1, 0);
	mirror_left(&m, &s, 100, XFRM_GONE_EXPIRED);
	ktap_int("seen", 0, mirror_seen_leaving(&m, &s.dst, 1, 50, &when, &how));
	ktap_int("when", 100, when);
	ktap_int("how", XFRM_GONE_EXPIRED, how);
	ktap_int("another destination", -ENOENT, seen(&m, 1, 2, NULL));
	ktap_int("another SPI", -ENOENT, seen(&m, 2, 1, NULL));
	ktap_int("another protocol", -ENOENT, mirror_seen_leaving(&m, &s.dst, 1, 51, NULL, NULL));
	mirror_left(&m, &s, 200, XFRM_GONE_DELETED);
	seen(&m, 1, 1, &when);
	ktap_int("the later time counts", 200, when);
	put(&m, s);
	ktap_int("back: not left", -ENOENT, seen(&m, 1, 1, NULL));

	for (i = 0; i < 3 * MIRROR_LEFT; i++) {
		s = sa(1000 + i, 1, 0);
		mirror_left(&m, &s, i, XFRM_GONE_FLUSHED);
	}
	for (i = 0, found = 0; i < 3 * MIRROR_LEFT; i++)
		found += !seen(&m, 1000 + i, 1, NULL);
	ktap_int("so many are remembered", MIRROR_LEFT, found);
	ktap_int("the newest are", 0, seen(&m, 1000 + 3 * MIRROR_LEFT - 1, 1, NULL));
	/* Some come back, others leave: the ring and its buckets stay in step. */
	for (i = 2 * MIRROR_LEFT; i < 3 * MIRROR_LEFT; i += 3)
		put(&m, sa(1000 + i, 1, 0));
	for (i = 0; i < 2 * MIRROR_LEFT; i++) {
		s = sa(0x90000000 + i, 1, 0);
		mirror_left(&m, &s, i, XFRM_GONE_FLUSHED);
	}
	for (i = 0, found = 0; i < 2 * MIRROR_LEFT; i++)
		found += !seen(&m, 0x90000000 + i, 1, NULL);
	ktap_int("still so many", MIRROR_LEFT, found);
	mirror_free(&m);
}

int main(void)
{
	test_keys();
	test_marks();
	test_many();
	test_left();
	return ktap_done();
}
