// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends the netlink family what the contract allows, the same with something wrong,
 * and nonsense, from several processes at once, half of which are nobody in user and
 * network namespaces of their own. All of it follows from the seed, but for how the
 * processes' messages fall between each other.
 *
 * Every answer is held against the contract: a request as it should be is taken, an
 * error is one of those that are documented, a reply has what the contract says, and
 * at the end of it all every packet is in just one of the sums.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../net/args.h"
#include "nl_sock.h"
#include "nl_table.h"
#include "own_ns.h"
#include "random.h"
#include "sums.h"

#define WORKERS_MAX 32
#define SOCKETS 4
#define BATCH 12 /* messages at most in one datagram */
#define DATAGRAM 8192
#define ROUNDS_BETWEEN_SUMS 400

enum kind { VALID, BENT, DAMAGED, NONSENSE, KINDS };

static const char *const kind_names[KINDS] = { "valid", "with a wrong attribute", "damaged",
					       "nonsense" };

struct options {
	unsigned long count; /* messages of all workers */
	unsigned int workers;
	uint64_t seed;
	const char *table;
};

/* What the processes tell the first one */
struct shared {
	unsigned long sent[KINDS], refused, accepted, replies, dumps, packets, overruns, looks;
};

/* A request on its way: what may come back */
struct sent {
	enum kind kind;
	const struct op_spec *op;
};

struct worker {
	const struct options *o;
	struct nl_table table;
	struct shared *shared;
	struct rnd r;
	unsigned int number;
	bool guest; /* in namespaces of its own */
	int fd[SOCKETS];
	uint16_t family;
	uint32_t group;
	uint32_t seq; /* of the datagram's first message */
	struct sent sent[BATCH];
	uint8_t out[DATAGRAM];
	size_t out_len;
	unsigned int out_n;
	struct sums *sums;
	unsigned int failures;
};

static const char usage[] =
	"Usage: fuzz_nl [OPTION...] TABLE\n"
	"\n"
	"Sends valid, wrong and random messages to the netlink family in TABLE, which\n"
	"table.py prints.\n"
	"\n"
	"  -n, --count N    messages (default 1000000)\n"
	"  -w, --workers N  processes, at least 2 (default: as many as processors)\n"
	"  -S, --seed N     other messages (default 1)\n"
	"  -h, --help       this text\n"
	"\n"
	"Exit status: 0 all answers were right, 1 not, 2 wrong usage.\n";

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = { { "count", 1, NULL, 'n' },
					       { "workers", 1, NULL, 'w' },
					       { "seed", 1, NULL, 'S' },
					       { "help", 0, NULL, 'h' },
					       {} };
	int c;

	while ((c = getopt_long(argc, argv, "n:w:S:h", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->count = number("--count", optarg, 1, 1000000000);
			break;
		case 'w':
			o->workers = number("--workers", optarg, 2, WORKERS_MAX);
			break;
		case 'S':
			o->seed = number("--seed", optarg, 0, UINT64_MAX);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc - optind != 1)
		die_usage("needs the table");
	o->table = argv[optind];
}

/* --- messages */

static void put_number(const struct attr_spec *a, uint8_t *p, uint64_t v)
{
	for (unsigned int i = 0; i < a->size; i++)
		p[a->big ? a->size - 1 - i : i] = v >> (8 * i);
}

/*
 * A value that the contract allows; addresses and SPIs from the few that own_packets()
 * uses, so that many a request is for a flow that is there
 */
static void right_value(struct rnd *r, const struct attr_spec *a, uint8_t *p)
{
	static const uint32_t encaps[] = { 0, 2, 7 };
	uint32_t span = a->max - a->min;

	if (!strncmp(a->name, "src", 3) && a->size >= 4)
		own_address(r, p, a->size);
	else if (!strncmp(a->name, "dst", 3) && a->size >= 4)
		own_address(r, p, a->size);
	else if (!strcmp(a->name, "spi"))
		put_number(a, p, own_spi(r));
	else if (!strcmp(a->name, "encap-type"))
		put_number(a, p, encaps[rnd_below(r, 3)]);
	else if (!strcmp(a->name, "flows-max"))
		put_number(a, p, 16 << rnd_below(r, 12));
	else if (rnd_one_in(r, 3))
		put_number(a, p, rnd_one_in(r, 2) ? a->min : a->max);
	else
		put_number(a, p,
			   a->min + (span == UINT32_MAX ? rnd_next(r) : rnd_below(r, span + 1)));
}

static uint8_t *put_attr(uint8_t *p, unsigned int type, const uint8_t *value, size_t n)
{
	struct nlattr *a = (struct nlattr *)p;

	a->nla_len = NLA_HDRLEN + n;
	a->nla_type = type;
	memset(p + NLA_HDRLEN, 0, NLA_ALIGN(n));
	memcpy(p + NLA_HDRLEN, value, n);
	return p + NLA_HDRLEN + NLA_ALIGN(n);
}

/* Does this attribute make sense beside those that are there already? */
static bool fits(const struct op_spec *op, const struct nl_table *t, uint32_t have,
		 unsigned int number)
{
	const char *name = t->sets[op->set][number].name;
	bool v6 = false, v4 = false;

	for (unsigned int i = 0; i < ATTRS_MAX; i++) {
		if (!(have & 1u << i))
			continue;
		v4 |= !!strchr(t->sets[op->set][i].name, '4');
		v6 |= !!strchr(t->sets[op->set][i].name, '6');
	}
	/* prefix lengths and encapsulation depend on others: left to the bent ones */
	if (strstr(name, "prefixlen") || strstr(name, "encap"))
		return false;
	return !(strchr(name, '4') && v6) && !(strchr(name, '6') && v4);
}

/* A key needs its addresses and the SPI. */
static bool needed(const struct op_spec *op, const char *name, bool v6)
{
	if (strcmp(op->name, "flow-get") || op->dump)
		return false;
	return !strcmp(name, "spi") || !strcmp(name, v6 ? "src6" : "src4") ||
	       !strcmp(name, v6 ? "dst6" : "dst4");
}

static uint8_t *put_right(struct worker *w, const struct op_spec *op, uint8_t *p)
{
	bool v6 = rnd_one_in(&w->r, 2), few = rnd_one_in(&w->r, 4);
	uint8_t value[16];
	uint32_t have = 0;

	for (unsigned int i = 0; i < op->n; i++) {
		const struct attr_spec *a = &w->table.sets[op->set][op->attrs[i]];
		bool must = needed(op, a->name, v6);

		if (!must && (few || rnd_one_in(&w->r, 2)))
			continue;
		/* the other family's addresses would contradict the key */
		if (!must && needed(op, "spi", v6) && strpbrk(a->name, "46"))
			continue;
		if (!fits(op, &w->table, have, op->attrs[i]))
			continue;
		right_value(&w->r, a, value);
		p = put_attr(p, op->attrs[i], value, a->size);
		have |= 1u << op->attrs[i];
	}
	return p;
}

/* Attributes of any number, size and order, most of them nearly right */
static uint8_t *put_bent(struct worker *w, const struct op_spec *op, uint8_t *p)
{
	struct rnd *r = &w->r;
	uint8_t value[256];

	for (unsigned int n = rnd_below(r, 8); n; n--) {
		unsigned int number = op->n && !rnd_one_in(r, 4) ? op->attrs[rnd_below(r, op->n)]
								 : rnd_below(r, ATTRS_MAX);
		const struct attr_spec *a = &w->table.sets[op->set][number];
		size_t size = a->size;

		rnd_fill(r, value, sizeof(value));
		if (size && rnd_one_in(r, 2))
			right_value(r, a, value);
		else if (size && size <= 4)
			put_number(a, value, rnd_edge(r));
		if (rnd_one_in(r, 6))
			size = rnd_below(r, 40);
		if (rnd_one_in(r, 40))
			size = rnd_below(r, sizeof(value));
		if (rnd_one_in(r, 12))
			number |= rnd_one_in(r, 2) ? NLA_F_NESTED : NLA_F_NET_BYTEORDER;
		if (rnd_one_in(r, 20))
			number = rnd_next(r) & 0xffff;
		p = put_attr(p, number, value, size);
	}
	return p;
}

/* What restarts the table costs a grace period each; most of the time is for the rest. */
static const struct op_spec *choose_op(struct worker *w)
{
	const struct op_spec *op;

	do {
		op = &w->table.ops[rnd_below(&w->r, w->table.n_ops)];
	} while ((!strcmp(op->name, "flow-del") || !strcmp(op->name, "config-set")) &&
		 !rnd_one_in(&w->r, 8));
	return op;
}

static void put_message(struct worker *w)
{
	static const uint8_t shares[16] = { VALID, VALID,   VALID,   VALID,   VALID, VALID,
					    BENT,  BENT,    BENT,    BENT,    BENT,  BENT,
					    BENT,  DAMAGED, DAMAGED, NONSENSE };
	struct sent *sent = &w->sent[w->out_n];
	uint8_t *start = w->out + w->out_len, *p = start + NLMSG_HDRLEN + GENL_HDRLEN;
	struct nlmsghdr *h = (struct nlmsghdr *)start;
	struct genlmsghdr *g = (struct genlmsghdr *)(start + NLMSG_HDRLEN);
	struct rnd *r = &w->r;

	sent->kind = shares[rnd_below(r, 16)];
	do
		sent->op = choose_op(w);
	while (sent->kind == VALID && sent->op->event);
	memset(start, 0, NLMSG_HDRLEN + GENL_HDRLEN);
	h->nlmsg_type = w->family;
	h->nlmsg_flags = NLM_F_REQUEST | (sent->op->dump ? NLM_F_DUMP : 0);
	h->nlmsg_seq = w->seq + w->out_n;
	g->cmd = sent->op->cmd;
	g->version = 1;
	if (!sent->op->dump && (sent->kind == VALID || rnd_one_in(r, 2)))
		h->nlmsg_flags |= NLM_F_ACK;
	if (sent->kind == NONSENSE) {
		size_t n = rnd_below(r, 200);

		rnd_fill(r, p, n);
		p += n;
		if (rnd_one_in(r, 4))
			rnd_fill(r, g, sizeof(*g));
		h->nlmsg_flags = rnd_next(r);
	} else {
		p = (sent->kind == BENT ? put_bent : put_right)(w, sent->op, p);
	}
	h->nlmsg_len = p - start;
	if (sent->kind == DAMAGED)
		rnd_damage(r, start + NLMSG_HDRLEN, h->nlmsg_len - NLMSG_HDRLEN);
	/* where the next one begins is then the kernel's guess */
	if (sent->kind == DAMAGED && rnd_one_in(r, 50))
		h->nlmsg_len = rnd_one_in(r, 2) ? rnd_below(r, 64) : rnd_edge(r);
	w->out_len = NLMSG_ALIGN(p - w->out);
	w->out_n++;
	__atomic_add_fetch(&w->shared->sent[sent->kind], 1, __ATOMIC_RELAXED);
}

/* --- answers */

static void failed(struct worker *w, const char *what, const struct sent *sent, int error)
{
	printf("# FAILED: worker %u, seed %llu: %s: a message %s%s%s: %s\n", w->number,
	       (unsigned long long)w->o->seed, what, kind_names[sent->kind], sent->op ? ", " : "",
	       sent->op ? sent->op->name : "", strerror(error));
	w->failures++;
}

/* Errors that a request as it should be may meet */
static bool may_fail(const struct worker *w, const struct sent *sent, int error)
{
	switch (error) {
	case 0:
		return true;
	case ENOENT: /* no such flow */
		return !strncmp(sent->op->name, "flow", 4);
	case EBUSY: /* a dump is under way on that socket */
	case ENOBUFS: /* ... or so much is unread there that netlink_dump() finds no room */
		return sent->op->dump;
	case EPERM: /* flows-max cannot be raised */
		return w->guest && !strcmp(sent->op->name, "config-set");
	default:
		return false;
	}
}

static void judge_error(struct worker *w, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = (const struct nlmsgerr *)((const uint8_t *)h + NLMSG_HDRLEN);
	struct sent unknown = { NONSENSE, NULL }, *sent = &unknown;

	if (h->nlmsg_len < NLMSG_HDRLEN + sizeof(e->error))
		return;
	if (h->nlmsg_seq - w->seq < w->out_n)
		sent = &w->sent[h->nlmsg_seq - w->seq];
	__atomic_add_fetch(e->error ? &w->shared->refused : &w->shared->accepted, 1,
			   __ATOMIC_RELAXED);
	switch (-e->error) {
	case 0:
	case EINVAL:
	case ERANGE:
	case ENOENT:
	case EOPNOTSUPP:
	case EBUSY:
	case EPERM:
		break;
	case ENOBUFS:
		/* nonsense may ask for a dump with its flags */
		if (sent->kind == NONSENSE || may_fail(w, sent, ENOBUFS))
			break;
		/* fallthrough */
	default:
		failed(w, "an error that is not documented", sent, -e->error);
	}
	if (sent->kind == VALID && !may_fail(w, sent, -e->error))
		failed(w, "refused", sent, -e->error);
}

static void judge(struct worker *w, const uint8_t *p, size_t n)
{
	while (n >= NLMSG_HDRLEN) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)p;
		size_t len = NLMSG_ALIGN(h->nlmsg_len);

		if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > n) {
			printf("# FAILED: an answer of %u bytes in %zu\n", h->nlmsg_len, n);
			w->failures++;
			return;
		}
		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
			judge_error(w, h);
		} else if (h->nlmsg_type == w->family) {
			w->failures += !nl_table_reply(&w->table, p + NLMSG_HDRLEN,
						       h->nlmsg_len - NLMSG_HDRLEN);
			__atomic_add_fetch(&w->shared->replies, 1, __ATOMIC_RELAXED);
		}
		len = len < n ? len : n;
		p += len;
		n -= len;
	}
}

/* All that has come so far; a dump goes on with every read. */
static void receive(struct worker *w, int fd)
{
	static uint8_t in[1 << 16];
	ssize_t n;

	for (;;) {
		n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
		if (n >= 0)
			judge(w, in, n);
		else if (errno == ENOBUFS)
			__atomic_add_fetch(&w->shared->overruns, 1, __ATOMIC_RELAXED);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			err(1, "recv");
	}
}

static int open_nl(struct worker *w)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), one = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&nl, sizeof(nl)))
		err(1, "netlink socket");
	if (rnd_one_in(&w->r, 2))
		setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	if (rnd_one_in(&w->r, 2))
		setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (rnd_one_in(&w->r, 2))
		setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	if (rnd_one_in(&w->r, 3))
		setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &w->group, sizeof(w->group));
	return fd;
}

/* --- a worker */

static void one_round(struct worker *w)
{
	unsigned int n = 1 + rnd_below(&w->r, BATCH), i = rnd_below(&w->r, SOCKETS);

	w->out_len = 0;
	w->out_n = 0;
	for (; n; n--)
		put_message(w);
	if (send(w->fd[i], w->out, w->out_len, MSG_DONTWAIT) < 0 && errno != ENOBUFS &&
	    errno != EAGAIN)
		err(1, "send");
	/* a dump that nobody reads to its end */
	if (rnd_one_in(&w->r, 20)) {
		close(w->fd[i]);
		w->fd[i] = open_nl(w);
	} else if (!rnd_one_in(&w->r, 8)) {
		receive(w, w->fd[i]);
	}
	w->seq += BATCH;
}

static void work(struct worker *w, unsigned long rounds)
{
	struct invspi_err e;
	struct nl_sock *s;

	if (w->guest) {
		own_user_ns();
		own_net_ns();
	}
	if (nl_sock_open(&s, &e) || nl_sock_resolve(s, NULL, &e))
		errx(1, "%s", e.text);
	w->family = s->family;
	w->group = s->group;
	nl_sock_close(s);
	w->sums = sums_open();
	for (unsigned int i = 0; i < SOCKETS; i++)
		w->fd[i] = open_nl(w);
	for (unsigned long i = 1; i <= rounds && w->failures < 20; i++) {
		if (rnd_one_in(&w->r, 4))
			__atomic_add_fetch(&w->shared->packets, own_packets(&w->r, 15),
					   __ATOMIC_RELAXED);
		one_round(w);
		/* of its own namespace a worker knows when it is at rest */
		if (w->guest && i % ROUNDS_BETWEEN_SUMS == 0) {
			w->failures += !sums_right(w->sums);
			w->shared->looks++;
		}
	}
	if (w->guest)
		w->failures += !sums_right(w->sums);
}

static void report(const struct options *o, const struct shared *s)
{
	unsigned long n = 0;

	for (unsigned int i = 0; i < KINDS; i++) {
		printf("# %lu messages %s\n", s->sent[i], kind_names[i]);
		n += s->sent[i];
	}
	printf("# %lu messages from %u processes: %lu accepted, %lu refused, %lu replies,\n"
	       "# %lu overruns, %lu packets, sums looked at %lu times; seed %llu\n",
	       n, o->workers, s->accepted, s->refused, s->replies, s->overruns, s->packets,
	       s->looks, (unsigned long long)o->seed);
}

int main(int argc, char **argv)
{
	struct options o = { .count = 1000000, .workers = 0, .seed = 1 };
	static struct worker w;
	struct sums *sums;
	int status, bad = 0;

	o.workers = sysconf(_SC_NPROCESSORS_ONLN);
	o.workers = o.workers < 2 ? 2 : o.workers > WORKERS_MAX ? WORKERS_MAX : o.workers;
	parse(&o, argc, argv);
	w.o = &o;
	nl_table_read(&w.table, o.table);
	w.shared = mmap(NULL, sizeof(*w.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (w.shared == MAP_FAILED)
		err(1, "mmap");
	sums = sums_open();
	sums_begin(sums);
	fflush(stdout);
	for (w.number = 0; w.number < o.workers; w.number++) {
		w.r = rnd_of(o.seed, w.number);
		w.guest = w.number % 2;
		switch (fork()) {
		case -1:
			err(1, "fork");
			break;
		case 0:
			work(&w, o.count * 2 / (BATCH + 1) / o.workers + 1);
			fflush(stdout);
			_exit(w.failures ? 1 : 0);
		}
	}
	while (wait(&status) > 0)
		bad |= status;
	bad |= !sums_right(sums);
	report(&o, w.shared);
	return bad ? 1 : 0;
}
