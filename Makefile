# make repro   the whole workflow on embedded data; make test   the tests; make help   everything else
PYTHON ?= python3
BIN := .venv/bin
# DVC finds the stages' `python` on the PATH; nothing of the caller's own environment is used.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONNOUSERSITE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Installs a file of locked requirements: with uv, which pip brings, or with pip where that cannot be.
INSTALL := PYTHONPATH=src $(BIN)/python -m dla.site.install

.DEFAULT_GOAL := help
.PHONY: help install repro test check results docs bench lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed .dvc/plots/offline.html  ## create .venv with the locked requirements and this package

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "dla needs Python 3.11 to 3.13, and $(PYTHON) is another; try: make repro PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "python3 -m venv failed; on Debian or Ubuntu: apt install python3-venv" >&2; exit 2; }
	@touch $@

.venv/installed: .venv/python requirements.txt pyproject.toml
	$(INSTALL) requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What `dvc plots show` draws with; the page has the colours of the runs in params.yaml.
.dvc/plots/offline.html: .venv/installed params.yaml $(wildcard src/dla/site/* src/dla/report/*.py)
	$(BIN)/python -m dla.site.templates .dvc/plots
	$(BIN)/python -m dla.site.offline $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(INSTALL) requirements-dev.txt
	@touch $@

repro: install  ## run the whole workflow, stages side by side (the budget is set in params.yaml)
	@$(BIN)/dla params
	$(BIN)/dla run

test: .venv/installed-dev  ## ruff, the type checker and the quick tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow" --numprocesses 2 --dist loadfile

results: .venv/installed  ## run BUDGET=quick in a clone of this commit, or some of its STAGES, and keep the results in results/
	$(BIN)/python -m dla.publish $(BUDGET) $(STAGES)

docs: .venv/installed-dev  ## build the documentation: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: .venv/installed  ## training and encoding against the loops a student writes, `dla run` against `dvc repro`
	$(BIN)/python bench/train.py
	$(BIN)/python bench/embed.py
	$(BIN)/python bench/lm.py
	$(BIN)/python bench/run.py

lock: .venv/installed-dev  ## compile the requirements anew from pyproject.toml
	$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --upgrade --no-header --output-file requirements.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --upgrade --no-header --extra dev --extra tracking --constraints requirements.txt \
	  --output-file requirements-dev.txt
	echo uv | $(BIN)/uv pip compile --quiet - --universal --python-version 3.11 --generate-hashes \
	  --no-header --constraints requirements-dev.txt --output-file requirements-uv.txt
	$(BIN)/python -m dla.site.versions

clean:  ## remove the virtual environment, documentation, logs, checkpoints and caches of tools (never results)
	rm -rf .venv .checkpoints .cache runs site .mypy_cache .ruff_cache .pytest_cache
