# make demo   a real sweep on this machine, from nothing, ending with its report
# make test   every test that can pass here
# make deephaven  the embedded engine, in an environment of its own: its tests run where it is there
# make enterprise  the client of Deephaven Enterprise, in another one, for the tests of that executor
# make check  lint, format, types, import floors

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINE := .venv-deephaven-core
CLIENT := .venv-deephaven

.PHONY: demo test fast check format bench docs deephaven enterprise clean

demo: $(VENV)/.installed
	@test -e demo/momentum.yaml || $(BIN)/openbell init demo --template sweep-demo
	cd demo && ../$(BIN)/openbell run momentum.yaml
	@cd demo && ../$(BIN)/openbell report momentum --output momentum.html
	@echo "the report: demo/momentum.html"

test: $(VENV)/.developing
	$(BIN)/python -m pytest -n 2 --dist loadfile

fast: $(VENV)/.developing
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

check: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.developing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.developing
	$(BIN)/python -m benchmarks

docs: $(VENV)/.developing
	$(BIN)/python docs/generate.py

deephaven: $(ENGINE)/.installed

$(ENGINE)/.installed: pyproject.toml
	$(PYTHON) -m venv $(ENGINE)
	$(ENGINE)/bin/python -m pip install --quiet --disable-pip-version-check 'deephaven-server~=42.7'
	@touch $@

enterprise: $(CLIENT)/.installed

$(CLIENT)/.installed: pyproject.toml
	$(PYTHON) -m venv $(CLIENT)
	$(CLIENT)/bin/python -m pip install --quiet --disable-pip-version-check 'deephaven-coreplus-client>=2026.1,<2027'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "openbell needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Name another: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) $(ENGINE) $(CLIENT) demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
