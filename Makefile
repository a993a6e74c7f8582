# Everything runs from a virtual environment beside this file; the first target that needs it makes it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test check format bench clean

run: $(VENV)/.installed            ## start the gateway (demo mode without configuration or keys)
	@$(BIN)/gateway serve

test: $(VENV)/.installed-test      ## lint, types, and the whole suite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses auto --dist worksteal

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test     ## the short benchmark; see benchmarks/README.md
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) tests/e2e/node/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gateway needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV), with what the tests need ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@if command -v npm >/dev/null; then \
		npm install --prefix tests/e2e/node --silent --no-audit --no-fund --fetch-retries=0 --fetch-timeout=10000 || \
		echo "the Node SDKs cannot be installed: its tests are skipped" >&2; fi
	@touch $@ $(VENV)/.installed
