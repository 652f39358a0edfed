# `make` lists the targets. Only python3 >= 3.10 with its venv module is needed beforehand.
PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-slow mutants notebooks docs pictures bench bench-collapse bench-gpu clean FORCE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## Make .venv with the project (editable) and the extras that demo, tests and notebooks need
	@echo "Ready. Next: '. $(VENV)/bin/activate', then 'gan --help', or 'make demo'."

demo: $(STAMP) ## Make a data set, train on it from scratch, score the result: about 12 minutes on two CPU cores
	@$(RUN) -m gan demo

test: $(STAMP) ## Linters and all fast tests
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist worksteal -q
	@echo "All good. Next: 'make demo' to see it work, 'make test-slow' for the long tests."

test-slow: $(STAMP) ## The tests marked slow
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) -q -m slow

mutants: $(STAMP) ## Plant mistakes of one line in a copy of the tree; a named test must find each
	@OMP_NUM_THREADS=1 $(RUN) -m tests.mutants $(MUTANTS)

notebooks: $(STAMP) ## Run the notebooks on the demo's model, or MODEL=..., and write what they show to docs/notebooks
	@$(RUN) notebooks/render.py $(or $(MODEL),runs/00000-demo-openmoji-32)

docs: $(STAMP) ## The documentation site, in build/docs; a warning is an error
	@$(RUN) -m sphinx -W --keep-going -q -E -b html docs build/docs
	@echo "Open build/docs/index.html in a browser; it needs no server and no network."

pictures: $(STAMP) ## Make the pages' pictures again by the commands beside them, or PICTURES="docs/images/... ...", "--from demo" or "--list" of them
	@$(RUN) docs/pictures.py $(PICTURES)

bench: $(STAMP) ## Benchmarks: operators, networks, a training step, models, directions, scores, preparing data; prints the tables of docs/BENCHMARKS.md
	@$(RUN) -m gan ops bench --threads 2
	@$(RUN) -m benchmarks.networks --threads 2
	@$(RUN) -m benchmarks.step --threads 2
	@$(RUN) -m benchmarks.models --threads 2
	@$(RUN) -m benchmarks.directions --threads 2
	@$(RUN) -m benchmarks.explore
	@$(RUN) -m benchmarks.overhead
	@$(RUN) -m benchmarks.metrics --threads 2
	@$(RUN) -m benchmarks.preparing

bench-gpu: $(STAMP) ## All that a GPU can prove, in slices of nine minutes: type it again to go on; MINUTES=... for longer ones
	@$(RUN) -m benchmarks.gpu --minutes $(or $(MINUTES),9)

bench-collapse: $(STAMP) ## The mode-collapse benchmark: trains what is missing in runs/collapse, prints the tables
	@$(RUN) -m benchmarks.collapse $(COLLAPSE)

clean: ## Remove caches and build output; .venv, data and runs stay
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is made last, so an interrupted installation is taken up again; one whose interpreter no
# longer starts (another Python, a moved folder) or that holds no pip is made anew.
$(STAMP): setup.cfg pyproject.toml $(if $(shell $(RUN) -c 'import pip' > /dev/null 2>&1 || echo broken),FORCE)
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "make: '$(PYTHON)' is missing or older than Python 3.10; choose another: make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2> /dev/null || \
	  { echo "make: '$(PYTHON)' lacks the venv module (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@rm -f $(STAMP)
	@$(RUN) -c 'import pip' 2> /dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@echo "Installing into $(VENV); a first time downloads PyTorch (some GB on Linux) and takes minutes ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[demo,data,dev,docs,notebooks,export,web,serve]'
	@touch $(STAMP)
