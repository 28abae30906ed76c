// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm_crash - makes the kernel complain in a chosen way when it is loaded
 *
 * For the test of the virtual machine harness: it must notice each of these.
 * Loading always fails, so nothing is left to unload.
 */
#include <linux/bug.h>
#include <linux/module.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/string.h>

static char *kind = "";
module_param(kind, charp, 0);
MODULE_PARM_DESC(kind, "warn, oops, bug, refcount or hung");

static int __init vm_crash_init(void)
{
	if (!strcmp(kind, "warn")) {
		WARN(1, "vm_crash: as asked\n");
	} else if (!strcmp(kind, "oops")) {
		WRITE_ONCE(*(int *)8, 1);
	} else if (!strcmp(kind, "bug")) {
		BUG();
	} else if (!strcmp(kind, "refcount")) {
		refcount_t r = REFCOUNT_INIT(0);

		refcount_inc(&r);
	} else if (!strcmp(kind, "hung")) {
		/* longer than the test sets kernel.hung_task_timeout_secs to */
		schedule_timeout_uninterruptible(8 * HZ);
	} else {
		pr_err("unknown kind '%s'\n", kind);
	}
	return -ECANCELED;
}
module_init(vm_crash_init);

MODULE_DESCRIPTION("Makes the kernel complain, to test who watches it");
MODULE_LICENSE("GPL");
