# Sotto. `make run` builds everything and starts a server you can chat on; `make test` runs every test.
# `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
STAGE := scripts/stage.sh
DATA ?= ./data
LISTEN ?= 127.0.0.1:8080
export CARGO_TERM_COLOR ?= auto
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help run build web test setup setup-test lint unit interop e2e browser budgets screenshots fuzz soak bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: setup web ## set up, build, start the server with web app and demo bot, print the address (DATA=./data LISTEN=127.0.0.1:8080)
	@$(STAGE) "build (release; the first time takes about ten minutes on two cores)" \
		cargo build --release --locked --bin sottod --bin sotto --bin sotto-echo
	@scripts/run.sh "$(DATA)" "$(LISTEN)"

build: setup web ## set up and build all programs: target/release/{sottod,sotto,sotto-echo,sotto-bench}
	@$(STAGE) "build (release)" cargo build --release --locked --bins

web: setup
	@$(STAGE) "web app (the engine as WebAssembly, then the app: about six minutes the first time)" scripts/web.sh

setup:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh build test

test: setup-test web lint unit interop e2e browser fuzz ## everything CI runs
	@printf '\nAll tests passed.\n'

lint:
	@$(STAGE) "format" cargo fmt --all --check
	@$(STAGE) "clippy" cargo clippy --workspace --all-targets --locked -q -- -D warnings
	@$(STAGE) "web: types and lint" scripts/web-check.sh

unit: ## unit, property, conformance and simulation tests
	@$(STAGE) "tests" scripts/nextest.sh unit
	@$(STAGE) "web: unit tests" npm --prefix web --silent test

interop: ## against Signal's official library from npm
	@$(STAGE) "interop with the official Signal library" tests/interop/run.sh

e2e: ## real server, real clients: crashes, blindness, restore
	@$(STAGE) "end to end" tests/e2e/run.sh

browser: ## the web app in Chromium, with real servers
	@$(STAGE) "web app in Chromium" web/tests/run.sh

budgets: ## sizes and times of the web app, for docs/benchmarks.md
	@$(STAGE) "budgets of the web app" web/tests/run.sh --project budgets

screenshots: ## every screen into docs/screenshots
	@scripts/setup.sh build test screenshots
	@$(STAGE) "screenshots" web/tests/run.sh --project screenshots

FUZZ_SECONDS ?= 10
fuzz: ## every decoder, FUZZ_SECONDS=10 each
	@$(STAGE) "fuzz ($(FUZZ_SECONDS) s each)" fuzz/run.sh $(FUZZ_SECONDS)

soak: setup-test ## the long versions of the crash tests
	@$(STAGE) "soak" env SOTTO_SOAK=1 tests/e2e/run.sh
	@$(STAGE) "soak: a group of 1,024" env SOTTO_GROUP_MEMBERS=1024 cargo test --release --locked -q -p sotto-sim --test it groups_large::

bench: build ## the figures of docs/benchmarks.md
	@target/release/sotto-bench suite

clean: ## remove everything that was built (not ./data)
	cargo clean
	rm -rf tests/interop/node_modules
