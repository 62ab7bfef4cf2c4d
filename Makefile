# Every target makes the virtual environment itself; nothing has to be installed by hand
# beyond Python 3.11+ (and Java 17 with Maven for the Apache Kafka tests, Node.js 20 with npm for the
# AsyncAPI parser); the programs of DEBIAN_TEST_PACKAGES are installed where that is possible.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# Debian packages whose programs the tests run.
DEBIAN_TEST_PACKAGES := kcat chromium fonts-noto-cjk libpango-1.0-0 libpangoft2-1.0-0 \
	prometheus postfix

# Compiles a lock file: exact versions with hashes, for every Python and system that is supported.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header pyproject.toml requirements/build.in

.PHONY: help demo test unit test-packages lint facts types bench fuzz simulate faults clean lock audit sbom licences
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# What is installed is what was locked, hash by hash; the project itself is built with that alone.
$(VENV)/.installed: pyproject.toml setup.py requirements/dev.lock $(wildcard schemas/compiled/*.pyx)
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --requirement requirements/dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.supply: requirements/supply.lock $(VENV)/.installed
	$(PIP) --require-hashes --requirement requirements/supply.lock
	@touch $@

demo: $(VENV)/.installed ## the main job on one machine: a simulated month, closed, in under 90 s
	$(BIN)/mailsla demo

test: $(VENV)/.installed test-packages ## the whole suite, on the embedded broker and on Apache Kafka
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder \
	  -p tests.line_coverage $(PYTEST_ARGS)

unit: $(VENV)/.installed ## the pure tests: no broker, no server, no program; about half a minute
	$(BIN)/python -m pytest tests/unit -m "not slow" --numprocesses=2 --dist=loadfile --quiet

# Without the rights or the network for it the suite goes on: a test whose program is missing is
# skipped, and fails with CI set.
test-packages: ## install the Debian packages the tests use, where they are missing
	@missing=; for each in $(DEBIAN_TEST_PACKAGES); do \
	  dpkg-query -W -f='$${Status}' "$$each" 2>/dev/null | grep -q ' installed$$' \
	    || missing="$$missing $$each"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=; else as='sudo -n'; fi; \
	{ $$as apt-get update -qq && \
	  $$as env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -qq -y --no-install-recommends $$missing; } >/dev/null 2>&1 \
	|| echo "Some tests need what Debian packages as$$missing; install it and run make test again."

lint: $(VENV)/.installed ## ruff (style, docstrings, time zones, security), its formatter, dead code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture

facts: $(VENV)/.installed ## write schemas/facts anew, after a change of schemas/events
	$(BIN)/python -m mailsla.schemas.export.fact_types

types: $(VENV)/.installed ## strict types
	$(BIN)/mypy

FUZZ_S ?= 120
fuzz: $(VENV)/.installed ## hostile inputs for every reader, for FUZZ_S seconds in all
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_S)

SIMULATE_S ?= 3600
SEED ?=
simulate: $(VENV)/.installed ## lives of the live worker in a world of chance, for SIMULATE_S seconds; or one: SEED=
	$(BIN)/python -m tests.simulation --seconds $(SIMULATE_S) $(if $(SEED),--seed $(SEED))

SCENARIO ?= all
faults: $(VENV)/.installed ## what goes wrong, on real processes: every scenario, or SCENARIO=name; SCENARIO=list
	$(BIN)/python -m tests.faults $(SCENARIO)

bench: $(VENV)/.installed ## benchmarks: ratios measured side by side in one run
	$(BIN)/python -m tests.bench

lock: ## lock the newest allowed versions (or: make lock UPGRADE=--upgrade)
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(PIP) uv; }
	$(COMPILE) $(UPGRADE) --output-file requirements/runtime.lock
	$(COMPILE) $(UPGRADE) --extra embedded --extra dev --output-file requirements/dev.lock
	$(COMPILE) $(UPGRADE) --extra embedded --extra dev --extra supply \
	  --output-file requirements/supply.lock

audit: $(VENV)/.supply ## known vulnerabilities of what the image holds; needs the network
	@mkdir -p build && rm -f build/audit.json
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/runtime.lock \
	  --format json --output build/audit.json || { $(BIN)/python .ci/audit.py build/audit.json; exit 1; }

sbom: $(VENV)/.supply ## the image's bill of materials, CycloneDX: build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements/runtime.lock --pyproject pyproject.toml \
	  --output-reproducible --output-file build/sbom.json

licences: $(VENV)/.supply ## the licences of what the image holds: requirements/LICENCES.md
	$(BIN)/pip-licenses --from=mixed --with-urls --format=markdown --packages \
	  $$(sed -n 's/^\([a-z0-9-]*\)==.*/\1/p' requirements/runtime.lock) > requirements/LICENCES.md
	@sed -n '1s/.*uPlot (v\([0-9.]*\)).*/| uPlot (in streams\/web\/static) | \1 | MIT License | https:\/\/github.com\/leeoniya\/uPlot |/p' \
	  streams/web/static/uplot.js >> requirements/LICENCES.md

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
