# SPDX-License-Identifier: GPL-2.0-only
# What single tests need beside libinvspi.a; see Makefile.
