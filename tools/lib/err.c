// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fmt.h"

int invspi_err_set(struct invspi_err *err, int code, const char *format, ...)
{
	char raw[INVSPI_ERR_LEN];
	va_list ap;

	code = abs(code);
	if (!err)
		return -code;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	fmt_escape_line(err->text, sizeof(err->text), raw, strlen(raw));
	return -code;
}
