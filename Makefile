# Two commands do everything from a fresh checkout: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
CPUS   := $(shell $(PYTHON) -c "import os; print(os.cpu_count() or 1)")
# Unit tests compute: one process a processor. The rest mostly waits for other processes: two a processor.
JOBS   ?= $(CPUS)
WAITING_JOBS ?= $(shell expr 2 \* $(CPUS))
PEERS  := $(wildcard benchmarks/bench_peers_*.py)

.DEFAULT_GOAL := help
.PHONY: help setup setup-browser setup-postgres setup-caddy demo test test-slow test-all nightly soak lint bench bench-peers docs lock clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## make .venv from the pinned, hashed requirements

$(STAMP): requirements/dev.txt pyproject.toml tools/make_venv.sh
	@PYTHON="$(PYTHON)" sh tools/make_venv.sh $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup-browser: ## install a Chromium for the tests of the person's page (Debian; else it says how)
	@sh tools/setup_browser.sh

setup-postgres: ## install PostgreSQL for the tests of the coordinator (Debian; else it says how)
	@sh tools/setup_postgres.sh

setup-caddy: ## install Caddy for the test of the proxy in deploy/ (Debian; else it says how)
	@sh tools/setup_caddy.sh

demo: setup ## train on MovieLens-100K with real private sums; writes out/demo/report.html and a profile to open
	$(BIN)/confidante demo --out out/demo

lint: setup ## ruff, mypy strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup ## lint and types, beside all tests that need no process, browser or PostgreSQL
	@sh tools/lint_beside.sh $(BIN)/pytest -n $(JOBS) tests/unit tests/contract

test-slow: setup ## the other tests: processes, browsers, PostgreSQL
	@$(BIN)/pytest -n $(WAITING_JOBS) tests/system tests/browser

nightly: setup ## everything with a thousand new examples a property test, then the kills of `make soak`
	@HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -n $(WAITING_JOBS)
	@$(MAKE) --no-print-directory soak

test-all: test test-slow ## everything that must hold

soak: setup ## kill a writing vault 10,000 times and look whether anything is lost or comes back (about an hour)
	$(BIN)/python tools/soak_vault.py --kills 10000

bench: setup ## every benchmark, medians and ratios
	@for file in $(filter-out $(PEERS),$(wildcard benchmarks/bench_*.py)); do \
		echo "== $$file"; $(BIN)/python $$file || exit 1; done

bench-peers: setup ## the benchmarks beside Flower and pfl, which get a .venv-peers of their own
	@PYTHON="$(PYTHON)" sh tools/make_pinned.sh .venv-peers requirements/peers.txt
	@for file in $(PEERS); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

docs: setup ## build the site of all documents, with the reference made from the code, into out/site
	@PYTHON="$(PYTHON)" sh tools/make_pinned.sh .venv-docs requirements/docs.txt
	$(BIN)/python tools/make_docs.py
	.venv-docs/bin/zensical build --strict --clean --config-file out/docs.toml

lock: setup ## pin the requirements again (needs uv on the PATH)
	sh tools/lock.sh
	$(BIN)/python deploy/pins.py

clean: ## remove what the targets made
	rm -rf $(VENV) .venv-peers .venv-docs out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
