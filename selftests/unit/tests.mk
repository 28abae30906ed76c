# SPDX-License-Identifier: GPL-2.0-only
# What single tests need beside libinvspi.a; see Makefile.

CONF := $(addprefix invspid/,conf.o conf_copy.o conf_file.o conf_keys.o conf_program.o happen_names.o whom.o)
OBJS_test_conf := $(CONF)
LIBS_test_conf := libconfuse libuv

DECIDE := invspid/decide.o invspid/decide_names.o invspid/verify.o
OBJS_test_decide := $(DECIDE)
OBJS_test_decide_gates := $(DECIDE)
OBJS_test_decide_rungs := $(DECIDE)

OBJS_test_track := invspid/track.o

LISTING := $(addprefix invspid/,ike_listing.o intern.o listing.o)
OBJS_test_watch := invspid/watch.o $(LISTING)
OBJS_test_silence := $(addprefix invspid/,silence.o track.o watch.o) $(LISTING)

VICI := invspid/vici.o invspid/vici_msg.o
IKE := $(addprefix invspid/ike,.o _conns.o _peer.o) $(LISTING)
IKE_VICI := $(IKE) $(VICI) invspid/pool.o $(addprefix invspid/ike_vici,.o _cause.o _event.o _op.o _parse.o \
	_parse_conn.o _copy.o _split.o _conns.o)
IKE_WHACK := invspid/child.o $(addprefix invspid/ike_whack,.o _ask.o _build.o _call.o _cause.o _diff.o _log.o _op.o _parse.o _parse_conn.o \
	_start.o)
IKE_ALL := $(IKE_VICI) $(IKE_WHACK)
OBJS_test_ike_whack := $(IKE_ALL)
LIBS_test_ike_whack := libuv
OBJS_test_ike_whack_op := $(IKE_ALL)
LIBS_test_ike_whack_op := libuv
OBJS_test_vici := $(VICI)
LIBS_test_vici := libuv
OBJS_test_vici_msg := invspid/vici_msg.o
LIBS_test_vici_msg := libuv
OBJS_test_ike_cause := invspid/ike_vici_cause.o invspid/vici_msg.o
LIBS_test_ike_cause := libuv
OBJS_test_ike_copy := $(VICI) $(LISTING) invspid/copy.o invspid/ike_conns.o $(addprefix invspid/ike_vici,_copy.o _parse.o _parse_conn.o)
LIBS_test_ike_copy := libuv
OBJS_test_ike_vici := $(IKE_ALL)
LIBS_test_ike_vici := libuv

HISTORY := $(patsubst %,invspid/%.o,intern pool history history_ask history_db history_prune \
	history_rows history_sa history_sync history_write decide_names)
OBJS_test_history := $(HISTORY)
LIBS_test_history := sqlite3
OBJS_test_history_sync := $(HISTORY)
LIBS_test_history_sync := sqlite3
OBJS_test_history_file := $(HISTORY)
LIBS_test_history_file := sqlite3
OBJS_test_history_doubt := $(HISTORY)
LIBS_test_history_doubt := sqlite3
OBJS_test_history_absurd := $(HISTORY)
LIBS_test_history_absurd := sqlite3
OBJS_test_history_kill := $(HISTORY)
LIBS_test_history_kill := sqlite3

OBJS_test_xfrm_parse := invspid/xfrm_parse.o
LIBS_test_xfrm_parse := libuv
OBJS_test_xfrm_mirror := invspid/pool.o invspid/xfrm_mirror.o invspid/xfrm_parse.o
LIBS_test_xfrm_mirror := libuv

OBJS_test_listing := $(LISTING)
LIBS_test_listing := libuv

OBJS_test_settings := $(CONF) invspid/settings.o invspid/mode.o invspid/decide_names.o
LIBS_test_settings := jansson libconfuse libuv
OBJS_test_history_show := $(HISTORY)
LIBS_test_history_show := sqlite3

RECOVER := $(DECIDE) $(addprefix invspid/,attempt.o initiate.o listing_kept.o recover.o \
	resume.o tally.o) $(LISTING)
OBJS_test_recover := $(RECOVER)
LIBS_test_recover := libuv
OBJS_test_recover_closed := $(RECOVER)
LIBS_test_recover_closed := libuv
OBJS_test_kept := invspid/listing_kept.o $(LISTING)
LIBS_test_kept := libuv
OBJS_test_twin := invspid/twin.o $(LISTING)
LIBS_test_twin := libuv

OBJS_test_redact := invspid/redact.o
OBJS_test_rings := $(addprefix invspid/,pool.o redact.o rings.o)
LIBS_test_rings := libuv
OBJS_test_child := invspid/child.o
LIBS_test_child := libuv
OBJS_test_quota := invspid/quota.o
LIBS_test_quota := libuv
OBJS_test_whom := invspid/whom.o
LIBS_test_whom := libuv
OBJS_test_bundle := $(addprefix invspid/,bundle.o bundle_text.o pool.o quota.o redact.o rings.o)
LIBS_test_bundle := libuv
OBJS_test_xfrm_note := invspid/xfrm_note.o invspid/xfrm_parse.o
LIBS_test_xfrm_note := libuv
OBJS_test_hook := $(CONF) $(addprefix invspid/,child.o decide_names.o env.o hook.o)
LIBS_test_hook := libconfuse libuv
OBJS_test_record := $(CONF) $(addprefix invspid/,bundle.o bundle_text.o child.o decide_names.o env.o listing.o quota.o \
	pool.o record.o record_capture.o record_finish.o record_note.o redact.o rings.o xfrm_note.o xfrm_parse.o)
LIBS_test_record := libconfuse libuv

WHACK_PARSE := invspid/ike_whack_cause.o invspid/ike_whack_parse.o invspid/ike_whack_parse_conn.o invspid/intern.o
OBJS_test_whack_parse := $(WHACK_PARSE)
LIBS_test_whack_parse := libuv
OBJS_test_whack_cause := $(WHACK_PARSE)
LIBS_test_whack_cause := libuv
