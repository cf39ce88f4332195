# The front door; the house behind it is meson's. HACKING.md says what each door does.
SECONDS ?= 10
WERROR := $(if $(CI),--werror)
MESON := meson setup $(WERROR)

.PHONY: all deps emulator up test lint bench coverage fuzz torture install clean
all: build/host/build.ninja
	ninja -C build/host

deps:
	tools/deps

emulator: build/emulator/build.ninja
	ninja -C build/emulator

up:
	tools/deps emulator build
	$(MAKE) build/host/build.ninja
	ninja -C build/host imprint imprintd imprint-mosquitto.so
	build/host/imprint up --fresh

test: build/host/build.ninja build/test/build.ninja build/m0/build.ninja
	tools/test

torture: build/test/build.ninja
	IMPRINT_TORTURE=1 tools/test build/test

lint: build/host/build.ninja
	tools/lint

bench: build/host/build.ninja build/m0/build.ninja
	tools/bench

coverage: build/coverage/build.ninja
	ninja -C build/coverage
	meson test -C build/coverage --no-rebuild
	gcovr --root . --filter src/ --print-summary --txt build/coverage.txt build/coverage

fuzz: build/fuzz/build.ninja
	tools/fuzz $(SECONDS)

install: all
	meson install -C build/host --no-rebuild

clean:
	rm -rf build

build/host/build.ninja:
	$(MESON) build/host

build/emulator/build.ninja: # needs packages/emulator.txt alone
	$(MESON) -Demulator_only=true build/emulator

build/test/build.ninja: # what everything is tested as: sanitizers on, crash points compiled in
	$(MESON) -Db_sanitize=address,undefined -Dtest_hooks=true -Dc_args=-fno-sanitize-recover=all build/test

build/m0/build.ninja:
	$(MESON) --cross-file m0.ini build/m0

build/coverage/build.ninja:
	$(MESON) -Db_coverage=true -Dtest_hooks=true build/coverage

build/fuzz/build.ninja:
	CC=clang $(MESON) -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true \
		-Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all' build/fuzz
