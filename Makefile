# Two commands on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
DEMO ?= demo

BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(BENCH_VENV)/.ready
PIP_INSTALL := -m pip --disable-pip-version-check --quiet install

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint format bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY)  ## make the virtual environment and install, once

demo: $(READY)  ## train, inspect and export a recogniser of handwritten digits
	$(BIN)/redstart demo --out $(DEMO)

test: $(READY)  ## the tests
	$(BIN)/python -m pytest -m "not slow and not gpu and not net"

test-slow: $(READY)  ## the tests that take longer: real data, accuracy floors
	$(BIN)/python -m pytest -m "slow and not gpu and not net"

lint: $(READY)  ## ruff, mypy --strict, import-linter, the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/surface/test_source.py

format: $(READY)  ## let ruff write the code in its way
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH_READY)  ## measure against fastai, Lightning and bare PyTorch
	$(BENCH_VENV)/bin/python benchmarks/run.py

clean:  ## remove environments, caches and what the demo made
	rm -rf $(VENV) $(BENCH_VENV) $(DEMO) build dist runs
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into $(VENV): PyTorch is large, the first time takes minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt --editable ".[dev]"
	@touch $@

# The peers cap versions of what we share with them, so they get an environment of their own.
$(BENCH_READY): pyproject.toml
	@echo "Installing into $(BENCH_VENV), with fastai and Lightning."
	@test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python $(PIP_INSTALL) --editable ".[tabular]" "fastai>=2.8,<2.9" "lightning>=2.6,<2.7"
	@touch $@
