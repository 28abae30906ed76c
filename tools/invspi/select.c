// SPDX-License-Identifier: GPL-2.0-only
/* Selectors: `src PREFIX dst PREFIX spi SPI ...' to a filter. */
#include <errno.h>
#include <string.h>

#include "invspi.h"
#include "parse.h"

enum selector { SEL_SRC, SEL_DST, SEL_SPI, SEL_PROTO, SEL_STATE, SEL_ENCAP, SEL_SPORT };

static const char *const selectors[] = { "src",	  "dst",   "spi",   "proto",
					 "state", "encap", "sport", NULL };

static int set_prefix(const char *value, struct invspi_filter *f, bool src, struct invspi_err *err)
{
	struct invspi_prefix p;
	int rc;

	rc = parse_prefix(value, &p, err);
	if (rc)
		return rc;
	if (f->set & (INVSPI_FILTER_SRC | INVSPI_FILTER_DST) && f->family != p.family)
		return invspi_err_set(err, EINVAL,
				      "\"%s\" is of another address family "
				      "than the prefix before it",
				      value);
	f->family = p.family;
	if (src) {
		f->src = p.addr;
		f->src_plen = p.plen;
	} else {
		f->dst = p.addr;
		f->dst_plen = p.plen;
	}
	return 0;
}

static int set_encap(const char *value, struct invspi_filter *f, struct invspi_err *err)
{
	static const char *const words[] = { "espinudp", "espintcp", "none", NULL };
	static const uint32_t types[] = {
		XFRM_INVSPI_ENCAP_ESPINUDP,
		XFRM_INVSPI_ENCAP_ESPINTCP,
		XFRM_INVSPI_ENCAP_NONE,
	};
	int i = parse_keyword(value, "encapsulation", words, err);

	if (i >= 0)
		f->encap_type = types[i];
	return i < 0 ? i : 0;
}

static int set_selector(enum selector sel, const char *value, struct invspi_filter *f,
			struct invspi_err *err)
{
	static const char *const protos[] = { "esp", "ah", NULL };
	static const char *const states[] = { "new", "desync", NULL };
	uint64_t port;
	int i;

	switch (sel) {
	case SEL_SRC:
	case SEL_DST:
		return set_prefix(value, f, sel == SEL_SRC, err);
	case SEL_SPI:
		return parse_spi(value, &f->spi, err);
	case SEL_PROTO:
		i = parse_keyword(value, "protocol", protos, err);
		f->proto = i == 0 ? IPPROTO_ESP : IPPROTO_AH;
		return i < 0 ? i : 0;
	case SEL_STATE:
		i = parse_keyword(value, "state", states, err);
		f->state = i == 0 ? XFRM_INVSPI_FLOW_STATE_NEW : XFRM_INVSPI_FLOW_STATE_DESYNC;
		return i < 0 ? i : 0;
	case SEL_ENCAP:
		return set_encap(value, f, err);
	case SEL_SPORT:
		i = parse_number(value, "port", 0, 65535, &port, err);
		f->sport = i ? 0 : port;
		return i;
	}
	return 0;
}

/**
 * parse_selectors() - take all words that are left
 *
 * Return: EXIT_FINE, or EXIT_USAGE after telling why.
 */
int parse_selectors(struct args *args, struct invspi_filter *filter)
{
	static const uint32_t bits[] = {
		[SEL_SRC] = INVSPI_FILTER_SRC,	   [SEL_DST] = INVSPI_FILTER_DST,
		[SEL_SPI] = INVSPI_FILTER_SPI,	   [SEL_PROTO] = INVSPI_FILTER_PROTO,
		[SEL_STATE] = INVSPI_FILTER_STATE, [SEL_ENCAP] = INVSPI_FILTER_ENCAP,
		[SEL_SPORT] = INVSPI_FILTER_SPORT,
	};
	const char *word, *value;
	struct invspi_err err;
	int sel;

	memset(filter, 0, sizeof(*filter));
	while ((word = next_arg(args))) {
		sel = parse_keyword(word, "selector", selectors, &err);
		if (sel < 0)
			return usage_error(args, "%s", err.text);
		if (filter->set & bits[sel])
			return usage_error(args, "selector \"%s\" is given twice", selectors[sel]);
		value = next_arg(args);
		if (!value)
			return usage_error(args, "selector \"%s\" needs a value", selectors[sel]);
		if (set_selector(sel, value, filter, &err))
			return usage_error(args, "%s", err.text);
		filter->set |= bits[sel];
	}
	if (!(filter->set & INVSPI_FILTER_SPORT))
		return EXIT_FINE;
	/* Only ESP in UDP has ports. */
	if (filter->set & INVSPI_FILTER_ENCAP && filter->encap_type != XFRM_INVSPI_ENCAP_ESPINUDP)
		return usage_error(args, "\"sport\" goes with \"encap espinudp\" only");
	filter->encap_type = XFRM_INVSPI_ENCAP_ESPINUDP;
	filter->set |= INVSPI_FILTER_ENCAP;
	return EXIT_FINE;
}
