# make demo: the main job on real data.  make test: the whole suite.
# make mutation: how many small faults the tests see.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := results/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test lint types mutation clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-tests: $(VENV)/.installed
	$(PIP) --editable '.[test]'
	@touch $@

demo: $(VENV)/.installed
	@mkdir -p $(DEMO)
	$(BIN)/naslab search digits_demo --dataset digits --study demo --ledger $(DEMO)/study.db \
	    --strategy nsga2 --trials 40 --epochs 4 --objectives accuracy,macs --limit 'macs<=3e6' --seed 0 \
	    --baseline resnet20_cifar
	$(BIN)/naslab pareto demo --ledger $(DEMO)/study.db --out $(DEMO)/front.html
	$(BIN)/naslab rescale demo:best --ledger $(DEMO)/study.db --phi -1 1 2 --train --out $(DEMO)/family
	$(BIN)/naslab report demo --ledger $(DEMO)/study.db --out $(DEMO)/report.html

test: $(VENV)/.installed-tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict naslab

mutation: $(VENV)/.installed-tests
	$(BIN)/python scripts/mutation.py

clean:
	rm -rf $(VENV) $(DEMO) dist build
