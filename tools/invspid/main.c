// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspid: has the IKE daemon heal what the module sees broken.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "paths.h"
#include "pool.h"
#include "version.h"

static const char usage_text[] =
	"Usage: invspid [OPTION...]\n"
	"\n"
	"Listens to the kernel module xfrm_invspi and has the IKE daemon rekey or\n"
	"initiate what has fallen out of step. See invspid(8).\n"
	"\n"
	"  -c, --config FILE    configuration (default " CONF_DEFAULT ", if it is there)\n"
	"  -n, --dry-run        decide and log, but do nothing\n"
	"  -f, --foreground     stay in the foreground, log to standard error\n"
	"      --check          check configuration and surroundings, then end\n"
	"      --check-config   check the configuration only, then end\n"
	"      --vici PATH      VICI socket of strongSwan\n"
	"      --rundir DIR     run-time directory of libreswan's pluto (default /run/pluto)\n"
	"      --control PATH   control socket, for invspi(8) (default " CONTROL_PATH ")\n"
	"      --state DIR      directory of the history (default " STATE_DIR ")\n"
	"  -v, --verbose        log more\n"
	"  -V, --version\n"
	"  -h, --help\n"
	"\n"
	"Exit status: 0 fine, 1 failed, 2 wrong usage or configuration.\n";

enum { OPT_CHECK = 256, OPT_CHECK_CONFIG, OPT_VICI, OPT_RUNDIR, OPT_CONTROL, OPT_STATE };

struct options {
	const char *conf;
	bool dry_run, foreground, check, check_config;
	char *vici, *rundir, *control, *state;
	int verbose;
};

/* Return: -1 to go on, else the exit status. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' },
					       { "dry-run", no_argument, NULL, 'n' },
					       { "foreground", no_argument, NULL, 'f' },
					       { "check", no_argument, NULL, OPT_CHECK },
					       { "check-config", no_argument, NULL,
						 OPT_CHECK_CONFIG },
					       { "vici", required_argument, NULL, OPT_VICI },
					       { "rundir", required_argument, NULL, OPT_RUNDIR },
					       { "control", required_argument, NULL, OPT_CONTROL },
					       { "state", required_argument, NULL, OPT_STATE },
					       { "verbose", no_argument, NULL, 'v' },
					       { "version", no_argument, NULL, 'V' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "c:nfvVh", longs, NULL)) >= 0) {
		switch (c) {
		case 'c':
			o->conf = optarg;
			break;
		case 'n':
			o->dry_run = true;
			break;
		case 'f':
			o->foreground = true;
			break;
		case 'v':
			o->verbose++;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_CHECK_CONFIG:
			o->check_config = true;
			break;
		case OPT_VICI:
			o->vici = optarg;
			break;
		case OPT_RUNDIR:
			o->rundir = optarg;
			break;
		case OPT_CONTROL:
			o->control = optarg;
			break;
		case OPT_STATE:
			o->state = optarg;
			break;
		case 'V':
			puts("invspid " INVSPI_VERSION);
			return 0;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			fputs("Try: invspid --help\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "invspid: unexpected argument \"%s\"\nTry: invspid --help\n",
			argv[optind]);
		return 2;
	}
	return -1;
}

/* The kernel hands us messages with keys in them: no dumps, no ptrace. */
static void harden(void)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
}

/* Two helpers in one network namespace would do everything twice. */
static int lock_namespace(void)
{
	char path[64];
	struct stat st;
	int fd;

	if (stat("/proc/self/ns/net", &st)) {
		log_err("cannot tell the network namespace: %s", strerror(errno));
		return -1;
	}
	/* Others than root pass through it to the socket, with record_group. */
	if (mkdir(RUN_DIR, 0755) ? errno != EEXIST : chmod(RUN_DIR, 0755)) {
		log_err("cannot make " RUN_DIR ": %s", strerror(errno));
		return -1;
	}
	snprintf(path, sizeof(path), RUN_DIR "/netns-%lu.lock", (unsigned long)st.st_ino);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		log_err("cannot open lock %s: %s", path, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		log_err("another invspid runs in this network namespace (%s)", path);
		close(fd);
		return -1;
	}
	return fd;
}

/* Return: write end that the child reports on, or -1; does not return in the parent. */
static int background(void)
{
	char ready;
	int fds[2], null;
	pid_t pid = -1;

	if (!pipe2(fds, O_CLOEXEC))
		pid = fork();
	if (pid < 0) {
		log_err("cannot go to the background: %s", strerror(errno));
		exit(1);
	}
	if (pid) {
		close(fds[1]);
		exit(read(fds[0], &ready, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	setsid();
	if (chdir("/"))
		log_warn("cannot change to /: %s", strerror(errno));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	return fds[1];
}

/* The parent has seen our errors on stderr; from here on nobody reads it. */
static void detach(int ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDERR_FILENO);
	if (write(ready_fd, "", 1) != 1)
		log_warn("the starting process is gone");
	close(ready_fd);
}

static struct conf *load_conf(const char *path)
{
	struct conf *conf;
	char *err = NULL;

	conf = conf_load(path, &err);
	if (!conf)
		fprintf(stderr, "invspid: %s\n", err ? err : "out of memory");
	free(err);
	return conf;
}

/* Return: exit status. */
static int run(struct invspid *d, const struct options *o)
{
	int ret, lock, ready = -1;

	lock = lock_namespace();
	if (lock < 0)
		return 1;
	if (!o->foreground)
		ready = background();
	d->loop = uv_default_loop();
	log_notice("invspid " INVSPI_VERSION " begins, mode %s%s", mode_name(d->conf->mode),
		   d->dry_run ? ", dry run" : "");
	ret = invspid_open(d);
	if (!ret && ready >= 0)
		detach(ready);
	if (!ret)
		ret = invspid_run(d);
	invspid_close(d);
	close(lock);
	return ret ? 1 : 0;
}

/* The configuration could be read. Return: exit status. */
static int act(struct invspid *d, const struct options *o)
{
	if (o->check_config) {
		printf("%s: fine\n", d->conf_path ? d->conf_path : "no file, only defaults");
		return 0;
	}
	d->version = INVSPI_VERSION;
	d->vici = o->vici;
	d->rundir = o->rundir;
	d->control_path = o->control;
	d->state_dir = o->state;
	d->dry_run = o->dry_run;
	log_open("invspid", o->foreground || o->check);
	log_level(o->verbose ? LOG_DEBUG : d->conf->log_level);
	if (!o->check)
		return run(d, o);
	d->loop = uv_default_loop();
	return invspid_check(d);
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct invspid *d;
	int ret;

	ret = parse_options(argc, argv, &o);
	if (ret >= 0)
		return ret;
	harden();
	memory_begin();
	d = calloc(1, sizeof(*d));
	if (!d)
		return 1;
	d->conf_given = o.conf;
	d->conf_path = conf_file(o.conf);
	d->conf = load_conf(d->conf_path);
	ret = d->conf ? act(d, &o) : 2;
	conf_free(d->conf);
	free(d);
	return ret;
}
