# The same commands for people and for CI. Each sets up what it needs: a virtual environment with the tested versions.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.installed
SOAK   := benchmarks/kills.py benchmarks/stream_kills.py benchmarks/stream_memory.py

.PHONY: demo test check bench soak fix clean help

help:   ## list the commands
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(SETUP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Siaga needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]' --group dev
	touch $@

demo: $(SETUP)   ## make a small flood data set, train the flagship, print the table, write demo/report.html
	$(BIN)/siaga demo --out demo --overwrite

test: $(SETUP)   ## run the tests
	$(BIN)/python -m pytest

check: $(SETUP)  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(SETUP)  ## run every benchmark; each prints one JSON line
	@for script in $(filter-out $(SOAK),$(wildcard benchmarks/*.py)); do echo "== $$script" >&2; $(BIN)/python $$script || exit 1; done

soak: $(SETUP)   ## the long reliability runs; each prints one JSON line
	@for script in $(SOAK); do echo "== $$script" >&2; $(BIN)/python $$script || exit 1; done

fix: $(SETUP)    ## mend what the linter can mend, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what make made
	rm -rf $(VENV) demo runs dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
