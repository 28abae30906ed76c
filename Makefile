# SPDX-License-Identifier: GPL-2.0-only
#
# make               module for the running kernel (or KDIR), and the tools
# make demo          the whole story on two gateways, in a virtual machine
# make check         the tests of the gate, in virtual machines
# make check-all     the long ones; PART=NAME for one of them, AGAIN=1, REPORT=FILE
# make bench         what a packet costs, beside what one might use instead, and
#                    the helper with 10,000 SAs; RELEASE=bookworm (or trixie, sid), JSON=FILE
# make fuzz          FUZZ_SECONDS for each fuzz target (60)
# make style         checkpatch --strict, sparse, clang-format, shellcheck, mandoc
# make install       DESTDIR=, prefix=; see README for every variable

KVER   ?= $(shell uname -r)
KDIR   ?= /lib/modules/$(KVER)/build
prefix ?= /usr/local
export prefix

all: kmod tools

kmod:
	@test -d "$(KDIR)" || { echo "no kernel headers at $(KDIR): install linux-headers-$(KVER), or name them with KDIR=" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) W=1 modules

tools:
	$(MAKE) -C tools all

selftests:
	$(MAKE) -C selftests all

demo:
	selftests/demo

check:
	selftests/check

check-all:
	REPORT=$(if $(REPORT),$(abspath $(REPORT))) AGAIN=$(AGAIN) selftests/check-all $(PART)

bench:
	selftests/bench/run $(if $(RELEASE),--release $(RELEASE)) $(if $(JSON),--json $(JSON))

fuzz:
	selftests/lib/deps build fuzz
	$(MAKE) -C selftests/fuzz run

style:
	selftests/lib/deps vm build style
	selftests/style

install: install-kmod install-tools

install-kmod: kmod
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) modules_install

install-tools: tools
	$(MAKE) -C tools install DESTDIR=$(DESTDIR)

clean:
	$(MAKE) -C tools clean
	$(MAKE) -C selftests clean
	if [ -d "$(KDIR)" ]; then $(MAKE) -C $(KDIR) M=$(CURDIR) clean; fi

.PHONY: all kmod tools selftests demo check check-all bench fuzz style install install-kmod install-tools clean
