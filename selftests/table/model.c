// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table beside a model of it: a list of all flows that ever were, which
 * knows no sets, tags, locks or memory. After each step the table must hold what
 * the model says, to the last counter and flag. Where the table may choose (the
 * lottery, one of several flows as old) the model looks what it did, and checks
 * that the rules allow it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/log2.h>

#include "flows.h"
#include "model.h"

#define MODEL_FLOWS 256 /* all that fit into the largest table used here */

struct model_flow {
	struct model_flow *next;
	struct invspi_flow is; /* what the table must say of it */
	u32 set;
	bool kept; /* else the table does not have it */
	u32 log_last;
	u64 log_seen;
};

static struct model {
	struct invspi_table tb, other;
	struct invspi_config cfg;
	struct model_flow *flows;
	struct invspi_totals sum;
	u32 sets_max;
	/* of the log's bucket, in 1/HZ tokens */
	u64 tokens, tokens_at;
	u64 admitted[MODEL_FLOWS / INVSPI_SET_FLOWS];
	const uint8_t *data, *end;
} m;

#define must(x)                                                                    \
	do {                                                                       \
		if (!(x)) {                                                        \
			fprintf(stderr, "model.c:%d: not so: %s\n", __LINE__, #x); \
			abort();                                                   \
		}                                                                  \
	} while (0)

#define must_equal(expected, actual)                                                              \
	do {                                                                                      \
		u64 _e = (expected), _a = (actual);                                               \
		if (_e != _a) {                                                                   \
			fprintf(stderr, "model.c:%d: %s: expected %llu, actual %llu\n", __LINE__, \
				#actual, _e, _a);                                                 \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

static u8 byte(void)
{
	return m.data < m.end ? *m.data++ : 0;
}

static u32 nsets(void)
{
	return m.tb.flows_max / INVSPI_SET_FLOWS;
}

static unsigned long idle(void)
{
	return msecs_to_jiffies(m.cfg.idle_ms);
}

static struct model_flow *find(const struct invspi_key *key)
{
	struct model_flow *f;

	for (f = m.flows; f; f = f->next)
		if (f->kept && invspi_key_equal(&f->is.key, key))
			return f;
	return NULL;
}

static void same_flow(const struct invspi_flow *expected, const struct invspi_flow *actual)
{
	int i;

	must(!memcmp(&expected->key, &actual->key, sizeof(actual->key)));
	for (i = 0; i < INVSPI_REASONS; i++)
		must_equal(expected->drops[i], actual->drops[i]);
	must_equal(expected->bytes, actual->bytes);
	must_equal(expected->first, actual->first);
	must_equal(expected->last, actual->last);
	must_equal(expected->seq, actual->seq);
	must_equal(expected->mark, actual->mark);
	must_equal(expected->ifindex, actual->ifindex);
	must_equal(expected->dport, actual->dport);
}

/* The whole table is as the model says, and the sum is right. */
static void check(void)
{
	struct invspi_flow flows[MODEL_FLOWS], one;
	struct invspi_totals t;
	struct model_flow *f;
	u64 kept = 0;
	int i, j, n;

	n = flows_dump(&m.tb, flows, MODEL_FLOWS);
	must(n >= 0);
	for (f = m.flows; f; f = f->next)
		kept += f->kept;
	must_equal(kept, n);
	for (i = 0; i < n; i++) {
		for (j = 0; j < i; j++)
			must(!invspi_key_equal(&flows[i].key, &flows[j].key));
		f = find(&flows[i].key);
		must(f);
		same_flow(&f->is, &flows[i]);
		must(invspi_table_find(&m.tb, &f->is.key, &one));
		same_flow(&f->is, &one);
	}

	invspi_table_totals(&m.tb, &t);
	for (i = 0; i < INVSPI_REASONS; i++)
		for (j = 0; j < 2; j++)
			must_equal(m.sum.packets[i][j], t.packets[i][j]);
	must_equal(kept, t.flows);
	must_equal(m.sum.evicted_flows, t.evicted_flows);
	must_equal(m.sum.evicted_packets, t.evicted_packets);
	must_equal(m.sum.deleted_packets, t.deleted_packets);
	must_equal(m.sum.untracked_packets, t.untracked_packets);
	must_equal(m.sum.log_suppressed, t.log_suppressed);
	must_equal(flows_sum(&m.tb).total, flows_sum(&m.tb).accounted);
}

static u32 raise(struct model_flow *f, u8 event)
{
	if (!flows_listening)
		return 0;
	f->is.key.flags |= event;
	return INVSPI_TODO_EVENT;
}

static bool take_token(void)
{
	u64 full = (u64)m.cfg.log_rate * HZ;

	m.tokens += (shim_time() - m.tokens_at) * m.cfg.log_rate;
	m.tokens_at = shim_time();
	if (m.tokens > full)
		m.tokens = full;
	if (m.tokens < HZ)
		return false;
	m.tokens -= HZ;
	return true;
}

/* What the log makes of a packet that @f has counted, or that has no flow. */
static u32 log_packet(struct model_flow *f, struct invspi_pkt *pkt)
{
	u64 drops;

	if (!m.cfg.log_interval_ms || pkt->reason != INVSPI_NO_STATE)
		return 0;
	if (!f ||
	    (f->is.key.flags & INVSPI_FLOW_LOGGED &&
	     (u32)shim_time() - f->log_last < msecs_to_jiffies(m.cfg.log_interval_ms)) ||
	    !take_token()) {
		m.sum.log_suppressed++;
		return 0;
	}
	drops = f->is.drops[INVSPI_NO_STATE];
	must_equal((u32)(drops - f->log_seen - 1), pkt->suppressed);
	f->log_seen = drops;
	f->log_last = shim_time();
	f->is.key.flags |= INVSPI_FLOW_LOGGED;
	return INVSPI_TODO_LOG;
}

static void add(struct model_flow *f, const struct invspi_pkt *pkt)
{
	f->is.drops[pkt->reason]++;
	f->is.bytes += pkt->bytes;
	f->is.last = shim_time();
	f->is.seq = pkt->seq;
	f->is.mark = pkt->mark;
	f->is.ifindex = pkt->ifindex;
	f->is.dport = pkt->dport;
}

/* A packet of a flow that there is */
static u32 progress(struct model_flow *f)
{
	u8 *flags = &f->is.key.flags;

	*flags |= INVSPI_FLOW_MANY;
	if (*flags & INVSPI_FLOW_CEASED)
		*flags &= ~(INVSPI_FLOW_CEASED | INVSPI_FLOW_EV_CEASED);
	else if (*flags & INVSPI_FLOW_DESYNC || flows_packets(&f->is) < m.cfg.desync_packets ||
		 f->is.last - f->is.first < msecs_to_jiffies(m.cfg.desync_ms))
		return 0;
	*flags |= INVSPI_FLOW_DESYNC;
	return INVSPI_TODO_AGE | raise(f, INVSPI_FLOW_EV_DESYNC);
}

static bool is_once(const struct model_flow *f)
{
	return !(f->is.key.flags & INVSPI_FLOW_MANY);
}

static bool pauses(const struct model_flow *f)
{
	return shim_time() - f->is.last > INVSPI_PAUSE;
}

/* What the model knows of a set */
struct view {
	unsigned int flows;
	bool once; /* one with a single packet at least */
	u64 oldest; /* of these, else of all */
	u64 youngest; /* when the last of those that pause began; 0: none may go */
};

static struct view look(u32 set)
{
	struct view v = { .oldest = ~0ULL };
	unsigned int younger = 0;
	struct model_flow *f;

	for (f = m.flows; f; f = f->next) {
		if (!f->kept || f->set != set)
			continue;
		v.flows++;
		v.once |= is_once(f);
	}
	for (f = m.flows; f; f = f->next) {
		if (!f->kept || f->set != set)
			continue;
		if (is_once(f) >= v.once && f->is.last < v.oldest)
			v.oldest = f->is.last;
		if (pauses(f) && f->is.first > v.youngest)
			v.youngest = f->is.first;
	}
	for (f = m.flows; f; f = f->next)
		younger += f->kept && f->set == set && f->is.first > v.youngest;
	if (younger >= INVSPI_SET_FLOWS / 2)
		v.youngest = 0; /* it is of the older half */
	return v;
}

/* Who had to go from a full set: the one that the table has no more */
static void evict(u32 set, const struct view *v)
{
	struct model_flow *f, *victim = NULL;
	struct invspi_flow flow;

	for (f = m.flows; f; f = f->next) {
		if (!f->kept || f->set != set || invspi_table_find(&m.tb, &f->is.key, &flow))
			continue;
		must(!victim);
		victim = f;
	}
	must(victim);
	must(is_once(victim) == v->once);
	if (v->once || shim_time() - v->oldest >= idle()) {
		must_equal(v->oldest, victim->is.last);
	} else {
		must((u32)(shim_time() - m.admitted[set]) >= HZ);
		must(pauses(victim));
		must_equal(v->youngest, victim->is.first);
	}
	victim->kept = false;
	m.sum.evicted_flows++;
	m.sum.evicted_packets += flows_packets(&victim->is);
}

static u32 insert(struct invspi_pkt *pkt, u32 set)
{
	struct model_flow *f = calloc(1, sizeof(*f));
	u32 todo;

	must(f);
	f->next = m.flows;
	m.flows = f;
	f->is.key = pkt->key;
	f->is.first = shim_time();
	f->set = set;
	f->kept = true;
	add(f, pkt);
	m.admitted[set] = shim_time();
	todo = raise(f, INVSPI_FLOW_EV_NEW);
	return todo | log_packet(f, pkt);
}

/* Would the table find memory for a set that it does not have? */
static bool room(unsigned int sets, unsigned int other)
{
	u32 half = m.sets_max / 2 ?: 1;

	if (shim_memory.none || sets + other >= m.sets_max)
		return false;
	return !m.tb.guest || sets < half;
}

static void drop_packet(void)
{
	struct invspi_pkt pkt;
	struct invspi_totals t;
	struct model_flow *f;
	unsigned int sets, other;
	bool made, recent;
	struct view v;
	u32 set, todo, expected = 0;
	u8 a = byte(), b = byte();

	/* few sources and SPIs, so that sets fill up and keys differ in one place */
	pkt = a & 1 ? flows_pkt6(a >> 1 & 3, a >> 3 & 7) : flows_pkt4(a >> 1 & 3, a >> 3 & 7);
	if (a & 0x40)
		pkt.key.kind |= INVSPI_KIND_AH;
	if (a & 0x80) {
		pkt.key.kind |= INVSPI_KIND_UDP;
		pkt.key.sport = b & 3;
		pkt.dport = b & 1;
	}
	pkt.key.addr[3] ^= (u64)(b & 0xf) << 56;
	if (b >= 0xc0)
		pkt.reason = b >> 4 & 3;
	pkt.bytes = a + 1;
	pkt.seq = b;
	pkt.mark = a ^ b;
	pkt.ifindex = a & b;

	f = find(&pkt.key);
	set = flows_set_of(&m.tb, &pkt.key);
	v = look(set);
	recent = (u32)(shim_time() - m.admitted[set]) < HZ;
	sets = flows_sets(&m.tb);
	other = flows_sets(&m.other);
	todo = flows_drop(&m.tb, &pkt);
	made = flows_sets(&m.tb) > sets;
	m.sum.packets[pkt.reason][a & 1]++;

	invspi_table_totals(&m.tb, &t);
	if (f) {
		must(!made);
		add(f, &pkt);
		expected = progress(f);
		expected |= log_packet(f, &pkt);
	} else if (t.untracked_packets == m.sum.untracked_packets) {
		must(!made || room(sets, other));
		if (v.flows == INVSPI_SET_FLOWS)
			evict(set, &v);
		expected = insert(&pkt, set);
	} else {
		m.sum.untracked_packets++;
		log_packet(NULL, &pkt);
		must(!made);
		if (v.flows == INVSPI_SET_FLOWS)
			must(v.once ? recent
				    : shim_time() - v.oldest < idle() && (recent || !v.youngest));
		else
			must(!v.flows && !room(sets, other));
	}
	must_equal(expected, todo);
}

static bool matches(const struct invspi_flow *flow, const void *arg)
{
	const u8 *what = arg;

	return *what >= 0xe0 || (__builtin_bswap32(flow->key.spi) & 7) == (*what & 7);
}

static void delete_some(void)
{
	struct model_flow *f;
	u8 what = byte();
	u64 n = 0;

	for (f = m.flows; f; f = f->next) {
		if (!f->kept || !matches(&f->is, &what))
			continue;
		f->kept = false;
		m.sum.deleted_packets += flows_packets(&f->is);
		n++;
	}
	must_equal(n, invspi_table_delete(&m.tb, matches, &what));
}

static void restart(void)
{
	u32 flows_max = INVSPI_SET_FLOWS << byte() % 5;
	u32 most = m.tb.guest ? m.sets_max / 2 ?: 1 : m.sets_max;
	u32 generation = invspi_table_generation(&m.tb);
	struct model_flow *f;

	must(!invspi_table_restart(&m.tb, flows_max));
	must(invspi_table_generation(&m.tb) != generation);
	must(m.tb.flows_max == flows_max || nsets() == rounddown_pow_of_two(most));
	must(m.tb.flows_max <= flows_max && nsets() <= most);
	for (f = m.flows; f; f = f->next) {
		if (!f->kept)
			continue;
		f->kept = false;
		m.sum.deleted_packets += flows_packets(&f->is);
	}
	must_equal(0, flows_sets(&m.tb));
}

static void configure(void)
{
	static const u32 ms[] = { 0, 4, 100, 1000, 5000, 60000, 86400000 };

	m.cfg.desync_packets = 2 + byte() % 8;
	m.cfg.desync_ms = ms[byte() % ARRAY_SIZE(ms)];
	m.cfg.idle_ms = ms[2 + byte() % (ARRAY_SIZE(ms) - 2)];
	m.cfg.log_interval_ms = ms[byte() % ARRAY_SIZE(ms)];
	invspi_table_configure(&m.tb, &m.cfg, true);
}

static void age(void)
{
	unsigned long left = 0, here;
	struct model_flow *f;
	u32 todo, expected = 0;
	u64 silent;

	for (f = m.flows; f; f = f->next) {
		if (!f->kept || (f->is.key.flags & (INVSPI_FLOW_DESYNC | INVSPI_FLOW_CEASED)) !=
					INVSPI_FLOW_DESYNC)
			continue;
		silent = shim_time() - f->is.last;
		if (silent >= idle()) {
			f->is.key.flags |= INVSPI_FLOW_CEASED;
			expected |= raise(f, INVSPI_FLOW_EV_CEASED);
			continue;
		}
		here = idle() - silent;
		if (!left || here < left)
			left = here;
	}
	must_equal(left, invspi_table_age(&m.tb, &todo));
	must_equal(expected, todo);
}

static void take_events(void)
{
	struct invspi_flow flow;
	struct model_flow *f;
	u32 index = 0;
	u8 event, all;

	while ((event = invspi_table_next_event(&m.tb, &index, &flow))) {
		f = find(&flow.key);
		must(f);
		all = f->is.key.flags & INVSPI_FLOW_EV;
		must_equal(all & -all, event);
		f->is.key.flags &= ~event;
		same_flow(&f->is, &flow);
	}
	for (f = m.flows; f; f = f->next)
		must(!f->kept || !(f->is.key.flags & INVSPI_FLOW_EV));
}

/* Another table takes a set of the memory of all, or gives all back. */
static void other(void)
{
	u8 b = byte();
	struct invspi_pkt pkt = flows_pkt4(b, b);

	if (b < 0x20)
		must(!invspi_table_restart(&m.other, 16 * INVSPI_SET_FLOWS));
	else
		flows_drop(&m.other, &pkt);
	must(flows_sets(&m.tb) + flows_sets(&m.other) <= m.sets_max);
}

static void pass_time(void)
{
	static const u64 steps[] = {
		1, HZ / 4, HZ - 1, HZ, 5 * HZ, 60 * HZ, 1ULL << 31, 1ULL << 32
	};

	shim_set_time(shim_time() + steps[byte() % ARRAY_SIZE(steps)]);
}

static void begin(void)
{
	u8 b = byte();

	memset(&m.tb, 0, sizeof(m.tb));
	memset(&m.other, 0, sizeof(m.other));
	memset(&m.sum, 0, sizeof(m.sum));
	shim_srand(byte());
	/* as a machine that has just been started: the low half runs over in 5 minutes */
	shim_set_time((1ULL << 32) - 300 * HZ);
	flows_listening = b & 1;
	m.sets_max = 1 + (b >> 1 & 15);
	m.cfg = flows_defaults;
	m.cfg.flows_max = INVSPI_SET_FLOWS << (b >> 5 & 3);
	m.cfg.log_rate = 1 + byte() % 10;
	m.tokens = (u64)m.cfg.log_rate * HZ;
	m.tokens_at = shim_time();
	must(!invspi_table_module_init(m.sets_max * INVSPI_SET_FLOWS));
	must(!invspi_table_init(&m.tb, &m.cfg, b >> 7, true));
	must(!invspi_table_init(&m.other, &m.cfg, false, false));
}

static void finish(void)
{
	struct model_flow *f;

	invspi_table_exit(&m.tb);
	invspi_table_exit(&m.other);
	invspi_table_module_exit();
	must_equal(0, shim_memory.pieces);
	while ((f = m.flows)) {
		m.flows = f->next;
		free(f);
	}
}

void model_run(const uint8_t *data, size_t size)
{
	u8 op;

	m.data = data;
	m.end = data + size;
	begin();
	while (m.data < m.end) {
		op = byte();
		shim_cpu = op >> 6;
		switch (op & 0x3f) {
		case 0:
			delete_some();
			break;
		case 1:
			restart();
			break;
		case 2:
			configure();
			break;
		case 3:
		case 4:
			age();
			break;
		case 5:
		case 6:
			take_events();
			break;
		case 7:
			flows_listening = !flows_listening;
			break;
		case 8:
			shim_memory.none = !shim_memory.none;
			break;
		case 9:
		case 10:
			other();
			break;
		case 11 ... 20:
			pass_time();
			break;
		default:
			drop_packet();
		}
		check();
	}
	shim_memory.none = false;
	shim_cpu = 0;
	finish();
}
