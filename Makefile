# The two commands of the README are `make demo` and `make test`. Both set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
UV := .venv/bin/uv pip install --quiet --compile-bytecode --no-build-isolation --no-deps

.DEFAULT_GOAL := help
PYTEST := .venv/bin/python -m pytest

.PHONY: help demo demo-once demo-failover demo-failover-once chaos chaos-short test lint core unit integration browser screenshots vendor system bench machine lock clean

.venv/.ready: requirements.lock requirements-uv.lock pyproject.toml wire/pyproject.toml agent/pyproject.toml
	@echo "== installing the locked environment into .venv"
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; } >/dev/null
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	@.venv/bin/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@$(UV) -e . -e wire -e agent
	@touch $@

# core, wire and agent promise not to need Airflow: here it is not installed.
.venv-core/.ready: requirements-core.lock .venv/.ready
	@echo "== installing the environment without Airflow into .venv-core"
	@test -x .venv-core/bin/python || .venv/bin/python -m venv --without-pip .venv-core
	@.venv/bin/uv pip sync --quiet --python .venv-core/bin/python --require-hashes requirements-core.lock
	@$(UV) --python .venv-core/bin/python -e wire -e agent
	@touch $@

lock: .venv/.ready ## resolve anew; the lock names no server
	.venv/bin/uv lock --quiet --upgrade
	.venv/bin/uv export --quiet --all-packages --group core --group dev --no-emit-workspace --no-header -o requirements.lock
	.venv/bin/uv export --quiet --only-group core --no-emit-workspace --no-header -o requirements-core.lock
	.venv/bin/uv export --quiet --only-group build --no-emit-workspace --no-header -o requirements-build.lock
	.venv/bin/uv export --quiet --package transition-agent --no-default-groups --no-emit-workspace --no-header -o agent/requirements.lock
	.venv/bin/uv export --quiet --package airflow-transition --no-default-groups --group container --no-emit-workspace --no-header -o requirements-container.lock
	grep -A 40 '^uv==' requirements.lock | awk 'NR==1 || /^ +--hash/ {print; next} {exit}' | sed '$$s/ \\$$//' > requirements-uv.lock

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: machine ## move a running process between two clusters; stays up until Ctrl-C
	@.venv/bin/python -m lab.demo

demo-once: machine ## the same, ends by itself with the right exit status
	@.venv/bin/python -m lab.demo --once

demo-failover: machine ## kill a cluster under load, watch the failover, bring it back, move home
	@.venv/bin/python -m lab.demo_failover

demo-failover-once: machine ## the same, ends by itself with the right exit status
	@.venv/bin/python -m lab.demo_failover --once

machine: .venv/.ready ## packages and CRIU that the lab needs; says what is missing before changing anything
	@.venv/bin/python -m lab machine

test: ## all checks and tests, in this order
test: lint core unit integration browser system

lint: .venv/.ready ## formatter, ruff, mypy --strict, import-linter
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

core: .venv-core/.ready ## core, wire and agent where Airflow is not installed
	PYTHONPATH=. .venv-core/bin/python -m pytest tests/unit/core wire/tests agent/tests

unit: .venv/.ready ## everything that needs no server
	$(PYTEST) tests/unit --ignore=tests/unit/core

integration: machine ## real Git, registry, S3 and the lab's clusters
	$(PYTEST) tests/integration

browser: machine ## the page in a headless Chromium, in a running Airflow
	$(PYTEST) tests/browser

screenshots: machine ## those of docs/images, from a running Airflow
	@.venv/bin/python -m tests.browser.screenshots

vendor: ## what the page loads from others, by web/package-lock.json; needs npm
	@web/vendor

system: machine ## the product in a running Airflow, end to end with CRIU
	$(PYTEST) tests/system

chaos-short: machine ## three of the failovers of make chaos, always the same; CHAOS_SEED
	$(PYTEST) tests/chaos

chaos: machine ## 100 failovers while everything around them is killed; CHAOS_RUNS, CHAOS_SEED
	@.venv/bin/python -m tests.chaos

bench: machine ## make bench NAME=<name>; names in docs/reference/benchmarks.md
	@.venv/bin/python -m benchmarks $(NAME)

clean:
	rm -rf .venv .venv-core .lab .lab-tests web/node_modules
