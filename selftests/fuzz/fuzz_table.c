// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target: the module's flow table beside a simple model of it. */
#include "fuzz.h"
#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model_run(data, size);
	return 0;
}
