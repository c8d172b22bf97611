# minidock: what a developer can do. `make help` lists it.
SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
BUILD := build
SWIFT ?= swift
STRIP_FLAGS ?= -Xlinker -s
IMAGES := $(BUILD)/images
UNITS = $(PREFIX)/lib/systemd/system
BINARY := .build/release/minidock
DEBIAN_PACKAGES := libarchive-dev libcap-dev libmnl-dev libseccomp-dev libzstd-dev liblzma-dev \
  libbz2-dev liblz4-dev zlib1g-dev libacl1-dev libisal2 pkg-config busybox-static

# Everything but libc, libm and libmnl (which Debian has no archive of) is linked statically: a dynamic
# Swift runtime and libarchive's shared library would cost each start more than the container does.
# minidock-oci, which engines start for each step of each container, has not even these.
STATIC_LIBS := stdc++ archive z zstd lzma bz2 lz4 acl cap seccomp
# Without colours, or what was built in a terminal would be built again for a pipe, and the reverse.
SWIFT_FLAGS := --no-color-diagnostics -c release --static-swift-stdlib --disable-local-rpath \
  -Xlinker -L$(CURDIR)/$(BUILD)/lib $(foreach name,z zstd lzma bz2 lz4 acl,-Xlinker -l$(name)) $(STRIP_FLAGS) -Xlinker --gc-sections \
  -Xswiftc -Xclang-linker -Xswiftc -no-pie -Xswiftc -Xclang-linker -Xswiftc -static-libgcc \
  -Xswiftc -use-ld=lld -Xlinker --no-export-dynamic -Xlinker --icf=safe
# What starts execute lies together, by lists that Scripts/link-order writes: scattered over the program each
# function costs a page fault and 64 kB of memory. Names that are no more do no harm.
order = -Xlinker --symbol-ordering-file=$(CURDIR)/Scripts/$(1).order -Xlinker --no-warn-symbol-ordering
# One file of swift-nio that nothing here calls asks for all of Foundation and ICU: 43 of 68 MB of
# minidock-registry. Empty archives of their names, found before the real ones, leave them out; would
# something need them after all, the link fails. (Clang's CCC_OVERRIDE_OPTIONS, as its own folder comes first.)
LEFT_OUT := Foundation FoundationInternationalization CoreFoundation _FoundationICU
# One build for `make check` and `make test`: other flags would compile everything again.
export TEST_BUILD_FLAGS := --no-color-diagnostics --build-tests -Xswiftc -warnings-as-errors

.PHONY: help deps build images run test check fmt bench install uninstall clean docs

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## Install the Debian packages that are missing
	@Scripts/install-packages $(DEBIAN_PACKAGES)

build: deps $(BUILD)/lib/.made ## Build the release executables
	$(SWIFT) build $(SWIFT_BUILD_EXTRA) $(SWIFT_FLAGS) $(call order,minidock) --product minidock
	CCC_OVERRIDE_OPTIONS='# s/^-no-pie$$/-static/' \
	  $(SWIFT) build $(SWIFT_BUILD_EXTRA) $(SWIFT_FLAGS) $(call order,minidock-oci) --product minidock-oci
	CCC_OVERRIDE_OPTIONS='# ^-L$(CURDIR)/$(BUILD)/lib/empty' \
	  $(SWIFT) build $(SWIFT_BUILD_EXTRA) $(SWIFT_FLAGS) --product minidock-registry

$(BUILD)/lib/.made:
	@mkdir -p $(BUILD)/lib
	@for name in $(STATIC_LIBS); do \
	  file=$$(gcc -print-file-name=lib$$name.a); \
	  [ -f "$$file" ] && ln -sf "$$file" $(BUILD)/lib/ || echo "no lib$$name.a: linking it dynamically"; \
	done
	@mkdir -p $(BUILD)/lib/empty
	@for name in $(LEFT_OUT); do ar crs $(BUILD)/lib/empty/lib$$name.a; done
	@touch $@

images: deps ## Make the bundled images that are missing
	@mkdir -p $(IMAGES)
	@[ -f $(IMAGES)/busybox.tar ] || images/busybox/build.sh $(IMAGES)/busybox.tar
	@cp images/busybox/image.conf $(IMAGES)/busybox.conf

run: build images ## Run a shell in a busybox container, or ARGS='run --rm busybox uname -a'
	@if [ -n "$(ARGS)" ]; then MINIDOCK_IMAGES=$(CURDIR)/$(IMAGES) $(BINARY) $(ARGS); \
	elif [ -t 0 ]; then MINIDOCK_IMAGES=$(CURDIR)/$(IMAGES) $(BINARY) run --rm -it busybox sh; \
	else MINIDOCK_IMAGES=$(CURDIR)/$(IMAGES) $(BINARY) run --rm -i busybox sh; fi

test: build images ## Run every test
	@Scripts/install-packages $$(cat Tests/packages)
	$(SWIFT) build $(TEST_BUILD_FLAGS)
	MINIDOCK_BINARY=$(CURDIR)/$(BINARY) MINIDOCK_IMAGES=$(CURDIR)/$(IMAGES) $(SWIFT) test --no-color-diagnostics --skip-build

check: deps ## Check format, warnings, layering and documentation
	@Scripts/check

fmt: ## Format all Swift files
	$(SWIFT) format -i -r --configuration .swift-format Package.swift Sources Tests

bench: build images ## Measure starts, living containers, networks and images beside the floor and other engines; ARGS='--image-only'
	Benchmarks/bench.sh $(CURDIR)/$(BINARY) $(ARGS)

docs: build ## Write the command reference and the list of security tests
	Scripts/reference $(BINARY) > docs/reference.md
	Scripts/security-tests

install: build images ## Install program, images, service and completions under PREFIX
	install -Dm755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/minidock
	install -Dm755 $(BINARY)-oci $(DESTDIR)$(PREFIX)/bin/minidock-oci
	install -Dm755 $(BINARY)-registry $(DESTDIR)$(PREFIX)/libexec/minidock/minidock-registry
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/minidock/images $(IMAGES)/busybox.tar $(IMAGES)/busybox.conf
	mkdir -p $(DESTDIR)$(UNITS)
	sed 's|@BINDIR@|$(PREFIX)/bin|' contrib/minidock.service > $(DESTDIR)$(UNITS)/minidock.service
	chmod 644 $(DESTDIR)$(UNITS)/minidock.service
	mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BINARY) --generate-completion-script bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/minidock
	$(BINARY) --generate-completion-script zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_minidock
	$(BINARY) --generate-completion-script fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/minidock.fish

uninstall: ## Remove what make install has installed; containers and images stay
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/minidock bin/minidock-oci libexec/minidock/minidock-registry share/minidock/images/busybox.tar \
	  share/minidock/images/busybox.conf share/bash-completion/completions/minidock \
	  share/zsh/site-functions/_minidock share/fish/vendor_completions.d/minidock.fish) \
	  $(DESTDIR)$(UNITS)/minidock.service
	@rmdir $(DESTDIR)$(PREFIX)/libexec/minidock 2>/dev/null || true
	@cd $(DESTDIR)$(PREFIX)/share 2>/dev/null && rmdir minidock/images minidock 2>/dev/null || true

clean: ## Remove what was built
	rm -rf .build $(BUILD)
