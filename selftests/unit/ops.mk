# SPDX-License-Identifier: GPL-2.0-only
# What the tests of metrics, top and doctor need; see Makefile.

OBJS_test_tally = $(DECIDE) invspid/tally.o
OBJS_test_expo := invspid/expo.o
OBJS_test_metrics_accept := invspid/metrics_accept.o
OBJS_test_metrics_http := $(addprefix invspid/,metrics_accept.o metrics_mhd.o)
LIBS_test_metrics_http := libuv libmicrohttpd
OBJS_test_metrics_page = invspid/metrics_page.o invspid/expo.o invspid/tally.o $(DECIDE)
LIBS_test_metrics_page := libuv

OBJS_test_top := $(addprefix invspi/,top_data.o top_rows.o top_draw.o control.o)

OBJS_test_doctor := $(patsubst %,invspi/doctor_%.o,kernel probe helper ike sas leak vici) \
	$(patsubst %,invspi/%.o,control doctor render) \
	$(patsubst %,invspid/%.o,gap vici_msg xfrm_parse xfrm_query)
