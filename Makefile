# Each target sets up its own virtual environment; Python 3.11 or newer is all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The iPhone's extra is GPL-3.0 and some 90 packages: it stays out of the other environment.
IPHONE := .venv-iphone
# `test` is made for two cores; its tests wait for clocks and disks, hence twice as many workers.
PYTEST := python -m pytest --dist worksteal -q

.PHONY: demo test test-wide test-iphone check bench rehearse clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## move a sandbox library into ./demo and prove it
	$(BIN)/outpour demo

test: $(STAMP)  ## every promise, in five to ten minutes on two cores
	$(BIN)/$(PYTEST) -n 4 -m 'not wide'

test-wide: $(STAMP)  ## its rarer situations, as long again
	$(BIN)/$(PYTEST) -n 4 -m wide

$(IPHONE)/.installed: pyproject.toml
	$(PYTHON) -m venv $(IPHONE)
	$(IPHONE)/bin/python -m pip install --quiet --editable '.[dev,iphone]'
	@touch $@

test-iphone: $(IPHONE)/.installed  ## what needs pymobiledevice3, which `test` skips
	$(IPHONE)/bin/$(PYTEST) -n 2 tests/iphone tests/together tests/config/test_examples.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks

rehearse: $(STAMP) $(IPHONE)/.installed  ## the long fault and kill tests, every seed
	$(BIN)/$(PYTEST) -n 2 -m slow --timeout 3600 tests
	$(IPHONE)/bin/$(PYTEST) -n 2 -m slow --timeout 3600 tests/iphone

clean:
	rm -rf $(VENV) $(IPHONE) demo build dist
