// SPDX-License-Identifier: GPL-2.0-only
/* The table beside its model, on as many steps as time allows. */
#include "unit.h"
#include "model.h"

#define STEPS 4096
#define RUNS FEWER(300, 60)

static void test_model(void **state)
{
	u8 data[STEPS];
	unsigned int i;

	(void)state;
	for (i = 0; i < RUNS; i++) {
		shim_srand(i);
		get_random_bytes(data, sizeof(data));
		model_run(data, sizeof(data));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
