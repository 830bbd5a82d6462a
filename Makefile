# Everything a contributor does stands here; `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run db-upgrade db-check db-new demo books worker beat test test-fast lint format types imports chromium bench chaos suite sure lock check-python

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

check-python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing. On Debian: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) --version). Set PYTHON=python3.12 or newer."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing. On Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/run.stamp: requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory check-python
	@echo "Setting up the environment (a minute or two at the first time) …"
	@"$(BIN)/python" -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear "$(VENV)"
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch "$@"

$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml $(VENV)/run.stamp
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch "$@"

setup: $(VENV)/run.stamp ## make the environment from the lock files

setup-dev: $(VENV)/dev.stamp ## the same, with what tests and lint need

run: $(VENV)/run.stamp ## start everything with the Chengde demonstration (PORT=8000, HOST=127.0.0.1)
	@exec "$(BIN)/python" -m local.run

db-upgrade: $(VENV)/run.stamp ## bring the database of DATABASE_OWNER_URL to the newest schema
	@"$(BIN)/fundraising" db upgrade

db-check: $(VENV)/dev.stamp ## migrate an empty database and compare it with the models
	@"$(BIN)/python" -m local.db_check

db-new: $(VENV)/dev.stamp ## begin a migration: make db-new n=0011 m="what changes"
	@test -n "$(n)" -a -n "$(m)" || { echo 'usage: make db-new n=0011 m="what changes"'; exit 1; }
	@"$(BIN)/python" -m local.new_migration "$(n)" "$(m)"

demo: $(VENV)/run.stamp ## load the demonstration into DATABASE_URL
	@"$(BIN)/fundraising" demo load

books: $(VENV)/run.stamp ## prove the books of DATABASE_URL
	@"$(BIN)/fundraising" books check

worker: $(VENV)/run.stamp ## run a Celery worker (needs the settings of .env.example)
	@exec "$(BIN)/celery" --app worker.app worker --queues money,receipts,mail,maintenance

beat: $(VENV)/run.stamp ## run the schedule
	@exec "$(BIN)/python" -m worker.beat

lint: $(VENV)/dev.stamp ## ruff, formatting and templates
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .

format: $(VENV)/dev.stamp ## put the code in its form
	@"$(BIN)/ruff" check --fix --quiet .
	@"$(BIN)/ruff" format .

types: $(VENV)/dev.stamp ## mypy --strict over product and tests
	@"$(BIN)/mypy" --strict

imports: $(VENV)/dev.stamp ## who may import whom
	@"$(BIN)/lint-imports"

chromium: $(VENV)/dev.stamp
	@"$(BIN)/python" -m local.chromium

test: $(VENV)/dev.stamp chromium ## lint, types, import rules and every test
	@$(MAKE) --no-print-directory -j 3 --output-sync lint imports db-check
	@$(MAKE) --no-print-directory -j 2 types suite

suite: $(VENV)/dev.stamp
	@"$(BIN)/pytest" -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/dev.stamp ## the tests that failed last, then the others
	@"$(BIN)/pytest" --failed-first -x

bench: $(VENV)/dev.stamp ## figures as ratios to a reference in the same run
	@"$(BIN)/python" -m tests.bench $(only)

chaos: $(VENV)/dev.stamp ## kill and freeze every process while 10,000 notices arrive; then prove it with planted defects
	@"$(BIN)/python" -m tests.chaos

sure: test ## everything a commit must pass

lock: $(VENV)/dev.stamp ## make the lock files anew from pyproject.toml
	@"$(BIN)/python" -m pip install --quiet uv
	@"$(BIN)/uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra build pyproject.toml -o requirements.lock
	@"$(BIN)/uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements.lock --extra build --extra dev pyproject.toml -o requirements-dev.lock
