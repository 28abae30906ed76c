// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi_fault - lets chosen memory allocations fail
 *
 * The kernel's own fault injection asks nobody on whose behalf an allocation is
 * made (its filter of call traces is not for x86-64), leaves out packets and
 * per-CPU memory, and is not in every kernel. This one looks at the call trace:
 *
 *   within   part of a line of the call trace, as %pB writes it: "[xfrm_invspi]" is
 *            every function of that module, "netlink_dump" a function of the kernel
 *   comm     if not empty: only for tasks of this name
 *   nth      the n-th such allocation from now on fails, then it is 0
 *   every    every n-th such allocation fails
 *   seen, failed   since nth or every was written
 *
 * It probes the functions that the allocators ask before they begin, and those that
 * hand out per-CPU memory. A slab cache cannot be had as a whole: the kernel complains
 * with a call trace of its own if something inside of that fails, and in 6.1 leaves a
 * name behind with which the next try meets.
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/linkage.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#define FAULT_DEPTH 64
#ifdef kmem_cache_create /* a macro since Linux 6.12 */
#define FAULT_CACHE "__kmem_cache_create_args"
#else
#define FAULT_CACHE "kmem_cache_create"
#endif

static char within[64] = "[xfrm_invspi]";
static struct kparam_string fault_within = { sizeof(within), within };
static char comm[TASK_COMM_LEN];
static struct kparam_string fault_comm = { sizeof(comm), comm };

static atomic_t fault_seen = ATOMIC_INIT(0);
static atomic_t fault_failed = ATOMIC_INIT(0);
static unsigned int fault_nth, fault_every;

/* Where a probed function goes on that shall not run: back to its caller */
asmlinkage void invspi_fault_return(void);
#define FAULT_RETURN                                                                          \
	".pushsection .text, \"ax\"\n"                                                        \
	".type invspi_fault_return, @function\n"                                              \
	"invspi_fault_return:\n" ASM_RET ".size invspi_fault_return, .-invspi_fault_return\n" \
	".popsection\n"
asm(FAULT_RETURN);

/* Names cost a lot; most allocations have no module in their call trace. */
static bool fault_has_module(const unsigned long *trace, unsigned int n)
{
	while (n--)
		if (trace[n] >= MODULES_VADDR && trace[n] < MODULES_END)
			return true;
	return false;
}

/* Is that function in the call trace, and this no part of the making of a cache? */
static bool fault_is_within(bool cache)
{
	unsigned long trace[FAULT_DEPTH];
	char line[KSYM_SYMBOL_LEN];
	unsigned int n, i;

	n = stack_trace_save(trace, FAULT_DEPTH, 1);
	if (within[0] == '[' && !fault_has_module(trace, n))
		return false;
	for (i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%pB", (void *)trace[i]);
		if (!cache && strstr(line, "kmem_cache_create"))
			return false;
		if (strstr(line, within))
			return true;
	}
	return false;
}

static bool fault_wanted(bool cache)
{
	unsigned int nth = READ_ONCE(fault_nth), every = READ_ONCE(fault_every);
	unsigned int seen;

	if (!nth && !every)
		return false;
	if (in_nmi() || (comm[0] && strcmp(comm, current->comm)) || !fault_is_within(cache))
		return false;
	seen = atomic_inc_return(&fault_seen);
	if (nth ? seen != nth : seen % every)
		return false;
	atomic_inc(&fault_failed);
	if (nth)
		WRITE_ONCE(fault_nth, 0);
	return true;
}

/* Return: 1, so that the probed function does not run, or 0. */
static int fault_answer(struct pt_regs *regs, unsigned long answer, bool cache)
{
	if (!fault_wanted(cache))
		return 0;
	regs_set_return_value(regs, answer);
	instruction_pointer_set(regs, (unsigned long)invspi_fault_return);
	return 1;
}

/* should_failslab(): an errno; should_fail_alloc_page(): true */
static int fault_ask(struct kprobe *p, struct pt_regs *regs)
{
	return fault_answer(regs, -ENOMEM, false);
}

static int fault_null(struct kprobe *p, struct pt_regs *regs)
{
	return fault_answer(regs, 0, false);
}

static int fault_null_cache(struct kprobe *p, struct pt_regs *regs)
{
	return fault_answer(regs, 0, true);
}

static struct kprobe fault_probes[] = {
	{ .symbol_name = "should_failslab", .pre_handler = fault_ask },
	{ .symbol_name = "should_fail_alloc_page", .pre_handler = fault_ask },
	{ .symbol_name = "__alloc_percpu", .pre_handler = fault_null },
	{ .symbol_name = "__alloc_percpu_gfp", .pre_handler = fault_null },
	{ .symbol_name = FAULT_CACHE, .pre_handler = fault_null_cache },
};

static int fault_set(const char *val, const struct kernel_param *kp)
{
	unsigned int n;
	int err = kstrtouint(val, 0, &n);

	if (err)
		return err;
	WRITE_ONCE(fault_nth, 0);
	WRITE_ONCE(fault_every, 0);
	atomic_set(&fault_seen, 0);
	atomic_set(&fault_failed, 0);
	WRITE_ONCE(*(unsigned int *)kp->arg, n);
	return 0;
}

static const struct kernel_param_ops fault_ops = {
	.set = fault_set,
	.get = param_get_uint,
};

/* Without the end of the line, which the kernel leaves at a text. */
static int fault_set_text(const char *val, const struct kernel_param *kp)
{
	int err = param_set_copystring(val, kp);

	if (!err)
		kp->str->string[strcspn(kp->str->string, "\n")] = '\0';
	return err;
}

static const struct kernel_param_ops fault_text_ops = {
	.set = fault_set_text,
	.get = param_get_string,
};

module_param_cb(within, &fault_text_ops, &fault_within, 0644);
module_param_cb(comm, &fault_text_ops, &fault_comm, 0644);
module_param_cb(nth, &fault_ops, &fault_nth, 0644);
module_param_cb(every, &fault_ops, &fault_every, 0644);
module_param_named(seen, fault_seen.counter, int, 0444);
module_param_named(failed, fault_failed.counter, int, 0444);

static int __init fault_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(fault_probes); i++) {
		err = register_kprobe(&fault_probes[i]);
		if (!err)
			continue;
		pr_err("cannot probe %s: error %d\n", fault_probes[i].symbol_name, err);
		while (i--)
			unregister_kprobe(&fault_probes[i]);
		return err;
	}
	return 0;
}

static void __exit fault_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fault_probes); i++)
		unregister_kprobe(&fault_probes[i]);
}

module_init(fault_init);
module_exit(fault_exit);

MODULE_DESCRIPTION("Lets chosen memory allocations fail, to test what follows");
MODULE_LICENSE("GPL");
