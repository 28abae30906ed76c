// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens in the world of recovery.pml, and what the helper sees of it: stands
 * between the state and the calls that the helper makes. Included by helper.c.
 */

static void wrong(unsigned char what)
{
	if (!now.bad)
		now.bad = what;
}

/* ---- the history ---- */

static bool is_wanted(enum sa_end end)
{
	return end == END_NONE || end == END_REKEYED || end == END_GAVE_UP ||
	       end == END_DAEMON_LOST || end == END_KERNEL_LOST || end == END_MACHINE_DOWN;
}

static void history_add(unsigned int c, unsigned char k)
{
	struct kid_t *kid = &now.kid[c];

	if (kid->row == k && kid->row_end == END_NONE)
		return;
	if (kid->row && kid->row != k) {
		kid->old = kid->row;
		kid->old_end = kid->row_end;
		kid->old_age = kid->row_age;
	}
	kid->row = k;
	kid->row_end = END_NONE;
	kid->row_age = 0;
}

/* A more telling cause takes the place of what the kernel said. */
static void history_end(unsigned int c, unsigned char k, enum sa_end end)
{
	struct kid_t *kid = &now.kid[c];

	if (kid->row != k || !k)
		return;
	if (kid->row_end == END_NONE)
		kid->row_age = 0;
	else if (kid->row_end != END_KERNEL_LOST)
		return;
	else if (end == END_REKEYED)
		kid->row_age = 0;
	kid->row_end = (unsigned char)end;
}

static void history_row(unsigned int c, bool newest, struct hist_sa *sa)
{
	const struct kid_t *kid = &now.kid[c];
	unsigned char age = newest ? kid->row_age : kid->old_age;

	memset(sa, 0, sizeof(*sa));
	sa->spi = spi_of(c, newest ? kid->row : kid->old);
	sa->proto = IPPROTO_ESP;
	sa->conn = "gw";
	sa->child = kid_names[c];
	sa->remote_id = "b";
	sa->local_id = "a";
	sa->local = (struct ike_addr){ .family = AF_INET, .addr = { 0, 0, 0, 1 } };
	sa->remote = (struct ike_addr){ .family = AF_INET, .addr = { 0, 0, 0, 2 } };
	sa->mode = "";
	sa->algs = "";
	sa->local_ts = kid_names[c];
	sa->remote_ts = kid_names[c];
	sa->end = (enum sa_end)(newest ? kid->row_end : kid->old_end);
	sa->ended_at = sa->end == END_NONE ? 0 : age == NEVER ? LONG_AGO : AGO(age);
	if (!newest && sa->end == END_REKEYED)
		sa->rekeyed_to = spi_of(c, kid->row);
}

int hist_lookup(struct history *h, uint32_t spi, uint8_t proto, struct hist_sa *sa)
{
	unsigned int c = spi >> 4 & 1, k = spi & 7;

	(void)h;
	(void)proto;
	if (k != now.kid[c].row && k != now.kid[c].old)
		return -ENOENT;
	history_row(c, k == now.kid[c].row, sa);
	return 0;
}

int hist_child(struct history *h, const char *conn, const char *child, const char *peer,
	       struct hist_sa *sa)
{
	unsigned int c = kid_of(child) - 1u;

	(void)h;
	(void)conn;
	(void)peer;
	if (!now.kid[c].row)
		return -ENOENT;
	history_row(c, true, sa);
	return 0;
}

int hist_should_be_up(struct history *h, const char *conn, const char *peer,
		      void (*cb)(void *arg, const struct hist_sa *sa), void *arg)
{
	struct hist_sa sa;
	unsigned int c;
	int n = 0;

	(void)h;
	(void)conn;
	(void)peer;
	for (c = 0; c < CHILDREN; c++) {
		if (!now.kid[c].row || !is_wanted((enum sa_end)now.kid[c].row_end))
			continue;
		history_row(c, true, &sa);
		cb(arg, &sa);
		n++;
	}
	return n;
}

bool hist_by_hand(struct history *h, const char *conn, const char *child, const char *peer)
{
	unsigned char kid = kid_of(child);

	(void)h;
	(void)conn;
	(void)peer;
	return kid && now.kid[kid - 1].row && now.kid[kid - 1].row_end == END_OPERATOR;
}

bool hist_spi_range(const struct history *h, uint32_t *min, uint32_t *max)
{
	(void)h;
	*min = 0xc0000000;
	*max = 0xcfffffff;
	return true;
}

void hist_end(struct history *h, uint32_t spi, uint8_t proto, enum sa_end end, int64_t at)
{
	(void)h;
	(void)proto;
	(void)at;
	history_end(spi >> 4 & 1, spi & 7, end);
}

void hist_action(struct history *h, const struct hist_action *a)
{
	(void)h;
	(void)a;
}

/* ---- the kernel ---- */

static struct kid_t *sa_in_kernel(uint32_t spi)
{
	struct kid_t *kid = &now.kid[spi >> 4 & 1];

	return kid->here && kid->spi == (spi & 7) ? kid : NULL;
}

static void fill_sa(struct xfrm_sa *sa, uint32_t spi, const struct kid_t *kid)
{
	memset(sa, 0, sizeof(*sa));
	sa->spi = spi;
	sa->proto = IPPROTO_ESP;
	sa->dst = (struct ike_addr){ .family = AF_INET, .addr = { 0, 0, 0, 1 } };
	sa->packets = kid->ever;
}

int xfrm_find(const struct xfrm *x, uint32_t spi, uint8_t proto,
	      void (*cb)(void *arg, const struct xfrm_sa *sa), void *arg)
{
	const struct kid_t *kid = sa_in_kernel(spi);
	struct xfrm_sa sa;

	(void)x;
	(void)proto;
	if (!kid)
		return 0;
	fill_sa(&sa, spi, kid);
	cb(arg, &sa);
	return 1;
}

int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *sa)
{
	const struct kid_t *kid = sa_in_kernel(spi);

	(void)x;
	(void)dst;
	(void)proto;
	(void)mark;
	if (!kid)
		return -ESRCH;
	fill_sa(sa, spi, kid);
	return 0;
}

int xfrm_seen_leaving(const struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		      int64_t *when, enum xfrm_gone *how)
{
	const struct kid_t *kid = &now.kid[spi >> 4 & 1];

	(void)x;
	(void)dst;
	(void)proto;
	if (!kid->left || kid->left != (spi & 7))
		return -ENOENT;
	*when = AGO(kid->left_age);
	*how = XFRM_GONE_DELETED;
	return 0;
}

int xfrm_addr_local(struct xfrm *x, const struct ike_addr *addr)
{
	(void)x;
	(void)addr;
	return 1;
}

/* As watch.c: what is read for the first time may have moved just before. */
int watch_since(struct watch *w, struct xfrm *x, const struct ike_addr *dst, uint32_t spi,
		uint8_t proto, uint32_t mark, int64_t at, int64_t *since)
{
	struct kid_t *kid = sa_in_kernel(spi);

	(void)w;
	(void)x;
	(void)dst;
	(void)proto;
	(void)mark;
	(void)at;
	if (!kid)
		return -ESRCH;
	if (!kid->watched)
		kid->since = kid->ever ? 0 : NEVER;
	else if (kid->moved)
		kid->since = 0;
	kid->watched = 1;
	kid->moved = 0;
	*since = kid->since == NEVER ? LONG_AGO : AGO(kid->since);
	return 0;
}

bool gap_none(const struct ike_child *c)
{
	(void)c;
	return true;
}

static void leaves_kernel(unsigned int c)
{
	struct kid_t *kid = &now.kid[c];

	if (kid->here) {
		kid->left = kid->spi;
		kid->left_age = 0;
		kid->looked = NEVER;
	}
	kid->here = 0;
	kid->ever = 0;
	kid->moved = 0;
	kid->watched = 0;
	kid->since = NEVER;
}

/* ---- the module ---- */

static struct flow_t *flow_of(unsigned int c, unsigned int k)
{
	return &now.flow[c * FORGED + k - 1];
}

static void flow_off(struct flow_t *f)
{
	f->first = NEVER;
	f->last = NEVER;
	f->seen = NEVER;
	f->looked = NEVER;
}

/* A packet that no SA matches. */
static void drop(unsigned int c, unsigned int k)
{
	struct flow_t *f = flow_of(c, k);

	if (f->last == NEVER || f->last > QUIET) {
		f->first = 0;
		f->seen = NEVER;
		f->looked = NEVER;
		if (now.kid[c].spi == k)
			now.kid[c].delivered = 0;
	}
	f->last = 0;
	now.look = 1;
}

int invspi_nl_flow_get(struct invspi_nl *nl, const struct invspi_flow *key,
		       struct invspi_flow *flow, struct invspi_err *err)
{
	const struct flow_t *f = flow_of(key->spi >> 4 & 1, key->spi & 7);

	(void)nl;
	(void)err;
	if (f->last == NEVER)
		return -ENOENT;
	*flow = *key;
	flow->last_age_ms = (uint64_t)f->last * TICK_MS;
	return 0;
}

#include "ike.c"
#include "steps.c"
