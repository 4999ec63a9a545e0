# Every habit of the project by name. Set-up happens by itself, once, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# what clean may remove: everything here can be made again
PRODUCTS := demo-output dist docs/_build .benchmarks .hypothesis .pytest_cache .ruff_cache .import_linter_cache

.PHONY: help demo test test-all check format bench clean

help:
	@echo "make demo      complete a real table with holes; writes demo-output/"
	@echo "make test      the tests (make test-all: the slow ones too)"
	@echo "make check     lint, format, layers, types (make format: mend the format)"
	@echo "make bench     kernel speed"
	@echo "make clean     remove what was made, but not $(VENV)"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "rankfall needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is not one: say, for example, make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@echo "Compiling the kernels (once; about half a minute) ..."
	@$(BIN)/python scripts/warm_up.py
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python -m rankfall demo

test: $(STAMP)
	$(BIN)/python -m pytest -q

test-all: $(STAMP)
	$(BIN)/python -m pytest -q -m "slow or not slow"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/pyright --warnings

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python benchmarks/kernels.py

clean:
	rm -rf $(PRODUCTS)
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
