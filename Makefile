# Every habit of the project by name. Set-up happens by itself, once, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
KERNELS := $(VENV)/.compiled
# the benchmarks on real data bring peers and data, which rankfall itself does not need
VENV_REAL := .venv-real
STAMP_REAL := $(VENV_REAL)/.installed
VENV_SERIES := .venv-series
STAMP_SERIES := $(VENV_SERIES)/.installed
# so do those on speed; their peers never meet rankfall in one process
VENV_BENCH := .venv-bench
STAMP_BENCH := $(VENV_BENCH)/.installed
# the oldest dependencies, on the oldest Python
PYTHON_OLDEST ?= python3.11
VENV_OLDEST := .venv-oldest
STAMP_OLDEST := $(VENV_OLDEST)/.installed
PYTEST := $(BIN)/python -m pytest -q -n auto --dist worksteal
SPHINX := $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet
# PyTorch, without which the tests that need it are skipped
STAMP_TORCH := $(VENV)/.torch
# what clean may remove: everything here can be made again
PRODUCTS := fuzz-output demo-output examples-output sweep-output study-output dist docs/_build docs/api/generated docs/gallery .hypothesis .pytest_cache .ruff_cache .import_linter_cache

.PHONY: fuzz help demo examples docs test test-all test-oldest torch check check-style check-types check-site kernels format wheel bench bench-scaling bench-peers bench-real bench-small bench-series bench-regression clean

help:
	@echo "make demo      complete a real table with holes; writes demo-output/"
	@echo "make examples  run the examples; their pictures go to examples-output/"
	@echo "make docs      the site, in docs/_build/html, with the examples executed"
	@echo "make test      the tests (make test-all: the slow ones too; make test-oldest: with the oldest dependencies)"
	@echo "make fuzz      mutated files and wild calls, for an hour (ARGS='--seconds 900 --count 20000'; goes on where it"
	@echo "               was stopped, and keeps what it finds in fuzz-output/)"
	@echo "make torch     installs PyTorch into .venv, for the tests of rankfall.memory that need it"
	@echo "make check     lint, format, layers, types, the site (make format: mend the format)"
	@echo "make wheel     builds the wheel, and tries it in an empty environment; writes dist/"
	@echo "make bench     kernel speed, beside the machine's limit, PyTorch and JAX"
	@echo "make bench-scaling  time and memory against the size of the matrix (ARGS=--large: half a minute more, 1 GB)"
	@echo "make bench-peers  seconds to a relative error of 1e-6, beside solvers that are told the rank"
	@echo "make bench-regression  whether the last commit is slower than the one before (ARGS='--base main')"
	@echo "make bench-real  against other methods on real data; hours (MOVIELENS=path adds the ratings;"
	@echo "               ARGS=... replaces its options, ARGS=--quick takes minutes)"
	@echo "make bench-small  against scikit-learn's imputers on small tables (ARGS='--masks-of-trees 0': the"
	@echo "               forests, which take most of the time, are left out)"
	@echo "make bench-series  against methods for series, on tables whose rows follow each other; hours (ARGS='--only"
	@echo "               pm25 --masks 1': minutes; ARGS='--json series.json' goes on where it was stopped)"
	@echo "make clean     remove what was made, but not the environments (.venv*)"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "The pinned dependencies need Python 3.11 to 3.14, and '$(PYTHON)' is not one of these." \
	    "Name another, as in: make PYTHON=python3.13 $(or $(firstword $(MAKECMDGOALS)),test)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev,docs]'
	@touch $(STAMP)

$(KERNELS): $(STAMP)
	@echo "Compiling the kernels (once; about half a minute) ..."
	@$(BIN)/python scripts/warm_up.py
	@touch $(KERNELS)

demo: $(KERNELS)
	$(BIN)/python -m rankfall demo

examples: $(KERNELS)
	$(BIN)/python scripts/run_examples.py --output examples-output

# the gallery's pictures come from a run of the examples, which takes minutes; check looks at everything else
docs: $(STAMP)
	$(SPHINX) --doctree-dir docs/_build/doctrees/html -D plot_gallery=1 docs docs/_build/html
	@echo "The site is in docs/_build/html: open index.html, or copy the folder to any web server."

# a process of tests for each core; each begins with a half of its own, so that what a file prepares is prepared once
test: $(KERNELS)
	$(PYTEST)

test-all: $(KERNELS)
	$(PYTEST) -m "slow or not slow"

# a process at a time, in which numba may crash; ARGS=--help says what can be asked for
fuzz: $(KERNELS)
	$(BIN)/python tests/fuzz/run.py $(ARGS)

torch: $(STAMP_TORCH)

$(STAMP_TORCH): $(STAMP)
	@echo "Installing PyTorch into $(VENV) (once; a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	@touch $(STAMP_TORCH)

$(STAMP_OLDEST): pyproject.toml constraints-oldest.txt
	@$(PYTHON_OLDEST) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "The oldest dependencies need Python 3.11. Name one, as in:" \
	    "make PYTHON_OLDEST=/opt/python3.11/bin/python3 test-oldest" >&2; exit 2; }
	@test -x $(VENV_OLDEST)/bin/python || $(PYTHON_OLDEST) -m venv $(VENV_OLDEST)
	@echo "Installing into $(VENV_OLDEST) (once; some minutes) ..."
	@$(VENV_OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt hatchling editables
	@$(VENV_OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt \
	  --no-build-isolation -e '.[cluster,excel]' pytest pytest-xdist hypothesis polars
	@touch $(STAMP_OLDEST)

test-oldest: $(STAMP_OLDEST)
	$(VENV_OLDEST)/bin/python -m pytest -q -n auto --dist worksteal

# independent of each other: make -j2 check
check: check-style check-types check-site

check-style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

check-types: $(STAMP)
	$(BIN)/pyright --warnings

check-site: $(STAMP)
	$(SPHINX) --doctree-dir docs/_build/doctrees/quick docs docs/_build/quick

kernels: $(KERNELS)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(STAMP)
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m pytest -q -m slow tests/test_wheel.py

$(STAMP_BENCH): benchmarks/requirements-bench.txt
	@test -x $(VENV_BENCH)/bin/python || $(PYTHON) -m venv $(VENV_BENCH)
	@echo "Installing into $(VENV_BENCH) (once; some minutes) ..."
	@$(VENV_BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-bench.txt
	@touch $(STAMP_BENCH)

bench: $(STAMP) $(STAMP_BENCH)
	$(BIN)/python benchmarks/kernels.py $(ARGS)

bench-scaling: $(STAMP)
	$(BIN)/python benchmarks/scaling.py $(ARGS)

bench-peers: $(STAMP) $(STAMP_BENCH)
	$(BIN)/python benchmarks/end_to_end.py $(ARGS)

bench-regression: $(STAMP)
	$(BIN)/python benchmarks/regression.py $(ARGS)

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

bench-small: $(STAMP_REAL)
	$(VENV_REAL)/bin/python benchmarks/small_tables.py $(ARGS)

$(STAMP_SERIES): pyproject.toml constraints.txt benchmarks/requirements-series.txt benchmarks/requirements-series-data.txt
	@test -x $(VENV_SERIES)/bin/python || $(PYTHON) -m venv $(VENV_SERIES)
	@echo "Installing into $(VENV_SERIES) (once; a minute or two) ..."
	@$(VENV_SERIES)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(VENV_SERIES)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  --no-build-isolation -e .
	@$(VENV_SERIES)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -r benchmarks/requirements-series.txt
	@$(VENV_SERIES)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --ignore-requires-python -r benchmarks/requirements-series-data.txt
	@touch $(STAMP_SERIES)

bench-series: $(STAMP_SERIES)
	$(VENV_SERIES)/bin/python benchmarks/series.py $(ARGS)

clean:
	rm -rf $(PRODUCTS)
	find . -name __pycache__ -not -path './$(VENV)*/*' -prune -exec rm -rf {} +
