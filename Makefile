# `make help` lists what there is. Everything is installed into .venv; nothing else of the machine is touched.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: help run test lint bench bench-quick screenshots clean FORCE

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; found: $$($(PYTHON) --version)"; exit 1; }
	@test -x $(BIN)/python || { echo "Creating .venv ..."; $(PYTHON) -m venv .venv; }
	@echo "Installing what it runs on ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.development: requirements-dev.txt .venv/.runtime
	@echo "Installing what tests and checks need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: var/running ## Run everything here: web, worker, beat and sandbox. PORT=8123 make run
# make deletes this file when it is interrupted, and the stack ends when its file goes: Ctrl-C need not reach both.
var/running: .venv/.runtime FORCE
	@mkdir -p var
	@$(BIN)/python manage.py run
