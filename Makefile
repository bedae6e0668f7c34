# Tidegate's tasks. `make help` lists them. Each sets up what it needs and does nothing twice.
.DEFAULT_GOAL := help
SHELL := /usr/bin/env bash
PORT ?= 8787
COMMAND := target/release/tidegate
# The console's own host, where it does not stand in wrangler.toml.
CONSOLE = $(if $(CONSOLE_HOST),--var CONSOLE_HOST:$(CONSOLE_HOST) --domain $(CONSOLE_HOST))
SOURCES := $(shell find src crates -name '*.rs') Cargo.toml Cargo.lock $(wildcard crates/*/Cargo.toml)
export WRANGLER_SEND_METRICS := false
export CONSOLE_HOST

.PHONY: help dev demo screenshots traffic test test-native test-wasm test-edge test-cost test-cache test-frameworks test-browser test-build build build-edge build-rehearse build-www build-command bench bench-native bench-edge bench-cold bench-propagation bench-flushes judge-bench soak size lint format deploy deploy-check clean setup

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{ printf "  make %-15s %s\n", $$1, $$2 }'

setup:
	@scripts/setup.sh

dev: build ## Run the worker locally in front of two sample frontends (PORT=8787)
	@PORT=$(PORT) node scripts/dev.mjs

build: setup ## Build the worker into build/ and the command into target/release/
	@$(MAKE) --no-print-directory -j3 build-edge build-www $(COMMAND)

# Side by side: the compilers' last steps keep one processor each busy.
build-edge:
	@scripts/build-edge.sh
build-rehearse:
	@scripts/build-rehearse.sh
build-www: build-rehearse
	@node scripts/build-www.mjs
# The command as the native tests build it: no second build with all its dependencies.
build-command:
	@cargo test --quiet --no-run --test it

$(COMMAND): $(SOURCES)
	cargo build --release --bin tidegate
	@touch $@

demo: build ## Watch a rollout advance, break and roll back, with a thousand visitors (PORT=8787)
	@PORT=$(PORT) node scripts/demo.mjs

screenshots: build ## Take the pictures of the documents: messages, and the running demo (CHROMIUM= names another one)
	@scripts/chromium.sh
	@node scripts/previews.mjs
	@PORT=$(PORT) node scripts/screenshots.mjs

traffic: ## Send visitors through `make dev` (RATE=100 page views a second, VISITORS=1000 of them)
	@PORT=$(PORT) node scripts/traffic.mjs

test: setup ## Run all tests: native, wasm, workerd, HTTP caches, frameworks, browser
	@MAKE="$(MAKE)" scripts/test.sh lint test-native test-wasm test-build test-edge test-cost test-cache test-frameworks test-browser

test-build: setup
	@$(MAKE) --no-print-directory -j3 build-edge build-www build-command

test-edge test-cost test-cache test-frameworks test-browser: export TIDEGATE_COMMAND = $(CURDIR)/target/debug/tidegate

test-native: setup ## Run the native tests
	cargo test --quiet --workspace

test-wasm: setup ## Run the laws of cohorts and assignments on wasm
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$$(scripts/wasm-bindgen.sh)/wasm-bindgen-test-runner" \
	  cargo test --target wasm32-unknown-unknown --package tidegate-protocol --test cohorts

test-edge: test-build ## Run the tests of the request path in workerd
	node scripts/run-tests.mjs 6 tests/edge/*.test.mjs

test-cost: test-build ## Hold the CPU per request to a loose bound beside a pass-through's, so that it cannot grow unseen
	node benches/edge/run.mjs --only tidegate --quick --rounds 24 --at-most documents=3.5,views=2.8

test-frameworks: test-build ## Put sites of real frameworks behind the worker: SvelteKit, Django, Next.js (PYTHON= names another one)
	@scripts/frameworks.sh >/dev/null
	node --test --test-concurrency=1 --test-reporter=spec tests/frameworks/*.test.mjs

test-cache: test-build ## Run the suite for HTTP caches directly, through a pass-through and through Tidegate
	node --test --test-concurrency=1 --test-reporter=spec tests/http-cache/*.test.mjs

test-browser: test-build ## Run the tests in Chromium (CHROMIUM= names another one)
	@scripts/chromium.sh
	node scripts/run-tests.mjs 3 tests/browser/*.test.mjs tests/console/*.test.mjs

soak: setup ## Live the whole system through from seeds until something fails (SEED=1 the first, MINUTES= to stop after)
	@SEED=$(or $(SEED),1) MINUTES=$(MINUTES) cargo test --quiet --test controller -- --ignored --exact whole::soak --nocapture

lint: setup ## Check layout, code and types: rustfmt, clippy natively and for wasm, Biome, TypeScript
	cargo fmt --check
	npx biome check --error-on-warnings .
	node scripts/api-types.mjs --check
	npx tsc -p .
	npx tsc -p www/state
	npx tsc -p src/edge
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --target wasm32-unknown-unknown --lib --package tidegate --package tidegate-rehearse -- -D warnings

format: setup ## Format the code, write the API’s document and its types, and fix what Biome can fix safely
	cargo fmt
	cargo test --quiet --test it -- --ignored --exact openapi::write
	npx biome check --write .
	node scripts/api-types.mjs

bench: bench-native bench-edge bench-cold bench-propagation bench-flushes size ## Measure against the goals: native, in workerd, propagation, flushes, size

bench-native: setup ## Measure assignments, routing, groups, large plans and a thousand rollouts natively
	cargo bench --quiet --bench decisions
	cargo bench --quiet --package tidegate-isolate
	cargo bench --quiet --bench plans
	cargo bench --quiet --bench rollouts

bench-edge: build ## Measure requests against other workers in the same workerd
	node benches/edge/run.mjs

bench-cold: build ## Measure the start of an isolate beside a bare pass-through's, and what is in memory then
	node benches/edge/cold.mjs

bench-propagation: build ## Measure how long commands take to reach every isolate, whatever KV does
	node benches/edge/propagation.mjs

bench-flushes: build ## Measure thousands of isolates that report by relays, that no count is lost, and how long a kill takes
	node benches/edge/flushes.mjs

judge-bench: setup ## Compare judges of a release on the same made-up traffic (a few minutes)
	cargo bench --quiet --bench judge

size: build ## Print the size of the wasm
	@scripts/size.sh

deploy-check: build ## Say what would not work once deployed, and show what would be (PLANS="shop.toml …" CONSOLE_HOST=)
	@node scripts/deploy-check.mjs $(PLANS)
	npx wrangler deploy --dry-run $(CONSOLE)

deploy: build ## Deploy the worker to your account, unless deploy-check refuses (PLANS= CONSOLE_HOST=)
	@node scripts/deploy-check.mjs $(PLANS)
	npx wrangler deploy $(CONSOLE)

clean: ## Remove what was built, the installed packages and the local KV
	rm -rf target build node_modules .wrangler
