// SPDX-License-Identifier: GPL-2.0-only
/* invspi doctor: the kernel's side, but for its SAs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>

#include "doctor.h"

#define MODULE "/sys/module/xfrm_invspi"
#define EFI "/sys/firmware/efi"
#define SECURE_BOOT EFI "/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define SIGNATURE "~Module signature appended~\n"

/* ---- privileges ---- */

/* Return: 0 with the effective capabilities of a process, or -errno. */
static int capabilities(const struct doctor *d, const char *pid, uint64_t *caps)
{
	char path[64], line[256];
	unsigned long long v;
	FILE *f;
	int rc = -ENODATA;

	snprintf(path, sizeof(path), "%s/proc/%s/status", d->root, pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (rc && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CapEff: %llx", &v) == 1) {
			*caps = v;
			rc = 0;
		}
	}
	fclose(f);
	return rc;
}

static bool lacks(uint64_t caps, int cap)
{
	return !(caps >> cap & 1);
}

void check_privileges(struct doctor *d)
{
	json_int_t pid = json_integer_value(json_object_get(d->status, "pid"));
	char text[32];
	uint64_t caps = 0;

	if (!capabilities(d, "self", &caps)) {
		if (lacks(caps, CAP_NET_ADMIN))
			found(d, SEVERITY_ERROR, NULL, "sudo invspi doctor",
			      "this program may not ask the kernel: CAP_NET_ADMIN is missing");
		if (lacks(caps, CAP_NET_RAW))
			found(d, SEVERITY_WARNING, NULL, "sudo invspi doctor",
			      "this program may not send its probe: CAP_NET_RAW is missing");
	}
	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, pid);
	if (!pid || capabilities(d, text, &caps))
		return;
	if (lacks(caps, CAP_NET_ADMIN))
		found(d, SEVERITY_ERROR, NULL, "give its unit CapabilityBoundingSet=CAP_NET_ADMIN",
		      "invspid may not ask the kernel: CAP_NET_ADMIN is missing");
}

/* ---- the module ---- */

void check_module(struct doctor *d)
{
	struct invspi_err err = { "" };
	struct invspi_stats st;
	char version[64];

	if (!d->nl) {
		found(d, SEVERITY_ERROR, NULL, "modprobe xfrm_invspi", "%s", d->nl_err.text);
		return;
	}
	if (invspi_nl_version(d->nl) != XFRM_INVSPI_FAMILY_VERSION)
		found(d, SEVERITY_ERROR, NULL,
		      "install module and tools of one version, then `modprobe -r xfrm_invspi && modprobe xfrm_invspi'",
		      "the module speaks version %u of the family, this program %d",
		      invspi_nl_version(d->nl), XFRM_INVSPI_FAMILY_VERSION);
	if (invspi_nl_stats_get(d->nl, &st, &err)) {
		found(d, SEVERITY_ERROR, NULL, NULL, "%s", err.text);
		return;
	}
	if (doctor_read(d, MODULE "/version", version, sizeof(version)))
		snprintf(version, sizeof(version), "of unknown version");
	found(d, SEVERITY_OK, NULL, NULL, "xfrm_invspi %s is loaded, family version %u", version,
	      invspi_nl_version(d->nl));
}

/* ---- signatures ---- */

/* Four bytes of attributes, then the value. Return: -1 where there is no EFI. */
static int secure_boot(const struct doctor *d)
{
	unsigned char v[5];
	char path[256];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", d->root, SECURE_BOOT);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fread(v, 1, sizeof(v), f);
	fclose(f);
	return n == sizeof(v) ? v[4] == 1 : -1;
}

/* Does the kernel refuse modules that nobody has signed? */
static bool enforced(const struct doctor *d)
{
	char line[64];

	if (!doctor_read(d, "/sys/module/module/parameters/sig_enforce", line, sizeof(line)) &&
	    line[0] == 'Y')
		return true;
	return !doctor_read(d, "/sys/kernel/security/lockdown", line, sizeof(line)) &&
	       (strstr(line, "[integrity]") || strstr(line, "[confidentiality]"));
}

/* Where modprobe would take it from, below the root; "" if there is none. */
static void module_file(const struct doctor *d, char *path, size_t size)
{
	char dep[256], *end, *line = NULL;
	struct utsname u;
	size_t room = 0;
	FILE *f;

	path[0] = '\0';
	if (uname(&u))
		return;
	snprintf(dep, sizeof(dep), "%s/lib/modules/%s/modules.dep", d->root, u.release);
	f = fopen(dep, "re");
	while (f && !path[0] && getline(&line, &room, f) > 0) {
		end = strchr(line, ':');
		if (!end || !strstr(line, "/xfrm_invspi.ko"))
			continue;
		*end = '\0';
		snprintf(path, size, "/lib/modules/%s/%s", u.release, line);
	}
	free(line);
	if (f)
		fclose(f);
}

/* Return: 1 or 0, -1 if that cannot be seen (a compressed file). */
static int is_signed(const struct doctor *d, const char *file)
{
	char full[512], end[sizeof(SIGNATURE)] = "";
	size_t len = strlen(file);
	FILE *f;
	int ret = -1;

	if (len < 3 || strcmp(file + len - 3, ".ko"))
		return -1;
	snprintf(full, sizeof(full), "%s%s", d->root, file);
	f = fopen(full, "re");
	if (f)
		ret = !fseek(f, -(long)strlen(SIGNATURE), SEEK_END) &&
		      fread(end, 1, strlen(SIGNATURE), f) == strlen(SIGNATURE) &&
		      !strcmp(end, SIGNATURE);
	if (f)
		fclose(f);
	return ret;
}

void check_signing(struct doctor *d)
{
	bool must = enforced(d), loaded = doctor_exists(d, MODULE);
	int boot = secure_boot(d), is = -1;
	char file[384];
	struct utsname u;

	module_file(d, file, sizeof(file));
	if (file[0])
		is = is_signed(d, file);
	if (!file[0] && !loaded) {
		found(d, SEVERITY_ERROR, NULL,
		      "apt-get install linux-headers-$(uname -r) xfrm-invspi-dkms, or `make && make install && depmod' in its sources",
		      "there is no module for kernel %s", uname(&u) ? "?" : u.release);
		return;
	}
	if (!file[0])
		found(d, SEVERITY_WARNING, NULL, "make install && depmod, or the DKMS package",
		      "the module is loaded, but modprobe does not find it: it will be missing after a reboot");
	else if (must && is == 0)
		found(d, loaded ? SEVERITY_WARNING : SEVERITY_ERROR, NULL,
		      "sign it by DKMS: mokutil --import /var/lib/dkms/mok.pub, reboot, enroll the key, then dkms autoinstall",
		      "the kernel takes signed modules only, and %s is not signed", file);
	else if (boot == 1 && !must)
		found(d, SEVERITY_NOTE, NULL, NULL,
		      "Secure Boot is on, yet the kernel takes modules that nobody has signed");
	else if (must && !loaded && is != 0)
		found(d, SEVERITY_WARNING, NULL,
		      "modprobe xfrm_invspi tells: with \"Key was rejected\" the key is not enrolled: mokutil --import /var/lib/dkms/mok.pub, reboot",
		      "the kernel takes signed modules only, and this one is not loaded");
}

/* ---- handlers ---- */

static bool has_module(const struct doctor *d, const char *name)
{
	char path[64], dep[256], *line = NULL, want[64];
	struct utsname u;
	bool has = false;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	if (doctor_exists(d, path))
		return true;
	/* Built in, and without parameters it has no folder there. */
	if (uname(&u))
		return false;
	snprintf(dep, sizeof(dep), "%s/lib/modules/%s/modules.builtin", d->root, u.release);
	snprintf(want, sizeof(want), "/%s.ko", name);
	f = fopen(dep, "re");
	while (f && !has && getline(&line, &room, f) > 0)
		has = strstr(line, want);
	free(line);
	if (f)
		fclose(f);
	return has;
}

void check_handlers(struct doctor *d)
{
	bool v6 = doctor_exists(d, "/proc/net/if_inet6");

	if (!has_module(d, "esp4"))
		found(d, SEVERITY_ERROR, NULL, "modprobe esp4",
		      "the kernel does not receive ESP over IPv4, so nothing of it is seen");
	if (v6 && !has_module(d, "esp6"))
		found(d, SEVERITY_ERROR, NULL, "modprobe esp6",
		      "the kernel does not receive ESP over IPv6, so nothing of it is seen");
	if (!has_module(d, "ah4") && !has_module(d, "ah6"))
		found(d, SEVERITY_NOTE, NULL, NULL,
		      "AH is not received, and so not counted, until the first AH SA loads ah4 or ah6");
}

/* ---- log and table ---- */

static uint32_t setting(const struct invspi_config *c, uint16_t attr, uint32_t otherwise)
{
	return c->present & INVSPI_CONFIG_BIT(attr) ? c->value[attr] : otherwise;
}

/* Is this the network namespace that init has? Unknown counts as yes. */
static bool is_first_netns(const struct doctor *d)
{
	char path[256], mine[128] = "", first[128] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "%s/proc/self/ns/net", d->root);
	n = readlink(path, mine, sizeof(mine) - 1);
	snprintf(path, sizeof(path), "%s/proc/1/ns/net", d->root);
	return n < 0 || readlink(path, first, sizeof(first) - 1) < 0 || !strcmp(mine, first);
}

static void check_log_lines(struct doctor *d, const struct invspi_config *c)
{
	char line[8];

	if (!setting(c, XFRM_INVSPI_A_CONFIG_LOG_INTERVAL_MS, 1))
		found(d, SEVERITY_NOTE, NULL, "invspi config set log-interval-ms 60000",
		      "the kernel log gets no lines: log-interval-ms is 0");
	else if (!setting(c, XFRM_INVSPI_A_CONFIG_LOG_RATE, 1))
		found(d, SEVERITY_NOTE, NULL, "invspi config set log-rate 10",
		      "the kernel log gets no lines: log-rate is 0");
	if (!is_first_netns(d) &&
	    !doctor_read(d, MODULE "/parameters/log_all_netns", line, sizeof(line)) &&
	    line[0] == 'N')
		found(d, SEVERITY_NOTE, NULL,
		      "echo options xfrm_invspi log_all_netns=1 >/etc/modprobe.d/xfrm_invspi.conf, and load the module anew",
		      "the kernel log gets no lines from this network namespace: log_all_netns is off");
}

void check_log(struct doctor *d)
{
	struct invspi_config c;
	struct invspi_stats st;
	char remedy[64];

	if (!d->nl || invspi_nl_config_get(d->nl, &c, NULL) ||
	    invspi_nl_stats_get(d->nl, &st, NULL)) {
		found(d, SEVERITY_NOTE, NULL, NULL, "not known without the module");
		return;
	}
	check_log_lines(d, &c);
	snprintf(remedy, sizeof(remedy), "invspi config set flows-max %u", st.flows_max * 2);
	if (st.flows_max && st.flows >= st.flows_max - st.flows_max / 10)
		found(d, SEVERITY_WARNING, NULL, remedy,
		      "the table of flows is full: %u of %u; new ones push out old ones", st.flows,
		      st.flows_max);
	if (st.log_suppressed)
		found(d, SEVERITY_OK, NULL, NULL,
		      "%" PRIu64 " lines were left out of the kernel log", st.log_suppressed);
}

/* ---- clock ---- */

void check_clock(struct doctor *d)
{
	struct timex tx = { .modes = 0 };
	struct tm tm;

	if (adjtimex(&tx) < 0) {
		found(d, SEVERITY_NOTE, NULL, NULL, "the clock's state cannot be read: %s",
		      strerror(errno));
		return;
	}
	gmtime_r(&tx.time.tv_sec, &tm);
	if (tm.tm_year + 1900 < 2024)
		found(d, SEVERITY_ERROR, NULL, "timedatectl set-ntp true",
		      "the clock is in the year %d: certificates are not valid yet",
		      tm.tm_year + 1900);
	else if (tx.status & STA_UNSYNC)
		found(d, SEVERITY_WARNING, NULL,
		      "timedatectl set-ntp true, or apt-get install chrony",
		      "the clock is not synchronised: logs and histories of two gateways cannot be compared, and certificates may seem invalid");
}
