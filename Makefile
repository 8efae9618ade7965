# Everything runs in .venv, which is made on first use and renewed when pyproject.toml or constraints.txt changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
VENV_STAMP := $(VENV)/.made
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
LOWEST := .venv-lowest
PEERS := .venv-peers
SPARK := .spark
SPARK_VERSION := 4.0.1
# An editable installation brings no data files, so the man page and the completions are put in place here.
SHELL_FILES := cd docs/shell && \
  install -D -m 644 hearthwatch.1 ../../$(VENV)/share/man/man1/hearthwatch.1 && \
  install -D -m 644 hearthwatch ../../$(VENV)/share/bash-completion/completions/hearthwatch && \
  install -D -m 644 _hearthwatch ../../$(VENV)/share/zsh/site-functions/_hearthwatch && \
  install -D -m 644 hearthwatch.fish ../../$(VENV)/share/fish/vendor_completions.d/hearthwatch.fish
PEER_STAMPS := $(PEERS)/soda/.made $(PEERS)/dbt/.made $(PEERS)/great_expectations/.made

# Debian keeps venv in a package of its own, and another python3 may come first on PATH: take the first that has all we need.
SUITABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup hooks demo demo-rt test test-fast test-lowest explore mutants coverage lint docs spark bench bench-peers clean

help: ## show what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV_STAMP) ## make .venv with the program and its development tools

hooks: $(DEV_STAMP) ## let git run the quick checks before each commit, the slower ones before each push
	@$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

demo: $(RUN_STAMP) ## play a month of nights on the demo town, without any server
	@$(BIN)/hearthwatch demo

demo-rt: $(DEV_STAMP) ## the same two nights in a throwaway Request Tracker (Debian's request-tracker5 rt5-db-sqlite rt5-standalone)
	@$(BIN)/python -m tests.support.demo_rt

test: $(DEV_STAMP) ## check everything and run all tests (starts its own PostgreSQL)
	@$(MAKE) --no-print-directory lint & lint=$$!; \
	$(BIN)/pytest -n auto --dist worksteal; tests=$$?; \
	wait $$lint || exit 1; exit $$tests

test-fast: $(DEV_STAMP) ## run the fifth of the tests that catches most, in a minute and a half
	@$(BIN)/pytest -n auto --fast

test-lowest: $(LOWEST)/.made ## run the same tests with the lowest versions that pyproject.toml allows
	@$(LOWEST)/bin/pytest -n auto --fast

explore: $(DEV_STAMP) ## try the rules' cases on both engines, and each property with twenty times as many examples (EXPLORE_TIMES=20)
	@$(BIN)/pytest -n auto -m 'not hypothesis' tests/detectors/rules tests/detectors/source/test_folder_files.py tests/test_field_cases.py
	@HYPOTHESIS_PROFILE=explore $(BIN)/pytest -n auto -m hypothesis

mutants: $(DEV_STAMP) ## change the pure modules in small ways and say which changes no test notices (MODULES=reports/redact.py)
	@$(BIN)/python -m tests.support.mutants $(MODULES)

coverage: $(DEV_STAMP) ## run the same tests as test-fast and say which lines and branches they reach
	@$(BIN)/pytest -n auto --fast --cov --cov-report=term

lint: $(DEV_STAMP) ## check style, types and import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: $(DEV_STAMP) ## write the generated pages anew
	@$(BIN)/python docs/generate.py

spark: $(SPARK)/.made ## fetch Apache Spark (430 MB), so that the tests scan on it too; it needs Java 17 or 21

bench: $(DEV_STAMP) ## measure a scan against a bare pass over the same rows (POSTGRES=URL)
	@$(BIN)/python -m benchmarks.bench --postgres '$(POSTGRES)' $(if $(AS_OF),--as-of '$(AS_OF)') $(if $(ROUNDS),--rounds $(ROUNDS))

bench-peers: $(DEV_STAMP) $(PEER_STAMPS) ## measure Soda, dbt, great_expectations, SQL and pandas beside a scan (POSTGRES=URL)
	@$(BIN)/python -m benchmarks.peers --postgres '$(POSTGRES)' $(if $(AS_OF),--as-of '$(AS_OF)') $(if $(ROUNDS),--rounds $(ROUNDS))

clean: ## remove .venv, .venv-lowest, .venv-peers, .spark, caches and output
	rm -rf $(VENV) $(LOWEST) $(PEERS) $(SPARK) out build *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV_STAMP):
	@for python in $(PYTHON) /usr/bin/python3; do \
	  if "$$python" -c '$(SUITABLE)' 2>/dev/null; then "$$python" -m venv --clear $(VENV) && touch $@; exit; fi; \
	done; \
	echo 'Python 3.11 or newer with venv is needed: apt-get install python3-venv, or make PYTHON=/path/to/it' >&2; \
	exit 1

$(RUN_STAMP): $(VENV_STAMP) pyproject.toml constraints.txt
	@echo 'Installing into $(VENV) ...' >&2
	@$(PIP_INSTALL) -e .
	@$(SHELL_FILES)
	@touch $@

$(DEV_STAMP): $(VENV_STAMP) pyproject.toml constraints.txt
	@echo 'Installing into $(VENV), with the development tools ...' >&2
	@$(PIP_INSTALL) -e '.[dev]'
	@$(SHELL_FILES)
	@touch $(RUN_STAMP) $@

# uv is what resolves to the lowest versions; it is not needed for anything else.
$(LOWEST)/.made: $(VENV_STAMP) pyproject.toml
	@echo 'Installing the lowest versions into $(LOWEST) ...' >&2
	@$(BIN)/python -m venv --clear $(LOWEST)
	@echo '*' > $(LOWEST)/.gitignore
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct -e '.[dev]'
	@touch $@

# It is unpacked and not installed, as it shares no environment with the client that Hearthwatch uses.
$(SPARK)/.made: | $(VENV_STAMP)
	@echo 'Fetching Apache Spark $(SPARK_VERSION) into $(SPARK) ...' >&2
	@rm -rf $(SPARK) && mkdir $(SPARK) && echo '*' > $(SPARK)/.gitignore
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-binary pyspark -d $(SPARK) pyspark==$(SPARK_VERSION)
	@cd $(SPARK) && tar -xzf pyspark-*.tar.gz --strip-components 2 pyspark-$(SPARK_VERSION)/deps/bin pyspark-$(SPARK_VERSION)/deps/jars
	@rm $(SPARK)/pyspark-*.tar.gz && touch $@

# The peers contradict each other's requirements, so each has an environment of its own.
$(PEERS)/%/.made: benchmarks/peers/requirements/%.txt | $(VENV_STAMP)
	@echo 'Installing $* into $(PEERS)/$* ...' >&2
	@$(BIN)/python -m venv --clear $(PEERS)/$*
	@echo '*' > $(PEERS)/.gitignore
	@$(PEERS)/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
