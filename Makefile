# Everything runs in .venv, which the targets make themselves: only Python 3.11+ and make have to be there.
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# More options of `denpa train` for the demo: make demo DEMO="--epochs 5"
DEMO ?= --test 0.2 --valid 0.1 --hidden 128 --dropout 0.2 --optimizer adam --lr 0.002 --batch-size 32 --epochs 40 --seed 0
# More options of pytest: make test PYTEST="-x -k softmax"
PYTEST ?=

.DELETE_ON_ERROR:
.PHONY: help demo test lint format bench campaign indices clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/.all  ## Train a network on the digits data and write its report
	@rm -rf denpa-runs/demo
	$(BIN)/denpa train digits --out denpa-runs/demo $(DEMO)

test: lint  ## Lint, types and the whole test suite
	$(BIN)/python -m pytest $(PYTEST)

lint: .venv/.test  ## Ruff, its formatter, and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.test  ## Format the code and apply ruff's safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.bench  ## Run every benchmark beside the rivals, and write docs/benchmarks.md with what came out
	$(BIN)/python benchmarks/eager.py
	$(BIN)/python benchmarks/drawing.py
	$(BIN)/python benchmarks/training.py --publish docs

campaign: .venv/.bench  ## The long tests: kills, mutations, thousands of random networks
	$(BIN)/python -m pytest -m slow $(PYTEST)

indices: .venv/.test  ## The engine's tests with every index of every kernel checked
	DENPA_GUARD=2 NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest tests/engine $(PYTEST)

clean:  ## Remove the environment, caches, build outputs and the demo's run
	rm -rf .venv build dist denpa-runs/demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp is written last, so an interrupted installation is done again; a changed pyproject.toml installs again.
.venv/.all: EXTRAS := all
.venv/.test: EXTRAS := all,test
.venv/.bench: EXTRAS := all,test,bench
.venv/.all .venv/.test .venv/.bench: pyproject.toml | .venv/.made
	@echo "installing denpa[$(EXTRAS)] into .venv"
	@$(PIP) install --editable '.[$(EXTRAS)]'
	@touch $@

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "denpa needs Python 3.11 or newer. '$(PYTHON) --version' says: $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu the package python3-venv is missing: sudo apt install python3-venv" >&2; exit 1; }
	@touch $@
