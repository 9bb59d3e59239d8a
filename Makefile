# Python 3.11 or newer, make and git are all that a machine needs. `make help` lists the targets.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes
# Most of a long test is waiting; $(PARALLEL) empty runs them one by one.
PARALLEL := --numprocesses 3 --dist worksteal
COMPILE := build/lock/bin/uv pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help venv run sandbox test soak check bench audit new-gate lock

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
		printf '  make %-10s %s\n' "$$name" "$$what"; done

venv: $(VENV)/.runtime ## Make .venv and install the locked dependencies

run: $(VENV)/.runtime ## Start: the bot, or without any setting the sandbox
	@$(BIN)/python -m bot

sandbox: $(VENV)/.runtime ## Start the sandbox, whatever the settings say
	@$(BIN)/python -m bot sandbox

test: $(VENV)/.dev ## Run all tests; installs what they need
	@.ci/packages
	$(BIN)/python -m pytest $(PARALLEL)

soak: $(VENV)/.dev ## Run the long variants: hundreds of kills, long faults, many examples
	@.ci/packages
	$(BIN)/python -m pytest --soak

check: $(VENV)/.dev ## Lint, format, types, borders between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tools/new_gate/__main__.py
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Measure: speed and growth beside a bare reference in the same run
	@$(BIN)/python -m bench

audit: $(BIN)/python ## Ask for known holes in the locked dependencies (needs the internet)
	@$(BIN)/python -m venv build/audit
	@build/audit/bin/python -m pip install --disable-pip-version-check --quiet pip-audit
	@build/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.txt
	@build/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements-dev.txt

new-gate: $(VENV)/.dev ## Copy the template of a gate: make new-gate NAME=viber
	@$(BIN)/python -m tools.new_gate $(NAME)
	@$(BIN)/ruff check --quiet --select I --fix gates/$(NAME) tests/gates/$(NAME)

lock: $(BIN)/python ## Resolve the dependencies anew into requirements.txt and requirements-dev.txt
	rm -rf build/lock
	$(BIN)/python -m venv build/lock
	build/lock/bin/python -m pip install --disable-pip-version-check --progress-bar off uv
	$(COMPILE) --upgrade --output-file requirements.txt
	$(COMPILE) --upgrade --extra dev --constraints requirements.txt --output-file requirements-dev.txt

$(BIN)/python:
	@for python in $(PYTHON) $(PYTHONS); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Python 3.11 or newer is needed; or name one: make venv PYTHON=/path/to/python" >&2; exit 1; fi; \
	$$found -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }

# The stamps make repeats fast; a changed lock makes them old.
$(VENV)/.runtime: requirements.txt | $(BIN)/python
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(BIN)/python
	$(INSTALL) -r requirements-dev.txt
	@touch $(VENV)/.runtime $@
