// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what whack prints. An input is the answer that lists states; if
 * there is a form feed in it, the answer about connections follows that. corpus/whack
 * has answers of real plutos, 4.10 and 5.2.
 */
#include <errno.h>

#include "fuzz.h"
#include "ike_whack_build.h"
#include "listing.h"

static size_t used;

/* A text must be readable to its end. */
static void use(const char *s)
{
	used += s ? strlen(s) : 0;
}

static void kernel(void *arg, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		   struct ike_kernel *k)
{
	(void)arg;
	must(dst->family && proto);
	k->there = spi & 1;
	k->encap = spi & 2;
}

static void use_states(const struct whack_states *s)
{
	const struct whack_state *st;
	size_t i;

	for (i = 0; i < s->n; i++) {
		st = &s->state[i];
		must(st->name.name && st->name.name[0]);
		use(st->name.name);
		use(st->id);
		must(!i || st[-1].serial <= st->serial);
		must(st->kind != WHACK_CHILD ||
		     (st->spi_in && st->proto && st->local.family && st->remote.family));
		must(!st->serial || whack_state_find(s, st->serial));
	}
}

static void use_listing(const struct ike_listing *l)
{
	size_t i, k;

	for (i = 0; i < l->nsa; i++) {
		const struct ike_sa *sa = &l->sa[i];

		must(sa->uniqueid && sa->name && sa->conn && sa->local_id && sa->remote_id);
		must(!sa->task_child || sa->task_any);
		for (k = 0; k < sa->nchild; k++) {
			const struct ike_child *c = &sa->child[k];

			must(c->uniqueid && c->spi_in && !strcmp(c->name, sa->conn));
			must(c->mode && c->algs && c->local_ts && c->remote_ts);
			must(!child_counts(c) || !sa_counts(sa) ||
			     listing_spi(l, c->spi_in, c->proto, NULL));
		}
	}
}

static void build(const struct whack_states *states, const struct whack_status *status)
{
	const struct ike_events ev = { .kernel = kernel };
	struct whack_memory memory[2] = { { 0 } };
	struct whack_source src = {
		.states = states,
		.status = status,
		.before = &memory[1],
		.memory = &memory[0],
		.ev = &ev,
		.now = 1000000,
		.wall = 1795340329000,
	};
	struct ike_listing *l;
	int twice;

	for (twice = 0; twice < 2; twice++) {
		l = calloc(1, sizeof(*l));
		must(l);
		l->ref = 1;
		must(!whack_build(&src, l));
		use_listing(l);
		ike_listing_put(l);
		free(memory[1].known);
		memory[1] = memory[0];
		src.now += 1000;
	}
	free(memory[1].known);
}

/* Memory that ends with the text. */
static char *copy_of(const uint8_t *data, size_t size)
{
	char *copy = malloc(size);

	must(copy || !size);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memchr(data, '\f', size) : NULL;
	size_t len = cut ? (size_t)(cut - data) : size, more = cut ? size - len - 1 : 0;
	char *text = copy_of(data, len), *conns = copy_of(cut ? cut + 1 : data, more);
	struct ike_conns known = { 0 };
	struct whack_states states;
	struct whack_status status;
	int err, err_conns;

	err = parse_states(text, len, &states);
	must(!err || err == -EBADMSG);
	must(!err || (!states.n && !states.state));
	use(states.bad);
	use_states(&states);
	err_conns = parse_status(conns, more, &status);
	must(!err_conns || err_conns == -EBADMSG);
	must(!err_conns || (!status.n && !status.conn));
	if (!err_conns) {
		must(!whack_conns(&status, &known));
		must(known.nconn <= status.n);
		ike_conns_clear(&known);
	}
	if (!err)
		build(&states, err_conns ? NULL : &status);
	whack_states_clear(&states);
	whack_status_clear(&status);
	free(text);
	free(conns);
	return 0;
}
