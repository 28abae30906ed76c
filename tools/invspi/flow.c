// SPDX-License-Identifier: GPL-2.0-only
/* invspi flow: the table. */
#include <errno.h>

#include "clock.h"
#include "invspi.h"

static const char flow_usage[] =
	"Usage: invspi flow [ show [ SELECTORS ] ]\n"
	"       invspi flow delete SELECTORS\n"
	"       invspi flow flush [ SELECTORS ]\n"
	"SELECTORS := [ src PREFIX ] [ dst PREFIX ] [ spi SPI ] [ proto { esp | ah } ]\n"
	"             [ state { new | desync } ] [ encap { espinudp | espintcp | none } ]\n"
	"             [ sport PORT ]\n";

struct listing {
	struct invspi *inv;
	bool begun;
};

/* Only when there is something to print: a failed dump leaves no half an array. */
static void begin(struct listing *list)
{
	if (list->begun)
		return;
	list->begun = true;
	list->inv->now_ms = wall_ms();
	fmt_array(&list->inv->out, NULL);
}

static int print_cb(const struct invspi_flow *flow, void *arg)
{
	struct listing *list = arg;

	begin(list);
	print_flow(list->inv, NULL, false, flow);
	return 0;
}

static int flow_show(struct invspi *inv, struct args *args)
{
	struct listing list = { .inv = inv };
	struct invspi_filter filter;
	struct invspi_err err;
	struct invspi_nl *nl;
	int rc;

	if (parse_selectors(args, &filter))
		return EXIT_USAGE;
	if (invspi_nl_open(&nl, &err))
		return failed(&err);
	rc = invspi_nl_flow_dump(nl, &filter, print_cb, &list, &err);
	invspi_nl_close(nl);
	if (rc)
		return failed(&err);
	begin(&list);
	fmt_array_end(&inv->out);
	if (fmt_is_json(&inv->out))
		fmt_line(&inv->out);
	return EXIT_FINE;
}

static int do_delete(const struct invspi_filter *filter, bool may_be_none)
{
	struct invspi_err err;
	struct invspi_nl *nl;
	int rc;

	if (invspi_nl_open(&nl, &err))
		return failed(&err);
	rc = invspi_nl_flow_del(nl, filter, &err);
	invspi_nl_close(nl);
	if (rc == -ENOENT && may_be_none)
		return EXIT_FINE;
	if (rc == -ENOENT)
		invspi_err_set(&err, ENOENT, "no flow matches");
	return rc ? failed(&err) : EXIT_FINE;
}

static int flow_delete(struct invspi *inv, struct args *args)
{
	struct invspi_filter filter;

	(void)inv;
	if (parse_selectors(args, &filter))
		return EXIT_USAGE;
	if (!filter.set)
		return usage_error(args, "\"flow delete\" needs a selector; "
					 "to delete all: invspi flow flush");
	return do_delete(&filter, false);
}

static int flow_flush(struct invspi *inv, struct args *args)
{
	struct invspi_filter filter;

	(void)inv;
	if (parse_selectors(args, &filter))
		return EXIT_USAGE;
	return do_delete(&filter, true);
}

int flow_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "show", flow_show },	 { "list", flow_show }, { "delete", flow_delete },
		{ "flush", flow_flush }, { NULL, NULL },
	};

	return run_command(inv, args, commands, flow_usage, flow_show);
}
