# Everything a person does with a checkout. `make help` lists it.
#
#   PYTHON=/path/to/python3.12   the interpreter for the virtual environment (else the first one new enough)
#   ARGS="..."                   passed on: `make run ARGS="config show"`, `make test ARGS="-k races"`
#   UPGRADE=1                    with `make lock`: take the newest versions instead of keeping those locked

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
EDITABLE = PYTHONWARNINGS=ignore $(PIP) --no-deps --no-build-isolation --editable .
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
PURE := domain core strategies
IMAGE ?= olaf:latest
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check setup fmt style lint types imports spelling static cover soak-kill switch-off mutate sim soak-sim bench notebook docs safety lock image clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# ------------------------------------------------------------------------------------------- what a newcomer types

run: $(VENV)/.run ## one paper day on the bundled market (ARGS="..." for any other verb)
	@$(BIN)/python -m olaf_async $(ARGS)

test: $(VENV)/.dev ## the whole suite
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal $(ARGS)

setup: $(VENV)/.dev ## the virtual environment, with everything development needs

# ---------------------------------------------------------------------------------------------------------- checks

check: static cover test ## all that continuous integration runs

static: style lint types imports spelling ## every check that runs nothing

fmt: $(VENV)/.dev ## format, and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

style: $(VENV)/.dev ## is it formatted?
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## ruff, all rules but a commented few
	@$(BIN)/ruff check .

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy

imports: $(VENV)/.dev ## who may import whom
	@$(BIN)/lint-imports

spelling: $(VENV)/.dev ## typing errors in code and prose
	@$(BIN)/codespell

cover: $(VENV)/.dev ## each pure package wholly covered, branches too, by its own tests
	@failed=0; for part in $(PURE); do \
		$(BIN)/python -m pytest -q tests/$$part --cov olaf_async.$$part --cov-branch \
			--cov-report term-missing:skip-covered --cov-fail-under 100 || failed=1; \
	done; exit $$failed

soak-kill: $(VENV)/.dev ## kill the live engine 300 times at random instants (ARGS="--kills N --seed N")
	@$(BIN)/python -m tests.soak.kill $(ARGS)

switch-off: $(VENV)/.dev ## each protection switched off in a copy: do its tests notice? (ARGS="word" for some of them)
	@$(BIN)/python -m tests.sequences.switch_off $(ARGS)

mutate: $(VENV)/.dev ## one sign of core and domain changed at a time: do the tests notice? (ARGS="core.exits domain.order")
	@$(BIN)/python -m tests.mutation $(ARGS)

sim: $(VENV)/.dev ## the simulator's part of the suite: model, searches, a thousand days
	@OLAF_TELL=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal tests/model tests/sim $(ARGS)

soak-sim: $(VENV)/.dev ## simulated days with all faults, 100,000 of them (ARGS="--minutes N", ARGS="--seeds A..B")
	@$(BIN)/python -m olaf_async simulate $(if $(ARGS),$(ARGS),--seeds 100000..200000)

bench: $(VENV)/.dev ## marks of speed, each beside a bare loop doing the same
	@$(BIN)/python -m benchmarks $(ARGS)

# --------------------------------------------------------------------------------------- notebook, documents, image

notebook: $(VENV)/.dev ## run the notebooks on a fresh kernel
	@$(BIN)/python -m pytest tests/notebooks $(ARGS)

docs: $(VENV)/.dev ## do the documents still tell the truth?
	@$(BIN)/python -m pytest tests/test_project.py tests/sim/test_safeties.py \
		-k "document or decision or changelog or page" $(ARGS)

safety: $(VENV)/.dev ## record the tapes of the safeties anew and write docs/safety.md
	@$(BIN)/python -m tests.sim.safety_page --tapes

image: ## the Docker image
	docker build --tag $(IMAGE) .

# ----------------------------------------------------------------------------------------------------- environment

lock: $(VENV)/.dev ## write requirements/*.txt anew from pyproject.toml
	$(UV_COMPILE) --all-extras pyproject.toml -o requirements/dev.txt
	$(UV_COMPILE) -c requirements/dev.txt pyproject.toml -o requirements/run.txt
	$(UV_COMPILE) -c requirements/dev.txt requirements/build.in -o requirements/build.txt

clean: ## everything that can be made again, the virtual environment included; never var/
	rm -rf $(VENV) build dist htmlcov out .coverage .coverage.* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache *.egg-info
	find olaf_async tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: `make run` installs what running needs and no more; `make setup` adds the tools. Each is redone only
# when its lock changed. Hashes are required, so nothing but the locked files is ever installed.

$(VENV)/.run: requirements/run.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing Olaf and what it needs into $(VENV) (once) ..."
	@$(PIP) --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(EDITABLE)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing Olaf and its development tools into $(VENV) (once) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(EDITABLE)
	@touch $(VENV)/.run $@

$(BIN)/python:
	@for python in $(PYTHON); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Olaf needs Python 3.11 or newer and found none. Name one: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python cannot make virtual environments. On Debian or Ubuntu, as root: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	$$python -m venv --clear $(VENV)
