/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pluto that does nothing but be there, and a whack that is a shell script: it prints
 * what the test has put into files of the run-time directory, and notes what it was
 * asked. recovery/matrix_pairs.sh does it with the real ones.
 *
 *	states, status, command   what whack prints
 *	exit-*                    its exit status
 *	hang-*                    it says that, and does not end
 *	calls                     its arguments, a line each
 */
#ifndef SELFTESTS_UNIT_FAKE_PLUTO_H
#define SELFTESTS_UNIT_FAKE_PLUTO_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "ike.h"
#include "ktap.h"

static char base[32];
static char rundir[64], program[64];
static pid_t pluto;
static uv_loop_t loop;

static const char script[] =
	"#!/bin/sh\n"
	"dir=$2; shift 2\n"
	"echo \"$*\" >>$dir/calls\n"
	"case \"$*\" in\n"
	"*--showstates) n=states ;;\n"
	"--status) n=status ;;\n"
	"*) n=command ;;\n"
	"esac\n"
	"cat $dir/$n 2>/dev/null\n"
	"if [ -e $dir/hang-$n ]; then sleep 60 & echo $! >$dir/hangs; wait; fi\n"
	"[ ! -e $dir/exit-$n ] || exit $(cat $dir/exit-$n)\n"
	"exit 0\n";

static void put_file(const char *name, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void put_file(const char *name, const char *format, ...)
{
	char path[128], new[140];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", rundir, name);
	snprintf(new, sizeof(new), "%s.new", path);
	f = fopen(new, "w");
	if (!f)
		abort();
	va_start(ap, format);
	vfprintf(f, format, ap);
	va_end(ap);
	fclose(f);
	rename(new, path);
}

static void drop_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", rundir, name);
	unlink(path);
}

/* Whether whack was called so since the last drop_file("calls"). */
static bool was_called(const char *args)
{
	char path[128], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/calls", rundir);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found |= !strcmp(line, args);
	}
	if (f)
		fclose(f);
	return found;
}

static void process_named(const char *name)
{
	pluto = fork();
	if (pluto)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name);
	for (;;)
		pause();
}

static void pluto_begin(void)
{
	process_named("pluto");
	mkdir(rundir, 0700);
	/* It has its name before anybody looks. */
	usleep(20000);
	put_file("pluto.ctl", "%s", "");
	put_file("pluto.pid", "%d\n", (int)pluto);
}

static void pluto_end(void)
{
	kill(pluto, SIGKILL);
	waitpid(pluto, NULL, 0);
}

static void make_program(void)
{
	FILE *f = fopen(program, "w");

	if (!f)
		abort();
	fputs(script, f);
	fclose(f);
	chmod(program, 0700);
}

static inline void remove_program(void)
{
	unlink(program);
}

static void fake_pluto_init(void)
{
	snprintf(base, sizeof(base), "/tmp/invspi-pluto.XXXXXX");
	if (!mkdtemp(base))
		abort();
	snprintf(rundir, sizeof(rundir), "%s/pluto", base);
	snprintf(program, sizeof(program), "%s/whack", base);
	make_program();
	uv_loop_init(&loop);
}

static void remove_all(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		abort();
}

/* ---- what whack prints ---- */

#define STATES_BEGIN(total)                                                             \
	"State Information: DDoS cookies not required, Accepting new IKE connections\n" \
	"IKE SAs: total(1), half-open(0), open(0), authenticated(1), anonymous(0)\n"    \
	"IPsec SAs: total(" #total "), authenticated(" #total "), anonymous(0)\n\040\n"

#define IKE(n, conn) \
	"#" #n ": \"" conn "\":500 ESTABLISHED_IKE_SA (established IKE SA); newest; idle;\n"

#define CHILD_IS(n, conn, ike, in, newest)                                                    \
	"#" #n ": \"" conn "\":500 ESTABLISHED_CHILD_SA (established Child SA);" newest       \
	" IKE SA #" #ike "; idle;\n"                                                          \
	"#" #n ": \"" conn "\" esp.c" #in "@192.0.2.2 esp." #in "@192.0.2.1 tun.0@192.0.2.2 " \
	"tun.0@192.0.2.1 Traffic: ESPin=0B ESPout=0B ESPmax=2^63B\040\n"
#define CHILD(n, conn, ike, in) CHILD_IS(n, conn, ike, in, " newest; eroute owner;")
#define OLD(n, conn, ike, in) CHILD_IS(n, conn, ike, in, "")

#define CONN(name, net, remote)                                                               \
	"\"" name "\": 10." net ".0.0/16===192.0.2.1[@a]..." remote "[@b]===10.2.0.0/16; x\n" \
	"\"" name                                                                             \
	"\":   our auth:secret, their auth:secret, our autheap:none, their autheap:none;\n"   \
	"\"" name "\":   policy: IKEv2+PSK+ENCRYPT+TUNNEL;\n"                                 \
	"\"" name "\":   our idtype: ID_FQDN; our id=@a; their idtype: ID_FQDN; their id=@b\n"
#define STATUS(version, conns)                                           \
	"pluto_version=" version ", pluto_vendorid=OE-Libreswan\n" conns \
	"Total IPsec connections: loaded 1, active 0\n"

/* ---- what the backend tells ---- */

static struct {
	struct ike *ike;
	enum daemon_state state;
	char why[400];
	unsigned int states, ups, rekeys, downs, ike_ups, ike_downs, logs, lists, dones;
	char up[64], rekey[64], down[64], log[2200];
	int list_err, done_err;
	char errmsg[200];
	struct ike_listing *l;
	struct ike_kernel kernel;
	bool free_at_state, free_at_list, free_at_down, free_at_done;
} told;

static void free_ike(void)
{
	struct ike *ike = told.ike;

	told.ike = NULL;
	ike_free(ike);
}

static void on_state(void *arg, enum daemon_state state, const char *why)
{
	(void)arg;
	told.states++;
	told.state = state;
	snprintf(told.why, sizeof(told.why), "%s", why);
	if (told.free_at_state)
		free_ike();
}

static void on_child_up(void *arg, const char *conn, const char *child)
{
	(void)arg;
	told.ups++;
	snprintf(told.up, sizeof(told.up), "%s/%s", conn, child);
}

static void on_child_down(void *arg, const char *conn, const char *child, uint32_t spi_in,
			  uint8_t proto, enum sa_end end)
{
	(void)arg;
	told.downs++;
	snprintf(told.down, sizeof(told.down), "%s/%s %x %d %s", conn, child, spi_in, proto,
		 end == END_UNSEEN	    ? "unseen"
		 : end == END_DELETED_LOCAL ? "deleted"
		 : end == END_GAVE_UP	    ? "gave up"
		 : end == END_OPERATOR	    ? "operator"
					    : "?");
	if (told.free_at_down)
		free_ike();
}

static void on_child_rekey(void *arg, const char *conn, const char *child, uint32_t old,
			   uint32_t new, uint8_t proto)
{
	(void)arg;
	told.rekeys++;
	snprintf(told.rekey, sizeof(told.rekey), "%s/%s %x %x %d", conn, child, old, new, proto);
}

static void on_ike_updown(void *arg, const char *conn, const char *remote_id, uint32_t ike_id,
			  bool up)
{
	(void)arg, (void)conn, (void)remote_id, (void)ike_id;
	if (up)
		told.ike_ups++;
	else
		told.ike_downs++;
}

static void on_log(void *arg, const char *group, const char *conn, uint32_t ike_id, const char *msg)
{
	(void)arg;
	told.logs++;
	snprintf(told.log, sizeof(told.log), "%s %s %u %s", group, conn ? conn : "-", ike_id, msg);
}

static void on_kernel(void *arg, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		      struct ike_kernel *kernel)
{
	(void)arg, (void)dst, (void)spi, (void)proto;
	*kernel = told.kernel;
}

static const struct ike_events events = {
	.state = on_state,
	.child_up = on_child_up,
	.child_down = on_child_down,
	.child_rekey = on_child_rekey,
	.ike_updown = on_ike_updown,
	.log = on_log,
	.kernel = on_kernel,
};

static void on_list(void *arg, int err, struct ike_listing *l)
{
	(void)arg;
	told.lists++;
	told.list_err = err;
	ike_listing_put(told.l);
	told.l = l ? ike_listing_get(l) : NULL;
	if (told.free_at_list && told.ike)
		free_ike();
}

static void on_done(void *arg, int err, const char *errmsg)
{
	(void)arg;
	told.dones++;
	told.done_err = err;
	snprintf(told.errmsg, sizeof(told.errmsg), "%s", errmsg ? errmsg : "");
	if (told.free_at_done && told.ike)
		free_ike();
}

/* ---- running it ---- */

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Runs the loop until *@what is @until, for 20 s at most: a shell may be slow to start. */
static bool run_until(const unsigned int *what, unsigned int until, int64_t ms)
{
	uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_tick, 0, 10);
	while (*what != until && uv_hrtime() < end)
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	return *what == until;
}

#define PATIENCE_MS 20000

static bool wait_state(enum daemon_state state)
{
	return run_until((const unsigned int *)&told.state, state, PATIENCE_MS);
}

static void run_for(int64_t ms)
{
	unsigned int never = 0;

	run_until(&never, 1, ms);
}

static void begin_as(enum ike_kind kind, const char *vici)
{
	struct ike_options opt = {
		.kind = kind,
		.vici = vici,
		.rundir = rundir,
		.whack = program,
		.settle_ms = 50,
		.timeout_ms = 5000,
		.backoff_min_ms = 20,
		.backoff_max_ms = 100,
	};

	memset(&told, 0, sizeof(told));
	told.ike = ike_new(&loop, &opt, &events, NULL);
	if (!told.ike)
		abort();
}

/* A pluto with these connections that has settled. */
static void begin(const char *status)
{
	pluto_begin();
	put_file("status", "%s", status);
	put_file("states", "%s", STATES_BEGIN(0));
	begin_as(IKE_LIBRESWAN, NULL);
	if (!wait_state(DAEMON_READY))
		ktap_ok(false, "the backend never got ready: %s", told.why);
	drop_file("calls");
}

static void end(void)
{
	ike_listing_put(told.l);
	told.l = NULL;
	if (told.ike)
		free_ike();
	uv_run(&loop, UV_RUN_DEFAULT);
	pluto_end();
	remove_all(rundir);
}

static const struct ike_listing *list(void)
{
	unsigned int n = told.lists;

	ike_list(told.ike, NULL, false, on_list, NULL);
	ktap_int("the callback does not come from inside the call", n, told.lists);
	run_until(&told.lists, n + 1, PATIENCE_MS);
	return told.l;
}

static bool wait_done(unsigned int n)
{
	return run_until(&told.dones, n, PATIENCE_MS);
}

#define TWO_CONNS STATUS("5.2", CONN("net", "1", "192.0.2.2") CONN("net2", "11", "192.0.2.2"))
#define TWO_CHILDREN STATES_BEGIN(2) IKE(1, "net") CHILD(2, "net", 1, b1) CHILD(3, "net2", 1, b2) ""

static void look(const char *states)
{
	put_file("states", "%s", states);
	told.ups = 0;
	told.rekeys = 0;
	told.downs = 0;
	told.ike_ups = 0;
	told.ike_downs = 0;
	list();
}

#endif
