# tongban 通办. `make help` lists the commands. Nothing needs to be installed by hand but Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
JOBS ?= 3
BENCHES := $(subst _,-,$(patsubst bench/%.py,bench-%,$(filter-out bench/all.py,$(wildcard bench/[a-z]*.py))))

# A nation is many processes: each reads the package in. Compiled once they start in two seconds, and in seven without.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test lint house bench model mutate-security setup browser judges clean tour $(BENCHES)
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 22

setup: $(STAMP)  ## make the environment in .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("tongban needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12 demo" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement deploy/installer.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m tongban.main.rooms
	@touch $(STAMP)

demo: $(STAMP)  ## five nodes on this computer; prints their addresses, the people, then `ready`
	@exec $(BIN)/tongban demo

tour: $(STAMP)  ## drive the whole story over HTTP against a running demo
	@$(BIN)/tongban tour

browser:
	@sh deploy/install-browser.sh

judges:
	@sh deploy/install-judges.sh

test: $(STAMP) browser judges  ## every test
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

lint: $(STAMP)  ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

house: $(STAMP)  ## the house rules as tests
	@$(BIN)/python -m pytest -q -n 0 tests/house

mutate-security: $(STAMP)  ## take each control of the threat model out once, see its test fail; goes on after a break; ONLY=T-20 one row, AGAIN=1 all
	@ONLY="$(ONLY)" AGAIN="$(AGAIN)" JOBS=$(JOBS) $(BIN)/python tests/security/mutate.py

bench: $(STAMP) browser  ## every bench, then the list of their results; one alone: make bench-pages
	@$(BIN)/python bench/all.py

$(BENCHES): bench-%: $(STAMP)
	@$(BIN)/python bench/$(subst -,_,$*).py

bench-first-load bench-lighthouse: | browser

model:  ## the machine-checked models of letters and cases (needs spin and gcc)
	@sh docs/model/check.sh quick

clean:  ## remove the environment and the demo's data
	@rm -rf $(VENV) .demo .build
