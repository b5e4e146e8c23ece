# Two commands are all there is to install: `make eval` and `make test`. `make help` explains.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# Setup compiles nothing, so that what is imported is compiled once, at its first import, and kept.
unexport PYTHONDONTWRITEBYTECODE

MODEL     ?=
DATASET   ?=
SYSTEMS   ?=
INSTANCES ?=
N         ?=
TRIALS    ?=
WORKERS   ?=
SANDBOX   ?=
RUN       ?=
RUN2      ?=
MAX_COST  ?=
DISK_GB   ?=
RECORD    ?=
YES       ?=
PREDS     ?= --gold
ARGS      ?=

PYTHON    ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN       := .venv/bin
STAMP     := .venv/.installed
PIP       := $(BIN)/python -m pip --disable-pip-version-check --quiet
DELM      := $(BIN)/delm
each       = $(foreach word,$(2),$(1) $(word))
QUESTIONS := configs/recordings/longbench-offline.jsonl
asked      = -c configs/datasets/longbench-v2.yaml -m $(MODEL) -d $(or $(DATASET),longbench-v2)
begun      = $(and $(RUN),$(shell ls "results/$(RUN)/run.db" $(if $(filter latest,$(RUN)),results/*/run.db) 2>/dev/null))
runs       = $(or $(notdir $(patsubst %/run.db,%,$(wildcard results/*/run.db))),none)

# What is given on the command line must be one of these, and must not come out empty: a limit on
# money that make drops without a word (MAXCOST=2, MAX_COST='$2') is no limit.
VARIABLES := MODEL DATASET SYSTEMS INSTANCES N TRIALS WORKERS SANDBOX RUN RUN2 MAX_COST DISK_GB RECORD YES PREDS ARGS PYTHON
GIVEN     := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
UNKNOWN   := $(firstword $(filter-out $(VARIABLES) SHELL,$(GIVEN)))
DOLLAR    := $(firstword $(foreach name,$(filter-out ARGS,MAX_COST $(GIVEN)),$(if $(findstring $$,$(value $(name))),$(name))))
EMPTY     := $(firstword $(foreach name,$(filter-out ARGS YES,$(GIVEN)),$(if $(strip $($(name))),,$(name))))
NEAREST    = import difflib, sys; names = {n.lower(): n for n in sys.argv[2:]}; print(*(f"; did you mean {names[n]}?" for n in difflib.get_close_matches(sys.argv[1].lower(), names, 1)))
TARGETS   := setup eval longbench compare cost runs report view show grade images bench test test-quick lint clean help
STRAY     := $(firstword $(filter-out $(TARGETS) $(STAMP),$(MAKECMDGOALS)))
ifneq ($(STRAY),)
$(error error: there is no target $(STRAY)$(shell $(PYTHON) -c '$(NEAREST)' '$(STRAY)' $(TARGETS) 2>/dev/null); make help lists all)
endif
ifneq ($(UNKNOWN),)
$(error error: there is no variable $(UNKNOWN)$(shell $(PYTHON) -c '$(NEAREST)' '$(UNKNOWN)' $(VARIABLES) 2>/dev/null))
endif
ifneq ($(DOLLAR),)
$(error error: $(DOLLAR)=$(value $(DOLLAR)): make takes a $$ for a variable of its own; write it without, such as MAX_COST=2)
endif
ifneq ($(EMPTY),)
$(error error: $(EMPTY)=$(value $(EMPTY)) is empty; give it a value, or leave it out)
endif
ifneq ($(and $(filter show report compare cost,$(MAKECMDGOALS)),$(if $(RUN),,missing)),)
$(error error: which run? give RUN=<run id> or RUN=latest; there are: $(runs))
endif

.PHONY: $(TARGETS)

help: ## this text
	@echo "make eval                      replay the bundled recording on rebuilt instances (no key, no Docker)"
	@echo "make eval MODEL=openai/gpt-5   run a real model on SWE-bench Verified (Docker; costs money, asks first)"
	@echo "make test                      run the tests; those whose service is missing are skipped, with the reason"
	@echo
	@echo "targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | awk -F'\t' '{printf "  %-10s %s\n", $$1, $$2}'
	@echo
	@echo "variables of make eval, all optional:"
	@echo "  MODEL      model name as litellm knows it, or replay:FILE (default: the bundled recording)"
	@echo "  DATASET    Hugging Face dataset, file, verified-offline  (default: SWE-bench Verified; in a replay, the recorded one)"
	@echo "  SYSTEMS    systems, separated by spaces                  (default: those of configs/table.yaml; in a replay, the recorded ones)"
	@echo "  INSTANCES  instance ids, separated by spaces             (default: all; in a replay, the recorded ones)"
	@echo "  N          agents per trial, for systems that scale      (default: the system's)"
	@echo "  TRIALS     trials per system and instance                (default: what makes 4 submissions; with SYSTEMS, 1)"
	@echo "  WORKERS    trials that run at the same time              (default: 4)"
	@echo "  SANDBOX    auto, docker or bubblewrap                    (default: docker for SWE-bench Verified, else auto:"
	@echo "             bubblewrap if installed and the instances can be rebuilt, else Docker)"
	@echo "  RUN        run id; an existing run is resumed            (default: made of time, dataset, model and systems)"
	@echo "  MAX_COST   dollar limit of the whole run, e.g. 2         (default: none)"
	@echo "  DISK_GB    disk limit for pulled images in GB, e.g. 60; they are pulled when needed (default: none, all are pulled first)"
	@echo "  RECORD     save all model answers to this file, for a replay (default: none)"
	@echo "  YES        1: start without asking; needed for a real model without a terminal"
	@echo "  ARGS       other flags of delm eval (see .venv/bin/delm eval --help)"
	@echo
	@echo "variables of other targets:"
	@echo "  RUN        the run of view, show, report, compare and cost (an id, or latest; view: default all); show takes INSTANCES and SYSTEMS too, cost SYSTEMS"
	@echo "  RUN2       second run of compare (default: none; compares the systems of RUN); compare takes SYSTEMS too"
	@echo "  PREDS      what grade grades: a file of predictions, --gold, --empty or --calibrate (default: --gold); DATASET, INSTANCES, SANDBOX, DISK_GB as above"
	@echo "  ARGS       arguments of pytest for test, of delm grade for grade, of the script for bench"
	@echo "  PYTHON     interpreter for .venv, 3.11 to 3.13           (default: $(PYTHON))"

setup: $(STAMP) ## make .venv and install; bubblewrap too, as root on a machine without sandboxes

$(STAMP): requirements.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "error: Python 3.11 or newer is needed; install python3 and its venv module" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { echo "error: $(PYTHON) is not Python 3.11 to 3.13; pass PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "setup: installing into .venv (a minute or two, once)"
	@$(PYTHON) -m venv --clear .venv || { echo "error: no venv module; run: sudo apt-get install python3-venv" >&2; exit 2; }
	@$(PIP) install --no-compile --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --no-compile --no-deps --no-build-isolation -e .
	@bash scripts/setup_sandbox.sh
	@touch $(STAMP)

eval: setup ## run systems on instances, grade, print the table, write a report
	$(strip $(DELM) eval $(if $(MODEL),-m $(MODEL)) $(if $(DATASET),-d $(DATASET)) $(call each,-s,$(SYSTEMS)) \
	  $(call each,-i,$(INSTANCES)) $(if $(N),-n $(N)) $(if $(TRIALS),-k $(TRIALS)) $(if $(WORKERS),-w $(WORKERS)) \
	  $(if $(SANDBOX),--sandbox $(SANDBOX)) $(if $(RUN),--run-id "$(RUN)") $(if $(MAX_COST),--max-cost $(MAX_COST)) $(if $(DISK_GB),--disk-gb $(DISK_GB)) \
	  $(if $(RECORD),--record $(RECORD)) $(if $(YES),--yes) $(ARGS))

longbench: setup ## systems that answer questions: a recording, with MODEL LongBench-v2 or DATASET; variables as of eval
	$(strip $(DELM) eval $(if $(MODEL),$(asked),$(if $(begun),,-m replay:$(QUESTIONS)) $(if $(DATASET),-d $(DATASET))) $(call each,-s,$(SYSTEMS)) \
	  $(call each,-i,$(INSTANCES)) $(if $(N),-n $(N)) $(if $(TRIALS),-k $(TRIALS)) $(if $(WORKERS),-w $(WORKERS)) \
	  $(if $(RUN),--run-id "$(RUN)") $(if $(MAX_COST),--max-cost $(MAX_COST)) $(if $(RECORD),--record $(RECORD)) $(if $(YES),--yes) $(ARGS))

compare: setup ## the systems of RUN, or RUN and RUN2, instance by instance, with paired tests
	$(strip $(DELM) compare "$(RUN)" $(if $(RUN2),"$(RUN2)") $(call each,-s,$(SYSTEMS)) $(ARGS))

cost: setup ## where the money of RUN, or of SYSTEMS in it, went
	$(strip $(DELM) cost "$(RUN)" $(call each,-s,$(SYSTEMS)) $(ARGS))

runs: setup ## list the runs, the newest first
	$(DELM) runs $(ARGS)

report: setup ## make the CSVs and the report (one HTML file) of RUN anew, print its table
	$(DELM) score "$(RUN)"
	$(DELM) report "$(RUN)"

view: setup ## show the runs, or RUN, as a local web page, live while they work
	$(strip $(DELM) view $(if $(RUN),"$(RUN)") $(ARGS))

show: setup ## tell the story of RUN, or of INSTANCES in it
	$(strip $(DELM) show "$(RUN)" $(INSTANCES) $(call each,-s,$(SYSTEMS)) $(ARGS))

grade: setup ## grade PREDS (a file, --gold, --empty or --calibrate) of DATASET
	$(strip $(DELM) grade $(PREDS) $(if $(DATASET),-d $(DATASET)) $(call each,-i,$(INSTANCES)) $(if $(SANDBOX),--sandbox $(SANDBOX)) $(if $(DISK_GB),--disk-gb $(DISK_GB)) $(ARGS))

images: setup ## build the Docker images of verified-offline
	$(strip $(DELM) images build -d $(or $(DATASET),verified-offline) $(call each,-i,$(INSTANCES)))

bench: setup ## every measurement of scripts/bench_*.py (ARGS=--quick: a minute each)
	@for script in scripts/bench_*.py; do echo "$$script"; $(BIN)/python $$script $(ARGS) || exit; done

test: setup ## run the tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-quick: setup ## run the tests that need no service and little time
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --quick $(ARGS)

lint: setup ## ruff, mypy --strict, import-linter, sizes, undeclared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_sizes.py
	$(BIN)/deptry --no-ansi harness agents

clean: ## remove .venv and caches; results and downloads stay
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
