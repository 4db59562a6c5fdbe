# Everything works on a machine that has Python 3.11+, git and make. uv is used when it is there;
# `make UV= test` goes through venv and pip all the same.

UV ?= uv
PYTHON ?=
PYTEST_ARGS ?=
PYTEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

export UV PYTHON VENV

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak lint format bench docs docs-check lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | \
		while IFS='|' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

# An environment with the development tools also has all that running needs.
$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml tools/install.sh
	@sh tools/install.sh requirements-dev.lock
	@touch $(VENV)/.installed-dev $(VENV)/.installed-run

$(VENV)/.installed-run: requirements.lock pyproject.toml tools/install.sh
	@sh tools/install.sh requirements.lock
	@touch $(VENV)/.installed-run

setup: $(VENV)/.installed-dev ## Install everything for development into .venv

demo: $(VENV)/.installed-run ## Install what running needs and run the demonstration
	@$(BIN)/fillwright demo

test: $(VENV)/.installed-dev ## Install everything and run the tests
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

soak: $(VENV)/.installed-dev ## Run the long tests: every crash point, every seed
	@FILLWRIGHT_THOROUGH=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -m soak $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## Check format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev ## Run the benchmarks
	@$(BIN)/python -m bench

docs: $(VENV)/.installed-dev ## Write the generated pages of docs/ anew
	@if [ -f tools/generate_docs.py ]; then $(BIN)/python -m tools.generate_docs; fi

docs-check: $(VENV)/.installed-dev ## Fail when a generated page of docs/ is stale
	@before=$$(mktemp -d) && trap 'rm -rf "$$before"' EXIT && cp -R docs "$$before/docs" && \
		$(MAKE) --no-print-directory docs && \
		{ diff -r "$$before/docs" docs || \
		{ echo "docs/ was stale: commit what 'make docs' has just written" >&2; exit 1; }; }

# Needs uv. The first file is what running needs, the second adds the extras and the tools.
lock: ## Choose the locked versions anew (LOCK_ARGS=--upgrade for the newest)
	$(UV) pip compile pyproject.toml --group pyproject.toml:build \
		--universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--no-header --no-annotate --quiet $(LOCK_ARGS) -o requirements.lock
	$(UV) pip compile pyproject.toml --all-extras --group pyproject.toml:dev -c requirements.lock \
		--universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--no-header --no-annotate --quiet $(LOCK_ARGS) -o requirements-dev.lock

clean: ## Remove the environment, caches and reports
	rm -rf $(VENV) build dist reports htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
