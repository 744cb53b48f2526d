# `make test` and `make demo` do all the set-up on a fresh machine: Python 3.11 or newer and a package index suffice.
# PYTHON=python3.12 picks the interpreter, PIP_ARGS="--index-url …" passes options to pip.

PYTHON   ?= python3
VENV     ?= .venv
PIP_ARGS ?=
BIN      := $(abspath $(VENV))/bin
STAMP    := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

.DELETE_ON_ERROR:
.PHONY: help test fuzz audit demo docs lint format clean

help:
	@echo "make test    lint, types and tests     make demo    a model and paths of the S&P 500, in demo/"
	@echo "make lint    lint and types only       make format  format the code        make clean   remove what make made"
	@echo "make docs    the documentation site, in docs/_build/html (runs the tutorials: three minutes)"
	@echo "make fuzz    25,000 new inputs for each of prices, covariates, conditions, settings and models (an hour)"
	@echo "make audit   known vulnerabilities of the versions in constraints.txt; needs a network"

# torch first and by itself: the build that PIP_ARGS or pip's configuration chooses is then kept by the second line.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tsgan needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt torch
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $@

test: lint
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

fuzz: $(STAMP)
	TSGAN_FUZZ=25000 $(BIN)/pytest tests/test_fuzz.py --hypothesis-show-statistics
	@$(BIN)/python -c 'import atheris' 2>/dev/null || { echo "Not guided by branches: $(BIN)/pip install atheris"; exit 0; }; \
	for target in prices covariates conditions settings models; do \
	  $(BIN)/python tests/guided_fuzz.py $$target -max_total_time=600 || exit; done

# In an environment of its own, so that the one with the pinned versions stays as it is. --strict: a version that could
# not be looked up, without a network say, is a failure, not a pass.
audit:
	test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && \
	  $(VENV)/audit/bin/pip install --quiet $(PIP_ARGS) pip-audit; }
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt || { \
	  echo "A version in constraints.txt has a known vulnerability, or could not be looked up; the lines above say which." >&2; exit 1; }

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

demo: $(STAMP)
	mkdir -p demo
	cd demo && $(BIN)/tsgan data sp500 --out prices.csv --force
	cd demo && $(BIN)/tsgan fit prices.csv --force
	cd demo && $(BIN)/tsgan sample --n 1000 --out synth.csv --force
	cd demo && $(BIN)/tsgan evaluate prices.csv synth.csv --against baselines
	cd demo && $(BIN)/tsgan plot prices.csv synth.csv --out demo.png --force
	@echo "The paths are in demo/synth.csv, the report is demo/report.html, the picture demo/demo.png."

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e '.[docs]'
	@touch $@

# Warnings are errors, unknown references too; OMP_NUM_THREADS keeps torch from waiting for cores that others use.
docs: $(DOCS_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -b html -W --keep-going -n docs docs/_build/html
	@echo "The site is docs/_build/html/index.html."

clean:
	rm -rf $(VENV) build dist demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/api docs/tutorials docs/sg_execution_times.rst
