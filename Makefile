# `make help` lists the targets. Everything is installed into .venv; nothing else on the machine is touched.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Keep compiled bytecode: tests start Python several hundred times.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test races test-sqlite test-parts walk faults stateful soak test-stack upgrade-test lint static format lock audit bench bench-quick screenshots drawing clean FORCE

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/.runtime: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; found: $$($(PYTHON) --version)"; exit 1; }
	@test -x $(BIN)/python || { echo "Creating .venv ..."; $(PYTHON) -m venv .venv; }
	@echo "Installing the dependencies ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/.development: requirements-dev.lock .venv/.runtime
	@echo "Installing the tools for tests and checks ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run: var/running ## Run everything here: web, worker, beat, and sandbox. PORT=8123 make run
# make deletes this file when it is interrupted, and the stack ends when the file is gone: Ctrl-C need not reach both.
var/running: .venv/.runtime FORCE
	@mkdir -p var
	@$(BIN)/python manage.py run

# The browser tests share two browsers, each with its own stack for whole files.
test: .venv/.development chromium ## What everything does, on a real PostgreSQL and in a real browser
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --ignore tests/architecture -m "not browser and not fault and not walk and not race"
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "browser and not fault and not walk"

# The outcome of a race does not depend on the machine: the processes of tests/processes.py start together.
races: .venv/.development ## What several processes do at once
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "race and not browser and (not fault or steps) and not walk"

test-sqlite: .venv/.development ## The subset that also runs on SQLite
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && TEST_DATABASE_URL="sqlite:///$$folder/db.sqlite3" $(BIN)/python -m pytest --numprocesses 2 -m "sqlite and not walk"

# Deselected are the tests of behavior that differs here by design: answers expire by whole days, and a trigger skips a
# key that exists, even where a test inserts it twice or removes the unique key.
test-parts: .venv/.development ## The tests of tables that can be partitioned, on a database in which they are
	@TEST_IN_PARTS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not browser and not fault and not walk" \
	  core enrollments partners operations tests/races --deselect core/tests/test_idempotency.py::TestTheSweep \
	  -k "not refuses_them_all_when_one_is_there and not without_the_unique_key and not without_the_row_lock_would_let_both"

# Tests that restart servers have the machine to themselves, since the recovery time is judged.
faults: .venv/.development ## Kill processes and servers, and scramble vendors' events; nothing may be lost or doubled. FAULT_REPEATS=2
	@FAULT_REPEATS=$${FAULT_REPEATS:-20} $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -p tests.faults.report -m "fault and not slow"
	@FAULT_REPEATS=$${FAULT_REPEATS:-20} $(BIN)/python -m pytest -p tests.faults.report -m "fault and slow"
	@SCRAMBLED_EVENTS=$${SCRAMBLED_EVENTS:-5000} $(BIN)/python -m pytest --numprocesses 2 -m walk tests/faults/test_scrambled_events.py

stateful: .venv/.development ## Anything in any order, the doctor after each step: 500 runs of 50 steps; then several processes at once
	@STATEFUL_EXAMPLES=$${STATEFUL_EXAMPLES:-500} STATEFUL_STEPS=$${STATEFUL_STEPS:-50} $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m walk tests/faults/test_any_order.py
	@AT_ONCE_RUNS=$${AT_ONCE_RUNS:-100} $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m walk tests/races/test_everything_at_once.py

# The containers of production are processes here, run from Debian's packages.
test-stack: .venv/.development servers ## Production as compose.yaml has it, under load, with each part restarted
	@$(BIN)/python -m pytest -s tests/deployment/test_stack.py

upgrade-test: .venv/.development servers ## From the last release (deploy/last-release.toml) to this tree and back, under load. UPGRADE_FROM=commit
	@$(BIN)/python -m pytest -s tests/deployment/test_upgrade.py

.PHONY: servers
servers:
	@all() { command -v redis-server pgbouncer nginx && ls -d /usr/lib/postgresql/*/bin; }; \
	if ! all >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Debian's postgresql, redis-server, pgbouncer, and nginx ..."; mkdir -p var; \
	  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
	    postgresql redis-server pgbouncer nginx-light; } >var/servers.log 2>&1 || tail -3 var/servers.log; \
	fi; \
	all >/dev/null 2>&1 || { echo "Needs postgresql, redis-server, pgbouncer, and nginx; only root can install them (apt-get install)."; exit 1; }

soak: .venv/.development ## The stack of `make run` under four writers; then: is anything lost, broken or replaced? MINUTES=10
	@$(BIN)/python -m tests.operations.soak

# Races fork, which a process that drives a browser can't do: its event loop would continue in both.
walk: .venv/.development chromium ## Every order of events, every route and parameter with hostile values, every page by role and look
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "walk and not browser"
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "walk and browser"

.PHONY: schemathesis
schemathesis: .venv/.development ## Every operation of the API as its document allows and forbids, 105 examples each
	@OPENAPI_EXAMPLES=$${OPENAPI_EXAMPLES:-105} $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m walk tests/contracts/test_openapi_walk.py

.PHONY: hostile
hostile: .venv/.development ## Every route and page with all hostile values, of which `make walk` sends a third
	@HOSTILE_ONE_IN=$${HOSTILE_ONE_IN:-1} $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m walk tests/contracts/test_hostile_walk.py

.PHONY: chromium
chromium:
	@found() { command -v chromium || command -v chromium-browser || command -v google-chrome; }; \
	if ! found >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Debian's chromium for the browser tests ..."; mkdir -p var; \
	  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
	    chromium fonts-liberation fonts-noto-color-emoji; } >var/chromium.log 2>&1 || tail -3 var/chromium.log; \
	fi; \
	found >/dev/null || echo "The browser tests can't run: there is no chromium here, and only root can install it (apt-get install chromium)."

lint: static ## Style, types, import contracts, templates, migrations, and Django's deployment checks
	$(BIN)/python -m pytest --quiet --numprocesses 2 --dist worksteal tests/architecture

# The checks that need no test run.
static: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy .
	$(BIN)/mypy --config-file sandbox/mypy.ini sandbox
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/codespell .
	$(BIN)/hadolint Dockerfile deploy/pgbouncer/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

format: .venv/.development ## Format the code as `make lint` requires
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Both files apply to every platform and to Python 3.11 and later. Nothing is upgraded here; pins are changed by hand.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"
lock: .venv/.development ## Lock every package that requirements*.txt need, with its hashes
	@$(LOCK) requirements.txt --output-file requirements.lock
	@$(LOCK) requirements-dev.txt --output-file requirements-dev.lock

audit: .venv/.development ## Compare every package with the public security advisories (needs the network)
	@$(BIN)/python -m tests.audit

bench: .venv/.development ## How fast and how safe, against a plain implementation and against the limit
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.evaluation
	@$(BIN)/python -m bench.lists
	@$(BIN)/python -m bench.pipeline
	@$(BIN)/python -m bench.completions
	@$(BIN)/python -m bench.partners_apart
	@$(BIN)/python -m bench.expiry
	@$(BIN)/python -m bench.imports
	@$(BIN)/python -m bench.receivers
	@$(BIN)/python -m bench.backoffice
	@$(BIN)/python -m bench.partitions
	@$(BIN)/python -m bench.doctor

bench-quick: .venv/.development ## The same, small: only what must never break. BENCH_PART=1, 2, or 3 runs a third
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target $(if $(BENCH_PART),$(QUICK_$(BENCH_PART)),$(QUICK))

# Each has its own servers, and none of them gates a speed, so they run two at a time.
QUICK_1 := $(addprefix quick-,bench bench.completions bench.receivers bench.partitions bench.pipeline)
QUICK_2 := $(addprefix quick-,bench.imports bench.partners_apart bench.doctor bench.lists)
QUICK_3 := $(addprefix quick-,bench.backoffice bench.expiry bench.evaluation)
QUICK := $(QUICK_1) $(QUICK_2) $(QUICK_3)
.PHONY: $(QUICK)
$(QUICK): quick-%:
	@$(BIN)/python -m $* --quick

screenshots: .venv/.development chromium ## Take the pictures that the README shows
	@$(BIN)/python -m tests.journeys.screenshots

drawing: .venv/.development ## Draw which package imports which, for docs/architecture.md
	@$(BIN)/python -m tests.architecture.drawing

clean: ## Remove everything built and all local data: .venv, var, caches
	rm -rf .venv var staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
