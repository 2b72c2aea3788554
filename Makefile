# Needs Python 3.11 or newer with pip and venv; everything else is installed into .venv, once.
# Another interpreter:      make test PYTHON=python3.12
# More options for pip:     make test PIP_FLAGS="--no-index --find-links wheels"

PYTHON    ?= python3
PIP_FLAGS ?=
VENV      := .venv
BIN       := $(VENV)/bin
MKDOCS    := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs
PIP       := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check docs bench env clean distclean

help: ## Show this list
	@echo "planefold: what make can do"
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do \
		printf '  make %-10s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.installed ## Train a model on a bundled table, write its report, predict new rows (into demo/)
	sh tools/demo.sh $(BIN)/planefold

test: $(VENV)/.installed-dev ## Run all tests, the examples in docstrings, and the code in README and docs
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.installed-dev ## Check style, types, layers and docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MKDOCS) build --strict --quiet

docs: $(VENV)/.installed-dev ## Build the documentation into site/
	$(MKDOCS) build --strict
	@echo "Open site/index.html"

bench: $(VENV)/.installed-dev ## Run every benchmark script, one after the other
	@set -e; found=no; \
	for script in benchmarks/*.py; do \
		[ -e "$$script" ] || continue; \
		found=yes; echo "== $$script"; $(BIN)/python "$$script"; \
	done; \
	[ $$found = yes ] || echo "There is no script in benchmarks/."

env: $(VENV)/.installed-dev ## Only make the development environment in .venv

clean: ## Remove what these commands wrote, except the environment
	rm -rf build dist demo site .hypothesis .lessons_cache .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks tools -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## Remove the environment too
	rm -rf $(VENV) src/planefold.egg-info

# The stamps below stand for "done": a step runs again only when a file it depends on is newer.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		found=$$($(PYTHON) --version 2>/dev/null) || found="not there"; \
		echo "error: planefold needs Python 3.11 or newer; '$(PYTHON)' is $$found" >&2; \
		echo "  hint: name another one, for example: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "error: '$(PYTHON) -m venv' failed" >&2; \
		echo "  hint: on Debian and Ubuntu, install the package python3-venv" >&2; \
		rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing planefold into $(VENV) (the first time takes some minutes) ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing planefold and its development tools into $(VENV) (the first time takes some minutes) ..."
	@$(PIP) -e ".[dev]"
	@touch $(VENV)/.installed $@
