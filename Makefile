# dataset-platform: 'make help' lists what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TESTED := $(VENV)/.ready-dev
INPUT  ?=
DAY    ?=
PORT   ?= 3000

# dagster dev rather than dg dev: dg changes to the project's folder, and there Dagster warns of the dagster.yaml it does
# not use. The only warning left is that dg dev is the newer name.
QUIET  := PYTHONWARNINGS="ignore:Function \`dev_command\` is superseded"

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test test-fast lint format peers clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv, install under constraints.txt, fetch Java (if missing), Delta jars and the language model

$(READY): pyproject.toml constraints.txt deploy/setup.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh deploy/setup.sh "."
	$(BIN)/python -m dataset_platform.setup
	@touch $@

$(TESTED): $(READY)
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh deploy/setup.sh ".[dev]"
	@touch $@

demo: $(READY) ## Run the whole graph on a sample, or on your WARC files and TFRecords: make demo INPUT=<folder, glob or s3 URL> [DAY=2026-01-05]
	@$(BIN)/dataset-platform demo $(if $(INPUT),--input '$(INPUT)') $(if $(DAY),--day $(DAY))

ui: $(READY) ## Open Dagster on the lake that the demo or materialize filled: make ui [PORT=3000]
	@set -e; root="$$PWD"; DAGSTER_HOME="$$($(BIN)/python -m dataset_platform.setup.instance)"; export DAGSTER_HOME; \
	  cd "$$DAGSTER_HOME"; $(QUIET) "$$root/$(BIN)/dagster" dev -w "$$root/workspace.yaml" -p $(PORT)

test: $(TESTED) ## Set up and run all tests, linters, types and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

test-fast: $(TESTED) ## Run the tests that are not marked slow
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

lint: $(TESTED) ## Run ruff, the formatter's check, mypy and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(TESTED) ## Format the code and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

peers: ## Make .venv-peers with the tools the web benchmarks compare with
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install -q -r benchmarks/peers/requirements.txt

clean: ## Remove .venv and caches; the lake stays
	rm -rf $(VENV) .venv-peers .cache .pytest_cache .mypy_cache .ruff_cache
