// SPDX-License-Identifier: GPL-2.0-only
/* invspi config: settings of the network namespace. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "invspi.h"
#include "parse.h"

#define KEYS_MAX 16
#define KEY_LEN 32

static const char config_usage[] =
	"Usage: invspi config [ show ]\n"
	"       invspi config set KEY VALUE [ KEY VALUE ]...\n"
	"KEY := { flows-max | desync-packets | log-rate | events-rate |\n"
	"         desync-ms | idle-ms | log-interval-ms }\n"
	"VALUE := NUMBER, for the keys that end in -ms also with a unit: 500ms, 2s, 10m, 1h\n";

static void swap(char to[KEY_LEN], const char *from, char old, char new)
{
	size_t i;

	for (i = 0; i < KEY_LEN - 1 && from[i]; i++)
		to[i] = from[i] == old ? new : from[i];
	to[i] = '\0';
}

static void print_config(struct invspi *inv, const struct invspi_config *config)
{
	const struct invspi_config_key *key;
	struct fmt *f = &inv->out;
	char json_key[KEY_LEN];

	fmt_object(f, NULL);
	for (key = invspi_config_keys; key->name; key++) {
		if (!(config->present & INVSPI_CONFIG_BIT(key->attr)))
			continue;
		swap(json_key, key->name, '-', '_');
		fmt_text(f, "%s ", key->name);
		fmt_number(f, json_key, "%" PRIu64 "\n", config->value[key->attr]);
	}
	fmt_object_end(f);
	if (fmt_is_json(f))
		fmt_line(f);
}

static int config_show(struct invspi *inv, struct args *args)
{
	struct invspi_config config;
	struct invspi_err err;
	struct invspi_nl *nl;
	int rc;

	if (want_end(args))
		return EXIT_USAGE;
	if (invspi_nl_open(&nl, &err))
		return failed(&err);
	rc = invspi_nl_config_get(nl, &config, &err);
	invspi_nl_close(nl);
	if (rc)
		return failed(&err);
	print_config(inv, &config);
	return EXIT_FINE;
}

static const struct invspi_config_key *find_key(const char *word, struct invspi_err *err)
{
	const char *words[KEYS_MAX + 1];
	char dashed[KEY_LEN];
	int i;

	for (i = 0; i < KEYS_MAX && invspi_config_keys[i].name; i++)
		words[i] = invspi_config_keys[i].name;
	words[i] = NULL;
	swap(dashed, word, '_', '-');
	/* Cut off, it could look like a key. */
	i = parse_keyword(strlen(word) < KEY_LEN ? dashed : word, "key", words, err);
	return i < 0 ? NULL : &invspi_config_keys[i];
}

static int set_key(struct invspi_config *config, const char *word, const char *value,
		   struct invspi_err *err)
{
	const struct invspi_config_key *key = find_key(word, err);
	uint64_t v;
	int rc;

	if (!key)
		return -1;
	if (config->present & INVSPI_CONFIG_BIT(key->attr))
		return invspi_err_set(err, EINVAL, "key \"%s\" is given twice", key->name);
	if (!value)
		return invspi_err_set(err, EINVAL, "key \"%s\" needs a value", key->name);
	/* The kernel knows the bounds, and says them. */
	if (key->is_ms)
		rc = parse_duration(value, key->name, 1, 0, UINT32_MAX, &v, err);
	else
		rc = parse_number(value, key->name, 0, UINT32_MAX, &v, err);
	if (rc)
		return rc;
	config->value[key->attr] = (uint32_t)v;
	config->present |= INVSPI_CONFIG_BIT(key->attr);
	return 0;
}

static int config_set(struct invspi *inv, struct args *args)
{
	struct invspi_config config = { 0 };
	struct invspi_err err;
	struct invspi_nl *nl;
	const char *word;
	int rc;

	(void)inv;
	while ((word = next_arg(args)))
		if (set_key(&config, word, next_arg(args), &err))
			return usage_error(args, "%s", err.text);
	if (!config.present)
		return usage_error(args, "\"config set\" needs a key and a value");

	if (invspi_nl_open(&nl, &err))
		return failed(&err);
	rc = invspi_nl_config_set(nl, &config, &err);
	invspi_nl_close(nl);
	return rc ? failed(&err) : EXIT_FINE;
}

int config_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "show", config_show },
		{ "list", config_show },
		{ "set", config_set },
		{ NULL, NULL },
	};

	return run_command(inv, args, commands, config_usage, config_show);
}
