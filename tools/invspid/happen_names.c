// SPDX-License-Identifier: GPL-2.0-only
/* What the values of happen.h are called in the configuration and for hooks. */
#include "happen.h"

const char *happening_name(enum happening what)
{
	static const char *const names[HAPPEN__COUNT] = {
		[HAPPEN_DESYNC] = "desync",	  [HAPPEN_SUSPECTED] = "suspected",
		[HAPPEN_RECOVERED] = "recovered", [HAPPEN_FAILED] = "failed",
		[HAPPEN_GAVE_UP] = "gave_up",	  [HAPPEN_ALERT] = "alert",
		[HAPPEN_RECORDED] = "recorded",
	};

	return what < HAPPEN__COUNT ? names[what] : "?";
}
