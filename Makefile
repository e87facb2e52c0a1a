# The two commands of the README are `make demo` and `make test`. Both set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
UV := .venv/bin/uv pip install --quiet --compile-bytecode --no-build-isolation --no-deps

.PHONY: demo demo-once test lint unit core integration system bench lock clean

.venv/.ready: requirements.lock requirements-uv.lock pyproject.toml wire/pyproject.toml agent/pyproject.toml
	@echo "== installing the locked environment into .venv"
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || apt-get install -y -qq python3-venv >/dev/null
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

lock: ## resolve anew; the lock names no server
	uv lock --quiet --upgrade
	uv export --quiet --all-packages --all-groups --no-emit-workspace --no-header -o requirements.lock
	uv export --quiet --only-group core --no-emit-workspace --no-header -o requirements-core.lock
	grep -A 40 '^uv==' requirements.lock | awk 'NR==1 || /^ +--hash/ {print; next} {exit}' | sed '$$s/ \\$$//' > requirements-uv.lock

lint: .venv/.ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

clean:
	rm -rf .venv .venv-core .lab
