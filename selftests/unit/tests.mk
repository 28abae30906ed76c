# SPDX-License-Identifier: GPL-2.0-only
# What single tests need beside libinvspi.a; see Makefile.

OBJS_test_conf := invspid/conf.o invspid/conf_file.o invspid/conf_keys.o
LIBS_test_conf := libconfuse

OBJS_test_decide := invspid/decide.o
OBJS_test_decide_gates := invspid/decide.o
