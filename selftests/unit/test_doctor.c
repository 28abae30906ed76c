// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi doctor where a virtual machine cannot show it: Secure Boot and signatures, SAs
 * that a network card handles, answers of a strongSwan that are none. What it finds on a
 * real gateway is in ops/doctor.sh.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/xfrm.h>
#include <libmnl/libmnl.h>

#include "ktap.h"
#include "../../tools/invspi/doctor.h"

#define CORPUS "../fuzz/corpus/vici/"

static struct invspi inv;
static struct doctor d;
static char root[64];

/* ---- of main.c ---- */

int usage_error(const struct args *args, const char *format, ...)
{
	(void)args;
	(void)format;
	return EXIT_USAGE;
}

int want_end(struct args *args)
{
	return args->argc ? EXIT_USAGE : EXIT_FINE;
}

/* ---- findings ---- */

static void begin(const char *check)
{
	json_decref(d.findings);
	d.findings = json_array();
	d.check = check;
}

/* "SEVERITY TEXT" of all, a line each. */
static const char *findings(void)
{
	static char text[8192];
	size_t i, len = 0;
	json_t *f;

	text[0] = '\0';
	json_array_foreach(d.findings, i, f)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s\n",
					json_string_value(json_object_get(f, "severity")),
					json_string_value(json_object_get(f, "text")));
	return text;
}

static void test_merge(void)
{
	json_t *f;

	begin("x");
	found(&d, SEVERITY_WARNING, "gw", "do", "it is %s", "so");
	found(&d, SEVERITY_WARNING, "gw\x1b[2J", "do not", "it is so");
	found(&d, SEVERITY_ERROR, "gw", NULL, "it is so");
	found(&d, SEVERITY_WARNING, NULL, NULL, "it is \x1b so");
	ktap_str("those that differ only in what they are about are one",
		 "warning it is so\nerror it is so\nwarning it is \\x1b so\n", findings());
	f = json_array_get(d.findings, 0);
	ktap_int("about two", 2, (long long)json_array_size(json_object_get(f, "about")));
	ktap_str("escaped", "gw\\x1b[2J",
		 json_string_value(json_array_get(json_object_get(f, "about"), 1)));
	ktap_str("the first remedy", "do", json_string_value(json_object_get(f, "remedy")));
}

/* ---- signatures ---- */

static void put_file(const char *path, const void *data, size_t len)
{
	char full[512], *p;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (p = full + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	if (!f || fwrite(data, 1, len, f) != len || fclose(f))
		abort();
}

static void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static void test_signing(void)
{
	static const char efi[] =
		"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	static const char enforce[] = "/sys/module/module/parameters/sig_enforce";
	static const char on[] = { 6, 0, 0, 0, 1 }, off[] = { 6, 0, 0, 0, 0 };
	char dep[256], ko[256], line[128];
	struct utsname u;

	uname(&u);
	snprintf(dep, sizeof(dep), "/lib/modules/%s/modules.dep", u.release);
	snprintf(ko, sizeof(ko), "/lib/modules/%s/updates/xfrm_invspi.ko", u.release);

	begin("signing");
	check_signing(&d);
	ktap_has("no module", "error there is no module for kernel", findings());

	snprintf(line, sizeof(line),
		 "kernel/a.ko: kernel/b.ko\nupdates/xfrm_invspi.ko: kernel/a.ko\n");
	put_text(dep, line);
	put_text(ko, "a module");
	begin("signing");
	check_signing(&d);
	ktap_str("nobody wants a signature", "", findings());

	put_file(efi, on, sizeof(on));
	begin("signing");
	check_signing(&d);
	ktap_has("Secure Boot, but no lockdown", "note Secure Boot is on, yet", findings());

	put_text("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	begin("signing");
	check_signing(&d);
	ktap_has("lockdown, not signed", "error the kernel takes signed modules only, and /lib/",
		 findings());
	ktap_has("the remedy", "mokutil --import /var/lib/dkms/mok.pub",
		 json_string_value(json_object_get(json_array_get(d.findings, 0), "remedy")));

	put_text(ko, "a module, and its signature ~Module signature appended~\n");
	begin("signing");
	check_signing(&d);
	ktap_has("signed, but not loaded", "warning the kernel takes signed modules only, and this",
		 findings());
	put_text("/sys/module/xfrm_invspi/version", "0.1\n");
	begin("signing");
	check_signing(&d);
	ktap_str("signed and loaded", "", findings());

	put_file(efi, off, sizeof(off));
	put_text("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	put_text(enforce, "Y\n");
	put_text(ko, "a module");
	begin("signing");
	check_signing(&d);
	ktap_has("module.sig_enforce", "warning the kernel takes signed modules only, and /lib/",
		 findings());
	put_file(efi, on, 2);
	put_text(enforce, "N\n");
	begin("signing");
	check_signing(&d);
	ktap_str("a variable that is too short", "", findings());
}

/* ---- the kernel's SAs ---- */

static uint8_t message[1024];
static size_t message_len;

static bool is_local(void *arg, int family, const uint8_t *addr)
{
	(void)arg;
	return family == AF_INET && addr[0] == 192 && addr[3] == 1;
}

static void put_attr(uint16_t type, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };

	memcpy(message + message_len, &a, sizeof(a));
	memcpy(message + message_len + NLA_HDRLEN, data, len);
	message_len += NLA_ALIGN(NLA_HDRLEN + len);
}

static void begin_sa(const char *src, const char *dst, uint64_t packets, uint64_t made)
{
	struct xfrm_usersa_info info = { .family = AF_INET, .reqid = 1 };

	memset(message, 0, sizeof(message));
	inet_pton(AF_INET, src, &info.saddr);
	inet_pton(AF_INET, dst, &info.id.daddr);
	info.id.spi = htonl(0xc0000001);
	info.id.proto = IPPROTO_ESP;
	info.curlft.packets = packets;
	info.curlft.add_time = made;
	memcpy(message, &info, sizeof(info));
	message_len = NLMSG_ALIGN(sizeof(info));
}

static void test_kernel_sa(void)
{
	struct xfrm_user_offload offload = { .ifindex = 3, .flags = 0x4 };
	uint64_t used = 950;
	uint8_t alg[80] = { 0 };
	struct kernel_sa sa;
	size_t len;
	int rc, bad = 0;

	begin_sa("192.0.2.2", "192.0.2.1", 7, 900);
	ktap_int("larval: no algorithm", -EAGAIN,
		 doctor_take_kernel_sa(message, message_len, 1000, is_local, NULL, &sa));
	put_attr(XFRMA_ALG_AEAD, alg, sizeof(alg));
	put_attr(XFRMA_LASTUSED, &used, sizeof(used));
	put_attr(XFRMA_OFFLOAD_DEV, &offload, sizeof(offload));
	ktap_int("an SA", 0,
		 doctor_take_kernel_sa(message, message_len, 1000, is_local, NULL, &sa));
	ktap_ok(!sa.out && sa.offload_packet && sa.ifindex == 3, "inbound, packet offload");
	ktap_int("age", 100, (long long)sa.age_s);
	ktap_int("idle", 50, (long long)sa.idle_s);
	ktap_int("packets", 7, (long long)sa.packets);
	ktap_int("SPI", 0xc0000001, sa.spi);
	for (len = 0; len < message_len; len++) {
		rc = doctor_take_kernel_sa(message, len, 1000, is_local, NULL, &sa);
		bad += rc != 0 && rc != -EBADMSG && rc != -EAGAIN;
	}
	ktap_int("cut anywhere", 0, bad);
	offload.flags = 1;
	begin_sa("192.0.2.1", "192.0.2.2", 7, 2000);
	put_attr(XFRMA_ALG_AEAD, alg, sizeof(alg));
	put_attr(XFRMA_OFFLOAD_DEV, &offload, sizeof(offload));
	doctor_take_kernel_sa(message, message_len, 1000, is_local, NULL, &sa);
	ktap_ok(sa.out && !sa.offload_packet, "outbound, crypto offload");
	begin_sa("192.0.2.1", "192.0.2.2", 7, 100);
	put_attr(XFRMA_ALG_AEAD, alg, sizeof(alg));
	doctor_take_kernel_sa(message, message_len, 1000, is_local, NULL, &sa);
	ktap_int("an old one, when it was used last is not told: it is in use", 0,
		 (long long)sa.idle_s);
	begin_sa("192.0.2.1", "192.0.2.2", 7, 2000);
	doctor_take_kernel_sa(message, message_len, 1000, is_local, NULL, &sa);
	ktap_int("made in the future: the clock went back", 0, (long long)sa.age_s);
}

static struct kernel_sa make(bool out, uint32_t reqid, uint64_t packets, uint64_t age,
			     uint64_t idle)
{
	struct kernel_sa sa = { .family = AF_INET,
				.out = out,
				.reqid = reqid,
				.proto = IPPROTO_ESP,
				.packets = packets,
				.age_s = age,
				.idle_s = idle,
				.spi = 0xc0000000 + reqid };

	sa.src[0] = out ? 1 : 2;
	sa.dst[0] = out ? 2 : 1;
	return sa;
}

static void test_one_way(void)
{
	struct kernel_sa sa[] = {
		make(true, 1, 100, 100, 5),   make(false, 1, 0, 100, 100), /* only sends */
		make(true, 2, 100, 100, 5),   make(false, 2, 1, 100, 100), /* received once */
		make(true, 3, 100, 30, 5),    make(false, 3, 0, 30, 30), /* too young */
		make(true, 4, 10, 100, 5),    make(false, 4, 0, 100, 100), /* too few */
		make(true, 5, 100, 900, 500), make(false, 5, 0, 900, 900), /* sends no more */
		make(true, 6, 100, 100, 5), /* nothing to receive by */
		make(true, 7, 100, 5000, 5),  make(false, 7, 500, 5000, 5), /* rekeyed just now */
		make(true, 7, 100, 30, 5),    make(false, 7, 0, 30, 30),
	};

	begin("one-way");
	doctor_judge_one_way(&d, sa, ARRAY_SIZE(sa));
	ktap_str("those that only send",
		 "warning sends, and has never received anything: is it out of step at the peer?\n"
		 "warning sends, but there is no SA to receive by\n",
		 findings());
	ktap_int("about one", 1,
		 (long long)json_array_size(
			 json_object_get(json_array_get(d.findings, 0), "about")));
}

/* The IKE daemon was killed, its SAs are still in the kernel, and have carried a lot. */
static void test_left_over(void)
{
	struct child_sa listed = { .conn = (char *)"gw",
				   .child = (char *)"net",
				   .reqid = 1,
				   .spi_in = 0xc0000002,
				   .spi_out = 0xc0000003 };
	struct kernel_sa sa[] = {
		make(true, 1, 100, 900, 0),
		make(false, 1, 100, 900, 0),
		make(true, 1, 100, 100, 0),
		make(false, 1, 0, 100, 0),
	};

	sa[3].spi = listed.spi_in;
	sa[2].spi = listed.spi_out;
	d.sa = &listed;
	d.nsa = 1;
	begin("one-way");
	doctor_judge_one_way(&d, sa, ARRAY_SIZE(sa));
	ktap_str("what the old ones have received does not count",
		 "warning sends, and has never received anything: is it out of step at the peer?\n",
		 findings());
	sa[2].age_s = 5;
	begin("one-way");
	doctor_judge_one_way(&d, sa, ARRAY_SIZE(sa));
	ktap_str("nor does how old they are", "", findings());
	d.sa = NULL;
	d.nsa = 0;
}

/* ---- what strongSwan says ---- */

static size_t read_file_to(const char *path, uint8_t *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(buf, 1, size, f) : 0;

	if (f)
		fclose(f);
	return n;
}

static void forget(void)
{
	doctor_forget_ike(&d);
}

static void test_answers(void)
{
	static uint8_t buf[65536];
	const struct conn_conf *c;
	size_t n, cut;

	/* the first byte is the fuzz target's */
	n = read_file_to(CORPUS "list-conn-0-5.9.8", buf, sizeof(buf));
	ktap_int("a connection", 0, doctor_take_conn(&d, buf + 1, n - 1));
	c = d.conn;
	ktap_str("its name", "gw", c->name);
	ktap_str("its peer", "192.0.2.2", c->remote_addr);
	ktap_int("dpd_delay", 30, (long long)c->dpd_delay);
	ktap_str("unique", "UNIQUE_NO", c->unique);
	ktap_int("children", 2, (long long)c->nchild);
	ktap_str("a child", "net2", c->child[1].name);
	ktap_int("rekey_time", 3600, (long long)c->child[1].rekey_time);
	ktap_str("local-ts", "10.11.0.0/16", c->child[1].local_ts);
	ktap_str("remote-ts", "10.12.0.0/16", c->child[1].remote_ts);
	ktap_str("dpd_action", "none", c->child[1].dpd_action);
	forget();
	for (cut = 1; cut < n; cut++) {
		doctor_take_conn(&d, buf + 1, cut - 1);
		forget();
	}
	n = read_file_to(CORPUS "list-sa-0-6.0.1", buf, sizeof(buf));
	ktap_int("an IKE_SA", 0, doctor_take_sa(&d, buf + 1, n - 1));
	ktap_ok(d.nsa && d.sa[0].spi_out && d.sa[0].reqid, "its CHILD_SAs");
	forget();
	for (cut = 1; cut < n; cut++) {
		doctor_take_sa(&d, buf + 1, cut - 1);
		doctor_take_policy(&d, buf + 1, cut - 1);
		forget();
	}
	ktap_ok(true, "answers that are cut off anywhere");
}

/* Every message of the fuzz targets' corpus, whatever it is, and each byte changed. */
static void test_corpus(void)
{
	static uint8_t buf[65536];
	DIR *dir = opendir(CORPUS);
	struct dirent *e;
	char path[512];
	unsigned int files = 0;
	size_t n, i;

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), CORPUS "%s", e->d_name);
		n = read_file_to(path, buf, sizeof(buf));
		for (i = 0; i < n && i < 2048; i++) {
			buf[i] ^= 0x5a;
			doctor_take_conn(&d, buf + 1, n - 1);
			doctor_take_sa(&d, buf + 1, n - 1);
			doctor_take_policy(&d, buf + 1, n - 1);
			buf[i] ^= 0x5a;
			forget();
		}
		files++;
	}
	if (dir)
		closedir(dir);
	ktap_ok(files > 20, "%u files of the corpus, each byte changed", files);
}

/* ---- which IKE daemon ---- */

#define NAME_IT                                                                                  \
	"start invspid in its network namespace (ip netns exec), or name this namespace's with " \
	"vici (strongSwan) or rundir (libreswan) in invspid.conf"

static const struct {
	const char *what, *status, *pid, *comm;
	const char *expected, *remedy; /* the first finding, and its remedy */
} ike_cases[] = {
	{ "strongSwan", "{\"backend\": \"strongswan\", \"state\": \"ready\", \"connections\": 3}",
	  NULL, NULL, "ok strongswan is ready: 3 connections\n", NULL },
	{ "libreswan", "{\"backend\": \"libreswan\", \"state\": \"ready\", \"connections\": 2}",
	  NULL, NULL, "ok libreswan is ready: 2 connections\n", NULL },
	{ "libreswan, not settled",
	  "{\"backend\": \"libreswan\", \"state\": \"settling\", \"why\": \"x\"}", NULL, NULL,
	  "error invspid has no IKE daemon to ask: libreswan settling: x\n",
	  "systemctl status ipsec" },
	{ "none of them",
	  "{\"backend\": \"auto\", \"state\": \"absent\", \"why\": \"x\", \"vici\": \"/nowhere\"}",
	  NULL, NULL, "error invspid has no IKE daemon to ask: absent: x\n",
	  "systemctl status strongswan ipsec" },
	{ "another namespace's",
	  "{\"backend\": \"auto\", \"state\": \"foreign\", \"why\": \"x\", \"vici\": \"/nowhere\"}",
	  NULL, NULL, "error the IKE daemon that invspid reaches is not this namespace's: x\n",
	  NAME_IT },
	{ "libreswan, but no invspid", NULL, "4711\n", "pluto\n",
	  "note libreswan is there; invspid asks it\n", "systemctl start invspid" },
	{ "its file was left behind", NULL, "4711\n", "bash\n", "error cannot ask strongSwan at",
	  "systemctl start strongswan" },
	{ "and is no number", NULL, "x\n", "bash\n", "error cannot ask strongSwan at",
	  "systemctl start strongswan" },
};

static void test_ike(void)
{
	const char *remedy;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ike_cases); i++) {
		d.status = ike_cases[i].status ? json_pack("{s:o}", "daemon",
							   json_loads(ike_cases[i].status, 0, NULL))
					       : NULL;
		d.ike_asked = false;
		d.ike_why[0] = '\0';
		put_text("/run/pluto/pluto.pid", ike_cases[i].pid ? ike_cases[i].pid : "0\n");
		put_text("/proc/4711/comm", ike_cases[i].comm ? ike_cases[i].comm : "x\n");
		begin("ike");
		check_ike(&d);
		ktap_has(ike_cases[i].what, ike_cases[i].expected, findings());
		remedy =
			json_string_value(json_object_get(json_array_get(d.findings, 0), "remedy"));
		ktap_str("... and what helps", ike_cases[i].remedy ? ike_cases[i].remedy : "",
			 remedy ? remedy : "");
		json_decref(d.status);
		d.status = NULL;
	}
	d.status = json_pack("{s:{s:s}}", "daemon", "backend", "libreswan");
	d.ike_asked = false;
	begin("dpd");
	check_dpd(&d);
	ktap_str(
		"its settings are not looked at, and that is said",
		"note not known: only strongSwan's connections are looked at, and this is libreswan\n",
		findings());
	json_decref(d.status);
	d.status = NULL;
}

static void remove_all(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	if (system(command))
		abort();
}

int main(void)
{
	snprintf(root, sizeof(root), "/tmp/invspi-doctor-XXXXXX");
	if (!mkdtemp(root))
		return 1;
	d.inv = &inv;
	d.root = root;
	test_merge();
	test_signing();
	test_kernel_sa();
	test_one_way();
	test_left_over();
	test_answers();
	test_corpus();
	test_ike();
	json_decref(d.findings);
	remove_all();
	return ktap_done();
}
