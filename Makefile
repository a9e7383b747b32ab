# Every verb works from a fresh clone: it installs what it needs into .venv first.
PYTHON ?= python3.11
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev
ROOMS := producers clickhouse stream rollups deploy
# Most tests wait for brokers and stores, so three at once fill two cores. A file's tests stay together, for they share
# its stack; long files come first.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check format boards gate bench torture lock clean

help: ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# uv is quicker; pip honours a mirror that only pip.conf knows, so it is the fallback.
define install
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r $(1) \
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

demo: $(RUNTIME) ## 90 days of traffic through the real pipeline, then serve it
	$(BIN)/spendmeter demo $(ARGS)

test: $(DEV) ## all tests (unit, integration, e2e)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

coverage: $(DEV) ## tests of pricing and usage extractors; fails below 100 % branch coverage
	$(BIN)/pytest -q -n $(JOBS) tests/unit/pricing tests/unit/extract --cov=spendmeter_stream.pricing --cov=spendmeter_events.extract \
	  --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

check: $(DEV) ## formatting, lint, types, known holes in dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(audit)

# Only a finding fails: an index that has no advisories, or no network, is said in one line.
define audit
	if $(BIN)/pip-audit --progress-spinner off --disable-pip --require-hashes -r requirements.lock > .venv/audit.txt 2>&1; then \
	  ! grep -q "could not be audited" .venv/audit.txt || echo "pip-audit: this index has no advisories; known holes were not looked up"; \
	elif grep -q "ConnectionError" .venv/audit.txt; then echo "pip-audit: no network; known holes were not looked up"; \
	else cat .venv/audit.txt; exit 1; fi
endef

format: $(DEV) ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

boards: $(DEV) ## write grafana/dashboards from grafana/build
	PYTHONPATH=. $(BIN)/python -m grafana.build

gate: $(DEV) ## run every statement of the boards over demo data, and print what was run
	$(BIN)/python -m tests.gate

bench: $(DEV) ## measure, and write docs/benchmarks.md
	$(BIN)/python -m benchmarks $(ARGS)

torture: $(DEV) ## kill, freeze and cut off everything for a while, and compare every sum (ARGS="--seed N --minutes M")
	$(BIN)/python -m tests.torture $(ARGS)

lock: .venv/.bootstrap ## resolve the dependencies anew (edit pyproject.toml first)
	$(BIN)/uv pip compile -q requirements-bootstrap.in --universal --python-version 3.11 --generate-hashes --no-header -o requirements-bootstrap.lock
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-package spendmeter-events --no-header -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes --no-emit-package spendmeter-events --no-header -c requirements.lock -o requirements-dev.lock

clean: ## remove the environment and the embedded stack's data
	rm -rf .venv .spendmeter .mypy_cache .ruff_cache .pytest_cache .hypothesis
