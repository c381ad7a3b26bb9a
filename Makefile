# Every target is one line of intent. A fresh clone needs Python 3.11 or newer and nothing else:
# the first target you call makes .venv and installs what it needs.
#
#   TORCH_INDEX   another index for torch, such as https://download.pytorch.org/whl/cpu (much smaller than the CUDA build)
#   PYTHON        the interpreter that makes .venv
#   TESTS, JOBS   which tests to run, in how many processes
#   CHAOS         options of make chaos: --seed, --attempt-kills, --plane-kills, --minutes, --report …
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
TESTS ?= tests
JOBS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.PHONY: help demo test lint format types arch tables check bench chaos up docs
.DEFAULT_GOAL := help

help:        ## what there is to make
	@grep -hE '^[a-z]+: .*##' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: .venv/train   ## photographs, training, evaluation, report: under five minutes after installation
	$(BIN)/arc demo

test: .venv/dev     ## every test that this machine can run
	$(PYTEST) $(TESTS)

lint: .venv/dev     ## format and lint, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: .venv/dev   ## format, and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/dev    ## mypy, strict
	$(BIN)/mypy

arch: .venv/dev     ## the walls between the rooms
	$(BIN)/lint-imports --no-logo --no-cache

tables: .venv/dev   ## the generated pages of docs/reference are those of the code
	$(BIN)/python docs/generate.py --check

check: lint types arch tables   ## all of the former, and every test with coverage of the control column
	$(PYTEST) --cov --cov-report=term:skip-covered $(TESTS)

bench: .venv/dev    ## measure; what was measured before is in benchmarks/RESULTS.md
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

chaos: .venv/dev    ## kill everything at random moments and check that nothing was lost (CHAOS="--seed 7"); about ten minutes
	$(BIN)/python -m tests.chaos $(CHAOS)

up: .venv/train     ## the control plane on this machine (arc serve); further services come in later parts
	$(BIN)/arc serve

docs: .venv/dev     ## write the generated pages and build the site into ./site
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "ARC needs Python 3.11 or newer; name it with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/train: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e '.[train]'
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e '.[dev]'
	@touch $@ .venv/train
