# swarmboot: one Makefile, no recursion. `make demo` and `make check` are all that a new user needs.
#   VARIANT=debug|release|san   build/<variant>/ holds everything that is made
VARIANT ?= debug
VERSION := 0.1.0
B := build/$(VARIANT)

PACKAGES := libarchive libsquashfs1 libcrypto libssl libsodium libfyaml jansson libmicrohttpd sqlite3 \
	libnl-3.0 libnl-route-3.0 libkmod libzstd libcap libseccomp

# Debian 12 packages: to build, to run, to test.
DEPS := build-essential pkg-config libarchive-dev libsquashfs-dev libtorrent-rasterbar-dev libssl-dev \
	libsodium-dev libfyaml-dev libjansson-dev libmicrohttpd-dev libsqlite3-dev libnl-3-dev \
	libnl-route-3-dev libkmod-dev libzstd-dev libcap-dev libseccomp-dev \
	dnsmasq-base ipxe mmdebstrap kmod dnf rpm skopeo squashfs-tools squashfs-tools-ng cryptsetup-bin \
	libcmocka-dev bats perl python3 python3-yaml qemu-system-x86 ipxe-qemu ovmf iproute2 nftables minisign \
	attr libcap2-bin createrepo-c docker-registry gnupg umoci libxml2-utils python3-yaml \
	zstd apt-utils cpio jq systemd uidmap curl aria2 transmission-cli procps munge slurmctld slurmd slurm-client \
	clang-format shellcheck codespell man-db

include_flags := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)

CC := gcc
CXX := g++
WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wvla -Wpointer-arith -Wwrite-strings -Wundef
CWARN := $(WARN) -Wmissing-prototypes -Wstrict-prototypes
OPT_debug := -O1 -g
OPT_release := -O2 -D_FORTIFY_SOURCE=2
# clang's: CC=clang; only `make fuzz` builds it
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -DFUZZ
OPT_san := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
CPPFLAGS := -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DSWARMBOOT_VERSION='"$(VERSION)"' $(include_flags)
CFLAGS := -std=gnu17 $(OPT_$(VARIANT)) $(CWARN) -fstack-protector-strong
CXXFLAGS := -std=gnu++17 $(OPT_$(VARIANT)) $(WARN) $(shell pkg-config --cflags libtorrent-rasterbar 2>/dev/null)
LDFLAGS_release := -s
LDFLAGS := $(OPT_$(VARIANT)) $(LDFLAGS_$(VARIANT)) -Wl,--as-needed

# ---- components: one archive each, sources one file a line ----

SRC_base := \
	imager/base/buf.c \
	imager/base/cli.c \
	imager/base/clihelp.c \
	imager/base/err.c \
	imager/base/hostlist.c \
	imager/base/io.c \
	imager/base/log.c \
	imager/base/loop.c \
	imager/base/parse.c \
	imager/base/proc.c \
	imager/base/progress.c \
	imager/base/text.c \
	imager/base/words.c

SRC_format := \
	imager/format/adopt.c \
	imager/format/digest.c \
	imager/format/gc.c \
	imager/format/index.c \
	imager/format/json.c \
	imager/format/lay.c \
	imager/format/minifile.c \
	imager/format/minisign.c \
	imager/format/ociimage.c \
	imager/format/ocimanifest.c \
	imager/format/publish.c \
	imager/format/release.c \
	imager/format/releases.c \
	imager/format/secretkey.c \
	imager/format/store.c \
	imager/format/storeblob.c \
	imager/format/storecheck.c \
	imager/format/storegc.c \
	imager/format/storework.c \
	imager/format/trust.c \
	imager/format/verity.c \
	imager/format/yaml.c \
	imager/format/yamlalias.c \
	imager/format/yamldoc.c \
	imager/format/yamlinclude.c \
	imager/format/yamljson.c \
	imager/format/yamlmerge.c \
	imager/format/yamlprint.c \
	imager/format/yamltree.c

SRC_wire := \
	seeder/wire/bootargs.c \
	seeder/wire/channels.c \
	seeder/wire/http.c \
	seeder/wire/httprange.c \
	seeder/wire/report.c \
	seeder/wire/seed.c \
	seeder/wire/tcp.c

SRC_swarm := \
	seeder/swarm/datafile.c \
	seeder/swarm/swarm.cpp

SRC_imager := \
	imager/boot/bootfiles.c \
	imager/boot/closure.c \
	imager/boot/cpio.c \
	imager/boot/firmware.c \
	imager/boot/initrd.c \
	imager/boot/kconfig.c \
	imager/boot/moduleindex.c \
	imager/boot/modules.c \
	imager/boot/stagefile.c \
	imager/boot/zstdfile.c \
	imager/build.c \
	imager/buildcmd.c \
	imager/buildlock.c \
	imager/buildstages.c \
	imager/source/basecache.c \
	imager/cache/cache.c \
	imager/cache/cachetrim.c \
	imager/machine.c \
	imager/packages/packagelist.c \
	imager/packages/packages.c \
	imager/packages/rpmdb.c \
	imager/packages/spdx.c \
	imager/packages/spdxid.c \
	imager/packages/spdxread.c \
	imager/profile/profile.c \
	imager/profile/profilecheck.c \
	imager/profile/profilecmd.c \
	imager/profile/profilefrom.c \
	imager/profile/profileitems.c \
	imager/profile/profilekeys.c \
	imager/profile/profilesource.c \
	imager/profile/profilevars.c \
	imager/releases/diff.c \
	imager/releases/diffcmd.c \
	imager/releases/difffiles.c \
	imager/releases/diffshow.c \
	imager/releases/images.c \
	imager/jsonout.c \
	imager/releases/password.c \
	imager/releases/sign.c \
	imager/releases/signreview.c \
	imager/releases/skopeo.c \
	imager/releases/transfer.c \
	imager/releases/transfercmd.c \
	imager/sandbox.c \
	imager/source/blame.c \
	imager/source/deb.c \
	imager/source/debapt.c \
	imager/source/debbase.c \
	imager/source/debian.c \
	imager/source/debinstall.c \
	imager/source/deblists.c \
	imager/source/debpool.c \
	imager/source/debresolve.c \
	imager/source/debsources.c \
	imager/source/dir.c \
	imager/source/lock.c \
	imager/source/lockparse.c \
	imager/source/oci.c \
	imager/source/ocibring.c \
	imager/source/release.c \
	imager/source/rpm.c \
	imager/source/rpmbase.c \
	imager/source/rpmconf.c \
	imager/source/source.c \
	imager/source/tar.c \
	imager/squash/blockcache.c \
	imager/squash/blockhash.c \
	imager/squash/blockpack.c \
	imager/squash/compare.c \
	imager/squash/data.c \
	imager/squash/file.c \
	imager/squash/image.c \
	imager/squash/pool.c \
	imager/squash/reader.c \
	imager/squash/same.c \
	imager/squash/squash.c \
	imager/squash/tree.c \
	imager/squash/write.c \
	imager/squash/xattr.c \
	imager/tree/archiveutil.c \
	imager/tree/artifacts.c \
	imager/intree.c \
	imager/tree/lint.c \
	imager/tree/linttext.c \
	imager/tree/scrub.c \
	imager/tree/tree.c \
	imager/tree/treecopy.c \
	imager/tree/treefile.c \
	imager/tree/treelayer.c \
	imager/tree/treeowner.c \
	imager/tree/treepack.c \
	imager/tree/treewrite.c \
	imager/userns.c \
	imager/workdir.c

SRC_seeder := \
	seeder/api.c \
	seeder/blobproof.c \
	seeder/boot.c \
	seeder/catalog.c \
	seeder/cluster.c \
	seeder/clusterfile.c \
	seeder/clusternet.c \
	seeder/clusternode.c \
	seeder/clusterrack.c \
	seeder/clusterrow.c \
	seeder/clusterseed.c \
	seeder/clusterseeder.c \
	seeder/dnsmasq.c \
	seeder/dnsmasqconf.c \
	seeder/gccmd.c \
	seeder/gcneeds.c \
	seeder/http.c \
	seeder/httppeers.c \
	seeder/httpsend.c \
	seeder/httpworker.c \
	seeder/ipxe.c \
	seeder/limits.c \
	seeder/mirror/bring.c \
	seeder/mirror/follow.c \
	seeder/mirror/mirror.c \
	seeder/mirror/part.c \
	seeder/mirror/state.c \
	seeder/mirror/url.c \
	seeder/offerlist.c \
	seeder/pauses.c \
	seeder/offers.c \
	seeder/poke.c \
	seeder/policy.c \
	seeder/policychoice.c \
	seeder/policyrank.c \
	seeder/reload.c \
	seeder/policytree.c \
	seeder/scanner.c \
	seeder/seedapi.c \
	seeder/seedcmd.c \
	seeder/seedwords.c \
	seeder/sender.c \
	seeder/serve.c \
	seeder/status.c \
	seeder/statuscmd.c \
	seeder/statusdb.c \
	seeder/statusfile.c \
	seeder/statusjson.c \
	seeder/statusplace.c \
	seeder/torrent.c \
	seeder/tracker.c \
	seeder/verified.c

SRC_agent := \
	initramfs/backoff.c \
	initramfs/bundle.c \
	initramfs/fetch.c \
	initramfs/fetcher.c \
	initramfs/httpfetch.c \
	initramfs/handover.c \
	initramfs/link.c \
	initramfs/memory.c \
	initramfs/modules.c \
	initramfs/mounts.c \
	initramfs/obtain.c \
	initramfs/report.c \
	initramfs/role.c \
	initramfs/root.c \
	initramfs/sandbox.c \
	initramfs/policyrole.c \
	initramfs/seed.c \
	initramfs/seedask.c \
	initramfs/seedfolder.c \
	initramfs/steps.c \
	initramfs/up.c \
	initramfs/verify.c

COMPONENTS := base format wire swarm imager seeder agent

LIBS_base :=
LIBS_format := $(shell pkg-config --libs jansson libcrypto libsodium libfyaml 2>/dev/null)
LIBS_wire := $(shell pkg-config --libs jansson libssl libcrypto 2>/dev/null)
LIBS_swarm := $(shell pkg-config --libs libtorrent-rasterbar 2>/dev/null) -lstdc++ -lpthread
LIBS_imager := $(shell pkg-config --libs libarchive libsquashfs1 libkmod libzstd 2>/dev/null)
LIBS_seeder := $(shell pkg-config --libs libmicrohttpd sqlite3 2>/dev/null)
LIBS_agent := $(shell pkg-config --libs libnl-3.0 libnl-route-3.0 libkmod libseccomp libcap 2>/dev/null)

obj = $(addprefix $(B)/obj/,$(addsuffix .o,$(basename $(1))))
ar = $(addprefix $(B)/lib,$(addsuffix .a,$(1)))
libs = $(foreach c,$(1),$(LIBS_$(c)))

# Who links what, upper layers first.
USES_swarmboot := imager seeder swarm wire format base
USES_init := agent swarm wire format base

# Objects are kept, also those that only a test program needs.
.SECONDARY:

.PHONY: all
all: $(B)/swarmboot $(B)/swarmboot-init man

$(B)/swarmboot: $(call obj,swarmboot.c) $(call ar,$(USES_swarmboot))
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,$(USES_swarmboot)) -lm

$(B)/swarmboot-init: $(call obj,initramfs/main.c) $(call ar,$(USES_init))
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,$(USES_init)) -lm

define archive
$(B)/lib$(1).a: $(call obj,$(SRC_$(1)))
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach c,$(COMPONENTS),$(eval $(call archive,$(c))))

# A change of flags rebuilds what they were used for.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(CXX) $(CXXFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(CXX) $(CXXFLAGS)' >$@
.PHONY: FORCE

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.cpp $(B)/flags
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# The templates are read by the assembler, which tells no dependencies.
$(B)/obj/seeder/ipxe.o: $(wildcard ipxe/*.ipxe)

# ---- man pages, from the command tables ----

COMMANDS := build profile keygen sign verify diff images show tag push pull export import gc serve status seed
MAN := $(COMMANDS:%=$(B)/man/swarmboot-%.1)

.PHONY: man
man: $(MAN)

$(B)/man/swarmboot-%.1: $(B)/swarmboot
	@mkdir -p $(@D)
	$< $* --man >$@.tmp && mv $@.tmp $@

# ---- tests ----

UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
# Tests link the components that ship; the linker drops what a test does not use.
$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(call ar,imager seeder agent swarm wire format base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call libs,imager seeder agent swarm wire format base) -lcmocka -lm

# Each replays a corpus of its own; `make fuzz` goes beyond it.
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/*.c))
$(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(call ar,imager format base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(and $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) -o $@ $^ $(call libs,imager format base)

# A store with releases of no real content, for tests that need one and no build.
FIXTURES := $(B)/tests/fixture_release
$(FIXTURES): $(call obj,tests/cli/fixture_release.c) $(call ar,format base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,format base)

# The pack alone, for tests/bench/imager to measure.
PACK := $(B)/tests/pack
$(PACK): $(call obj,tests/bench/pack.c) $(call ar,imager format base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,imager format base)

# A storm of nodes, for tests/bench/capacity.
STORM := $(B)/tests/storm
$(STORM): $(call obj,tests/bench/storm.c) $(call ar,agent wire format base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,wire format base)

# The head's tables at many nodes.
TABLES := $(B)/tests/tables
$(TABLES): $(call obj,tests/bench/tables.c) $(call ar,seeder swarm wire format base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,seeder swarm wire format base)

# A thin main over the swarm and the tracker, for tests/netns/swarm.bats.
SWARM_PEER := $(B)/tests/swarm_peer
$(SWARM_PEER): $(call obj,tests/netns/swarm_peer.c) $(call ar,seeder swarm wire format base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,seeder swarm wire format base)

PROVE := prove --timer --failures --comments --exec tests/run
CLI_TESTS = $(wildcard tests/cli/*.bats)
NETNS_TESTS = $(wildcard tests/netns/*.bats)
QEMU_TESTS = $(wildcard tests/qemu/*.bats)
export BUILD_DIR := $(CURDIR)/$(B)

.PHONY: check check-unit check-cli check-netns check-qemu
check: deps
	@$(MAKE) --no-print-directory all unit-tests $(FUZZERS) $(FIXTURES) $(PACK) $(SWARM_PEER)
	$(PROVE) $(UNIT) $(FUZZERS) $(CLI_TESTS) $(NETNS_TESTS) $(QEMU_TESTS)

.PHONY: unit-tests
unit-tests: $(UNIT)

check-unit: $(UNIT) $(FUZZERS)
	$(PROVE) $(UNIT) $(FUZZERS)

# With Debian's clang. FUZZ_SECONDS for each fuzzer; what it finds stays in build/fuzz, the corpus as it is.
FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz:
ifeq ($(VARIANT),fuzz)
	@$(MAKE) --no-print-directory $(FUZZERS)
	for f in $(notdir $(FUZZERS)); do \
		mkdir -p $(B)/corpus/$$f && $(B)/tests/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -detect_leaks=0 -artifact_prefix=$(B)/ \
			$(B)/corpus/$$f tests/fuzz/corpus/$$f || exit 1; done
else
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz
endif

check-cli: all $(FIXTURES) $(PACK)
	$(PROVE) $(CLI_TESTS)

check-netns: all $(FIXTURES) $(SWARM_PEER)
	$(PROVE) $(NETNS_TESTS)

check-qemu: all
	$(PROVE) $(QEMU_TESTS)

# ---- the demo ----

.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory VARIANT=release all
	BUILD_DIR=$(CURDIR)/build/release tests/lab/demo

# ---- benches: on a quiet machine, of what ships; not part of make check ----

BENCH_DEPS := opentracker transmission-cli udpcast nginx-light aria2

.PHONY: bench-swarm
bench-swarm: deps
	@$(MAKE) --no-print-directory deps DEPS='$(BENCH_DEPS)'
	@$(MAKE) --no-print-directory VARIANT=release all build/release/tests/fixture_release build/release/tests/swarm_peer
	tests/bench/swarm

.PHONY: bench-imager
bench-imager: deps
	@$(MAKE) --no-print-directory VARIANT=release all build/release/tests/pack
	tests/bench/imager

# 10,000 nodes against tracker and boot HTTP.
.PHONY: bench-capacity
bench-capacity: deps
	@$(MAKE) --no-print-directory deps DEPS='$(BENCH_DEPS)'
	@$(MAKE) --no-print-directory VARIANT=release all build/release/tests/fixture_release build/release/tests/storm
	tests/bench/capacity

# The policy with 10,000 nodes in one rack, and the node table.
.PHONY: bench-tables
bench-tables: deps
	@$(MAKE) --no-print-directory VARIANT=release build/release/tests/tables
	build/release/tests/tables

# Writes docs/scale.md anew, with what build/bench/ has by now.
.PHONY: scale
scale:
	tests/bench/model

# ---- set-up and hygiene ----

.PHONY: deps
deps:
	@missing=$$(for package in $(DEPS); do \
		case $$(dpkg-query -W -f '$${db:Status-Abbrev}' $$package 2>/dev/null) in \
		ii*) ;; *) echo $$package ;; esac; done); \
	if [ -n "$$missing" ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

.PHONY: lint
lint:
	tests/lint

.PHONY: print-flags
print-flags:
	@printf '%s\n' '$(CPPFLAGS) -std=gnu17 -Wall -Wextra'

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
