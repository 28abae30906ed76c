/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KTAP for unit tests in C. Each check is one test case; the plan is printed
 * first, so the results wait until ktap_done().
 *
 *	int main(void)
 *	{
 *		ktap_int("two and two", 4, 2 + 2);
 *		return ktap_done();
 *	}
 */
#ifndef SELFTESTS_UNIT_KTAP_H
#define SELFTESTS_UNIT_KTAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static FILE *ktap_out;
static char *ktap_text;
static size_t ktap_size;
static unsigned int ktap_cases, ktap_failures;

__attribute__((unused, format(printf, 2, 3))) static bool ktap_ok(bool ok, const char *format, ...)
{
	va_list ap;

	if (!ktap_out)
		ktap_out = open_memstream(&ktap_text, &ktap_size);
	if (!ktap_out)
		abort();
	fprintf(ktap_out, "%s %u ", ok ? "ok" : "not ok", ++ktap_cases);
	va_start(ap, format);
	vfprintf(ktap_out, format, ap);
	va_end(ap);
	fputc('\n', ktap_out);
	if (!ok)
		ktap_failures++;
#ifdef KTAP_STOP /* the exit status is all that is wanted */
	if (!ok)
		exit(1);
#endif
	return ok;
}

__attribute__((unused)) static bool ktap_int(const char *name, long long expected, long long actual)
{
	bool ok = ktap_ok(expected == actual, "%s", name);

	if (!ok)
		fprintf(ktap_out, "# expected: %lld\n# actual:   %lld\n", expected, actual);
	return ok;
}

/* NULL is a value too. */
__attribute__((unused)) static bool ktap_str(const char *name, const char *expected,
					     const char *actual)
{
	bool ok = expected && actual ? !strcmp(expected, actual) : expected == actual;

	ktap_ok(ok, "%s", name);
	if (!ok)
		fprintf(ktap_out, "# expected: %s\n# actual:   %s\n",
			expected ? expected : "(null)", actual ? actual : "(null)");
	return ok;
}

/* @actual must contain @expected. */
__attribute__((unused)) static bool ktap_has(const char *name, const char *expected,
					     const char *actual)
{
	bool ok = ktap_ok(strstr(actual, expected), "%s", name);

	if (!ok)
		fprintf(ktap_out, "# expected to contain: %s\n# actual: %s\n", expected, actual);
	return ok;
}

__attribute__((unused)) static int ktap_done(void)
{
	printf("TAP version 13\n1..%u\n", ktap_cases);
	if (ktap_out)
		fclose(ktap_out);
	fputs(ktap_text ? ktap_text : "", stdout);
	free(ktap_text);
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:0 error:0\n",
	       ktap_cases - ktap_failures, ktap_failures);
	fflush(stdout);
	return ktap_failures || !ktap_cases ? 1 : 0;
}

#endif /* SELFTESTS_UNIT_KTAP_H */
