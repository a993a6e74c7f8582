# Everything runs from a virtual environment beside this file; the first target that needs it makes it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
# pip shows nothing while it fetches what the build needs, so a silent minute is announced.
FAILED := { echo "the installation failed; the reason is above. pip needs PyPI, or a mirror and its certificate" \
	"(PIP_INDEX_URL, PIP_CERT). Then repeat the command." >&2; exit 1; }

.PHONY: run test format bench lock clean

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

# What is pinned stays as it is unless pyproject.toml asks for more: make lock UPGRADE=--upgrade
COMPILE := uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate $(UPGRADE)
BUILDS  := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

lock:                              ## renew the pinned packages of the image; needs uv
	$(COMPILE) --extra cluster --extra postgres --extra vault pyproject.toml --output-file requirements.lock >/dev/null
	"$(PYTHON)" -c '$(BUILDS)' | $(COMPILE) - --output-file requirements-build.lock >/dev/null

clean:
	rm -rf $(VENV) tests/e2e/node/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis

# pip comes last into a virtual environment, so one without it was interrupted.
$(BIN)/pip:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "there is no $(PYTHON); install Python 3.11 or newer, or: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gateway needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "venv is missing. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "the virtual environment $(VENV) could not be made; the reason is above" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	@echo "installing 12 MB from PyPI into $(VENV); if the network is down, pip says so after some minutes ..."
	@$(PIP) install --editable . || $(FAILED)
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/pip
	@echo "installing 70 MB from PyPI into $(VENV), with what the tests need ..."
	@$(PIP) install --editable '.[test]' || $(FAILED)
	@if command -v npm >/dev/null; then \
		npm install --prefix tests/e2e/node --silent --no-audit --no-fund --fetch-retries=0 --fetch-timeout=10000 || \
		echo "the Node SDKs cannot be installed: its tests are skipped" >&2; fi
	@touch $@ $(VENV)/.installed
