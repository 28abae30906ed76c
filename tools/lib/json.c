// SPDX-License-Identifier: GPL-2.0-only
/* See json.h. */
#include <stdlib.h>
#include <string.h>

#include "fmt.h"
#include "json.h"

json_t *json_text(const char *s)
{
	json_t *j = json_string(s);
	size_t len;
	char *buf;

	if (j)
		return j;
	len = fmt_escape(NULL, 0, s, strlen(s));
	buf = malloc(len + 1);
	if (!buf)
		return NULL;
	fmt_escape(buf, len + 1, s, strlen(s));
	j = json_string(buf);
	free(buf);
	return j;
}
