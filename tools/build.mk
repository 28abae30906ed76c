# SPDX-License-Identifier: GPL-2.0-only
#
# What the makefiles of the tools and of their tests share. V=1 shows the commands.
#
# SANITIZE=1: AddressSanitizer, with LeakSanitizer, and UndefinedBehaviorSanitizer
# COVERAGE=1: what is run is counted, for gcov

PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g

WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wshadow

INSTRUMENT :=
ifeq ($(SANITIZE),1)
# What they find ends the program. Fortified functions would hide reads and writes
# from AddressSanitizer, which checks them itself.
INSTRUMENT += -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -U_FORTIFY_SOURCE
endif
ifeq ($(COVERAGE),1)
INSTRUMENT += --coverage -O0 -U_FORTIFY_SOURCE
endif

ifeq ($(V),1)
Q :=
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)';
endif

# Nothing is needed to take something away.
CLEANING := $(if $(MAKECMDGOALS),$(if $(filter-out clean uninstall,$(MAKECMDGOALS)),,y))

# $(call need,LIBRARY:PACKAGE...) stops where a library is missing, and names Debian's packages.
need = $(if $(CLEANING),,$(if $(shell command -v $(PKG_CONFIG)),$(call refuse,$(call missing,$(1))),\
	$(error $(PKG_CONFIG) is missing: apt-get install pkg-config)))
missing = $(strip $(foreach n,$(1),$(if $(shell $(PKG_CONFIG) --exists $(call library,$(n)) && echo y),,$(lastword $(subst :, ,$(n))))))
library = $(firstword $(subst :, ,$(1)))
refuse = $(if $(1),$(error libraries are missing: apt-get install $(1)))
