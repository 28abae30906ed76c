// SPDX-License-Identifier: GPL-2.0-only
/* The table beside its model, on as many steps as time allows. */
#include "unit.h"
#include "model.h"

#define STEPS 4096
#define RUNS FEWER(300, 60)

static void test_model(void **state)
{
	u8 data[STEPS], some[256];
	unsigned int i, j, n;

	(void)state;
	for (i = 0; i < RUNS; i++) {
		shim_srand(i);
		/* of a few values only, or flows would hardly have a second packet */
		n = 4 + shim_rand() % (i % 2 ? 252 : 28);
		get_random_bytes(some, n);
		for (j = 0; j < STEPS; j++)
			data[j] = some[shim_rand() % n];
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
