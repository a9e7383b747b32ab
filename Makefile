# Every target works from a fresh clone: it first installs its dependencies into .venv.
PYTHON ?= python3.11
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev
# Most tests wait for brokers and stores, so three workers fill two cores. The tests of a file share its stack, so they
# run in one worker; long files come first.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check format boards schema screens gate bench torture lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# uv is faster; pip is the fallback, because it honours a mirror that is set only in pip.conf.
define install
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r $(1) \
	  || $(BIN)/pip install -q --require-hashes -r $(1)
	$(BIN)/pip install -q --no-deps --no-build-isolation -e ./producers -e .
	@touch $@
endef

.venv/.bootstrap: requirements-bootstrap.lock
	@command -v $(PYTHON) >/dev/null || { echo "spendmeter needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@touch $@

$(RUNTIME): .venv/.bootstrap requirements.lock pyproject.toml producers/pyproject.toml
	$(call install,requirements.lock)

$(DEV): .venv/.bootstrap requirements-dev.lock pyproject.toml producers/pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $(RUNTIME)

demo: $(RUNTIME) ## run the embedded stack with 90 days of demo traffic
	$(BIN)/spendmeter demo $(ARGS)

test: $(DEV) ## run all tests (unit, integration, e2e)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

coverage: $(DEV) ## test pricing and usage extractors; fail below 100 % branch coverage
	$(BIN)/pytest -q -n $(JOBS) tests/unit/pricing tests/unit/extract --cov=spendmeter_stream.pricing --cov=spendmeter_events.extract \
	  --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

check: $(DEV) ## check formatting, lint, types and known vulnerabilities of dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(audit)

# Only a finding fails. An index without advisories, or no network, prints one line.
define audit
	if $(BIN)/pip-audit --progress-spinner off --disable-pip --require-hashes -r requirements.lock > .venv/audit.txt 2>&1; then \
	  ! grep -q "could not be audited" .venv/audit.txt || echo "pip-audit: this index has no advisories; known vulnerabilities were not checked"; \
	elif grep -q "ConnectionError" .venv/audit.txt; then echo "pip-audit: no network; known vulnerabilities were not checked"; \
	else cat .venv/audit.txt; exit 1; fi
endef

format: $(DEV) ## format the code and fix lint errors
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

boards: $(DEV) ## generate grafana/dashboards from grafana/build
	PYTHONPATH=. $(BIN)/python -m grafana.build

schema: $(DEV) ## generate the SQL of rollups and projections from the catalogue
	$(BIN)/python -m spendmeter_clickhouse.ddl.schema

screens: $(DEV) ## photograph the page on demo data in Chromium (docs/page)
	$(BIN)/python -m tests.screens

gate: $(DEV) ## run every query of the boards on demo data, and print the queries
	$(BIN)/python -m tests.gate

bench: $(DEV) ## run the benchmarks and write docs/benchmarks.md
	$(BIN)/python -m benchmarks $(ARGS)

torture: $(DEV) ## inject kills, freezes and outages, and compare every sum (ARGS="--seed N --minutes M")
	$(BIN)/python -m tests.torture $(ARGS)

lock: .venv/.bootstrap ## update the lock files from pyproject.toml
	$(BIN)/uv pip compile -q requirements-bootstrap.in --universal --python-version 3.11 --generate-hashes --no-header -o requirements-bootstrap.lock
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-package spendmeter-events --no-header -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes --no-emit-package spendmeter-events --no-header -c requirements.lock -o requirements-dev.lock

clean: ## remove the virtual environment and the embedded stack's data
	rm -rf .venv .spendmeter .mypy_cache .ruff_cache .pytest_cache .hypothesis
