// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm_crash - makes the kernel complain in a chosen way when it is loaded
 *
 * For the test of the virtual machine harness: it must notice each of these.
 * Loading always fails, so nothing is left to unload.
 */
#include <linux/bug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *kind = "";
module_param(kind, charp, 0);
MODULE_PARM_DESC(
	kind,
	"warn, oops, bug, refcount, hung; with a kernel that sees it: freed, leak, sleep, order, shift");

static DEFINE_MUTEX(vm_crash_a);
static DEFINE_MUTEX(vm_crash_b);
static DEFINE_SPINLOCK(vm_crash_lock);

/* What only a kernel that checks itself complains about */
static int vm_crash_checked(void)
{
	static volatile unsigned int too_far = 40;
	int *p;

	if (!strcmp(kind, "freed") || !strcmp(kind, "leak")) {
		p = kzalloc(100, GFP_KERNEL);
		if (!p)
			return -ENOMEM;
		if (!strcmp(kind, "leak"))
			return -ECANCELED;
		kfree(p);
		WRITE_ONCE(*p, 1);
	} else if (!strcmp(kind, "sleep")) {
		spin_lock(&vm_crash_lock);
		might_sleep();
		spin_unlock(&vm_crash_lock);
	} else if (!strcmp(kind, "order")) {
		mutex_lock(&vm_crash_a);
		mutex_lock(&vm_crash_b);
		mutex_unlock(&vm_crash_b);
		mutex_unlock(&vm_crash_a);
		mutex_lock(&vm_crash_b);
		mutex_lock(&vm_crash_a);
		mutex_unlock(&vm_crash_a);
		mutex_unlock(&vm_crash_b);
	} else if (!strcmp(kind, "shift")) {
		pr_info("1 << 40 is %d\n", 1 << too_far);
	} else {
		pr_err("unknown kind '%s'\n", kind);
	}
	return -ECANCELED;
}

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
		return vm_crash_checked();
	}
	return -ECANCELED;
}
module_init(vm_crash_init);

MODULE_DESCRIPTION("Makes the kernel complain, to test who watches it");
MODULE_LICENSE("GPL");
