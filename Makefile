# SPDX-License-Identifier: GPL-2.0-only
#
# make               module for the running kernel (or KDIR), and the tools
# make demo          the whole story on two gateways, in a virtual machine
# make check         the tests of the gate, in virtual machines; PART="NAME..." for some
# make check-all     the long ones; PART=NAME for one of them, AGAIN=1, REPORT=FILE
# make bench         what a packet costs, beside what one might use instead, and
#                    the helper with 10,000 SAs; RELEASE=bookworm (or trixie, sid), JSON=FILE
# make fuzz          FUZZ_SECONDS for each fuzz target (60)
# make style         checkpatch --strict, sparse, clang-format, shellcheck, mandoc
# make install       DESTDIR=, prefix=; see README for every variable
# make dkms-install  the module's sources where dkms(8) builds them for every kernel
# make deb           Debian packages, in tools/packaging/out or OUT=
# make uninstall     what make install and make dkms-install have put there

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
	selftests/check $(PART)

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

MODULES_LOAD := $(DESTDIR)/usr/lib/modules-load.d/xfrm_invspi.conf

install-kmod: kmod install-modules-load
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) modules_install
	$(if $(DESTDIR),,depmod $(KVER))

install-modules-load:
	install -D -m 644 kmod/modules-load.conf $(MODULES_LOAD)

install-tools: tools
	$(MAKE) -C tools install DESTDIR=$(DESTDIR)

DKMS_VERSION ?= $(shell sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' kmod/main.c)
DKMS_NAME := xfrm-invspi/$(DKMS_VERSION)
DKMS_SOURCE := $(DESTDIR)/usr/src/xfrm-invspi-$(DKMS_VERSION)

dkms-install: install-modules-load
	install -d $(DKMS_SOURCE)/kmod $(DKMS_SOURCE)/uapi/linux
	install -m 644 Kbuild $(DKMS_SOURCE)
	install -m 644 kmod/Kbuild $(wildcard kmod/*.[ch]) $(DKMS_SOURCE)/kmod
	install -m 644 $(wildcard uapi/linux/*.h) $(DKMS_SOURCE)/uapi/linux
	sed 's/#MODULE_VERSION#/$(DKMS_VERSION)/' kmod/dkms.conf >$(DKMS_SOURCE)/dkms.conf
	$(if $(DESTDIR),,if [ -d /var/lib/dkms/$(DKMS_NAME) ]; then dkms remove $(DKMS_NAME) --all; fi)
	$(if $(DESTDIR),,dkms install $(DKMS_NAME))

deb:
	tools/packaging/deb $(OUT)

uninstall:
	$(MAKE) -C tools uninstall DESTDIR=$(DESTDIR)
	rm -f $(MODULES_LOAD)
	$(if $(DESTDIR),,if [ -d /var/lib/dkms/$(DKMS_NAME) ]; then dkms remove $(DKMS_NAME) --all; fi)
	rm -rf $(DKMS_SOURCE)
	rm -f $(foreach d,extra updates,$(wildcard $(DESTDIR)/lib/modules/*/$(d)/kmod/xfrm_invspi.ko*))
	$(if $(DESTDIR),,depmod $(KVER))

clean:
	$(MAKE) -C tools clean
	$(MAKE) -C selftests clean
	if [ -d "$(KDIR)" ]; then $(MAKE) -C $(KDIR) M=$(CURDIR) clean; fi

.PHONY: all kmod tools selftests demo check check-all bench fuzz style clean deb uninstall
.PHONY: install install-kmod install-modules-load install-tools dkms-install
