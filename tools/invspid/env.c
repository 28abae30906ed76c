// SPDX-License-Identifier: GPL-2.0-only
/* See env.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "env.h"
#include "fmt.h"

#define VALUE_MAX 4096

int env_add(struct env *e, const char *name, const char *value)
{
	char text[VALUE_MAX], **v;

	fmt_escape(text, sizeof(text), value, strlen(value));
	v = reallocarray(e->v, e->n + 2, sizeof(*v));
	if (!v)
		return -ENOMEM;
	e->v = v;
	if (asprintf(&v[e->n], "%s=%s", name, text) < 0) {
		v[e->n] = NULL;
		return -ENOMEM;
	}
	v[++e->n] = NULL;
	return 0;
}

int env_format(struct env *e, const char *name, const char *format, ...)
{
	char text[VALUE_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return env_add(e, name, text);
}

int env_begin(struct env *e)
{
	memset(e, 0, sizeof(*e));
	return env_add(e, "PATH", CHILD_PATH) || env_add(e, "LC_ALL", "C.UTF-8") ? -ENOMEM : 0;
}

void env_free(struct env *e)
{
	while (e->n)
		free(e->v[--e->n]);
	free(e->v);
	memset(e, 0, sizeof(*e));
}
