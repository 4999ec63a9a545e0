# Every habit of the project by name. Set-up happens by itself, once, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# the benchmark on real data brings its peers, which rankfall itself does not need
VENV_REAL := .venv-real
STAMP_REAL := $(VENV_REAL)/.installed
# what clean may remove: everything here can be made again
PRODUCTS := demo-output examples-output sweep-output study-output dist docs/_build .benchmarks .hypothesis .pytest_cache .ruff_cache .import_linter_cache

.PHONY: help demo examples test test-all check format bench bench-real clean

help:
	@echo "make demo      complete a real table with holes; writes demo-output/"
	@echo "make examples  run the examples; their pictures go to examples-output/"
	@echo "make test      the tests (make test-all: the slow ones too)"
	@echo "make check     lint, format, layers, types (make format: mend the format)"
	@echo "make bench     kernel speed"
	@echo "make bench-real  against other methods on real data; hours (MOVIELENS=path adds the ratings;"
	@echo "               ARGS=... replaces its options, ARGS=--quick takes minutes)"
	@echo "make clean     remove what was made, but not $(VENV) and $(VENV_REAL)"

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

examples: $(STAMP)
	$(BIN)/python scripts/run_examples.py --output examples-output

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

$(STAMP_REAL): pyproject.toml constraints.txt benchmarks/requirements-real.txt
	@test -x $(VENV_REAL)/bin/python || $(PYTHON) -m venv $(VENV_REAL)
	@echo "Installing into $(VENV_REAL) (once; some minutes) ..."
	@$(VENV_REAL)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(VENV_REAL)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  --no-build-isolation -e .
	@$(VENV_REAL)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -r benchmarks/requirements-real.txt
	@touch $(STAMP_REAL)

bench-real: $(STAMP_REAL)
	$(VENV_REAL)/bin/python benchmarks/real.py $(or $(ARGS),--out bench-real-output) $(if $(MOVIELENS),--movielens '$(MOVIELENS)')

clean:
	rm -rf $(PRODUCTS)
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
