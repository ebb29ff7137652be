# make demo         the main job on real data
# make check        while editing: ruff, mypy (cached) and the fast tests, about 90 seconds on an idle machine
# make test         all tests that are not marked slow, on two cores, with the slowest 20 and the CPU time at the end
# make test-slow    the others: kills, Ray, browser, PostgreSQL, examples, and what takes over three seconds of CPU
# make lint         ruff, and mypy --strict over the package and the tests
# make test-oldest  the fast tests with the oldest supported versions (constraints-oldest.txt), in .venv-oldest
# make test-light   the tests that need no torch, on another Python: make test-light LIGHT_PYTHON=python3.12
# make docs         the documentation, built offline into docs/_build/html; every warning is an error
# make mutation     how many small faults the tests see (scripts/mutation_targets.py)
# make clean        remove what the others made
SHELL := /bin/bash
# Hundreds of processes of the tests import the package: compiled once, each starts a second of CPU earlier.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
LIGHT_PYTHON ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
LIGHT := .venv-light
DEMO := results/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
UV := $(shell command -v uv 2>/dev/null)
# The first installation says how far it is, and is quicker by uv where that is there.
FIRST_INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check) \
    --constraint constraints.txt
FAST := tests/unit/arch tests/unit/space tests/unit/study tests/unit/scaling tests/unit/analysis tests/unit/ledger \
    tests/unit/execution/test_worker_pool.py tests/unit/execution/test_search.py tests/unit/execution/test_search_family.py \
    tests/unit/execution/test_admission.py tests/unit/test_layering.py tests/unit/test_pareto.py \
    tests/unit/training/test_loop.py tests/contracts/test_strategies.py
WARNED := tests/unit/training/test_compiling.py tests/unit/training/test_memory.py tests/unit/arch/test_traced.py
TESTED := --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 20

.PHONY: help demo check test test-slow test-oldest test-light lint docs mutation clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "naslab: installing PyTorch and the rest into $(VENV), once; that is about 1 GB and takes minutes"
	$(PYTHON) -m venv $(VENV)
	$(FIRST_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-tests: $(VENV)/.installed
	$(PIP) --editable '.[test]'
	@touch $@

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-oldest.txt --editable '.[test]'
	@touch $@

demo: $(VENV)/.installed
	@mkdir -p $(DEMO)
	@echo "naslab: 1 of 3, searching 40 networks on the digits"
	$(BIN)/naslab search digits_demo --dataset digits --validation 0.7 --study demo --ledger $(DEMO)/study.db \
	    --strategy nsga2 --trials 40 --epochs 4 --objectives accuracy,macs --limit 'macs<=3e6' --seed 0 \
	    --baseline resnet20_cifar
	@echo "naslab: 2 of 3, a family of the best network, three seeds each"
	$(BIN)/naslab rescale demo:best --ledger $(DEMO)/study.db --phi -1 1 2 --train --seeds 3 --out $(DEMO)/family
	@echo "naslab: 3 of 3, the front and the report"
	$(BIN)/naslab pareto demo --ledger $(DEMO)/study.db --out $(DEMO)/front.html
	$(BIN)/naslab report demo --ledger $(DEMO)/study.db --out $(DEMO)/report.html

check: $(VENV)/.installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict naslab
	$(BIN)/python -m pytest $(TESTED) -m 'not slow' $(FAST)

test: $(VENV)/.installed-tests
	time $(BIN)/python -m pytest $(TESTED) -m 'not slow'

test-slow: $(VENV)/.installed-tests
	time $(BIN)/python -m pytest $(TESTED) -m slow

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest $(TESTED) -m 'not slow' $(FAST)
	$(OLDEST)/bin/python -m pytest $(WARNED)

test-light:
	bash scripts/check_light.sh $(LIGHT_PYTHON) $(LIGHT)

lint: $(VENV)/.installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict naslab tests

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) --editable '.[docs]'
	@touch $@

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -q -W --keep-going -d docs/_build/read -b html docs docs/_build/html
	$(BIN)/python -m sphinx -q -W --keep-going -d docs/_build/read -b linkcheck docs docs/_build/links
	@echo docs/_build/html/index.html

mutation: $(VENV)/.installed-tests
	$(BIN)/python scripts/mutation.py

clean:
	rm -rf $(VENV) $(OLDEST) $(LIGHT) $(DEMO) dist build docs/_build docs/reference/generated
