# Every target makes the virtual environment itself; nothing has to be installed by hand
# beyond Python 3.11+ (and Java 17 with Maven for the Apache Kafka tests).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# Programs and fonts the tests use: the browser, and what lays out a PDF in Chinese.
DEBIAN_TEST_PACKAGES := chromium fonts-noto-cjk libpango-1.0-0 libpangoft2-1.0-0

.PHONY: help demo test test-packages lint types bench clean
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,dev]'
	@touch $@

demo: $(VENV)/.installed ## the main job on one machine: a simulated month, closed, in under 90 s
	$(BIN)/mailsla demo

test-packages: ## the Debian packages the tests use, installed where that is possible
	@missing=$$(for name in $(DEBIAN_TEST_PACKAGES); do \
	  dpkg-query -W -f='$${db:Status-Status}' $$name 2>/dev/null | grep -qx installed || echo $$name; \
	done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	root=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
	{ command -v apt-get && $$root true && $$root apt-get update -qq && \
	  $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	} >/dev/null 2>&1 || \
	echo "Some tests use Debian packages that are missing; as root: apt-get install" $$missing

test: $(VENV)/.installed test-packages ## the whole suite, on the embedded broker and on Apache Kafka
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
