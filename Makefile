# The menu. Every target sets up .venv by itself; it needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
NICE ?= nice
# Words for the runner: make check ARGS=--go-on reports every failure, not only the first.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check fix unit coverage bench soak docs changelog serve clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.example  ## the reference application, seven steps, on your machine
	$(RUN) -m examples.taskflow.demo

test: $(VENV)/.dev  ## everything: format, lint, contracts, types, then every kind of test (below ten minutes)
	$(NICE) $(RUN) tools/run_tests.py test $(ARGS)

check: $(VENV)/.dev  ## format, lint, import contracts, types, generated pages
	$(NICE) $(RUN) tools/run_tests.py check $(ARGS)

fix: $(VENV)/.dev  ## let ruff format the code and mend what it can
	$(RUN) -m ruff check --fix --exit-zero --quiet src tests tools benchmarks examples
	$(RUN) -m ruff format src tests tools benchmarks examples

unit: $(VENV)/.dev  ## the tests that need no server
	$(NICE) $(RUN) tools/run_tests.py unit $(ARGS)

coverage: $(VENV)/.dev  ## which lines the tests without a server reach
	$(NICE) $(RUN) -m coverage run -m pytest -q tests/unit tests/property tests/contract tests/simulation
	$(RUN) -m coverage report

bench: $(VENV)/.dev  ## the benchmarks; figures only count on a quiet machine
	$(RUN) -m benchmarks.run

soak: DURATION ?= 10m
soak: SCHEDULES ?= 300000
soak: $(VENV)/.dev  ## the simulation at length, then faults and load for a long time (SCHEDULES=300000 DURATION=10m)
	$(NICE) $(RUN) -m tests.simulation --schedules $(SCHEDULES)
	$(NICE) $(RUN) -m tests.soak --duration $(DURATION)
	$(NICE) $(RUN) -m tests.support.killed 500

docs: $(VENV)/.dev  ## write the generated reference pages, then check every link
	$(RUN) tools/gen_requirements.py
	$(RUN) tools/gen_reference.py
	$(RUN) -m benchmarks.run --page
	$(RUN) tools/gen_figures.py
	$(RUN) tools/check_links.py

changelog: $(VENV)/.dev  ## what the next release would say
	$(RUN) -m towncrier build --draft --version next

serve: $(VENV)/.example  ## the reference application at http://127.0.0.1:8000
	$(RUN) -m uvicorn examples.taskflow.main:app --host 127.0.0.1 --port 8000

clean:  ## remove the environment, builds and caches of tools
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: an environment is installed again only when what it is made from has changed.
$(VENV)/.example: pyproject.toml tools/make_venv.py
	@$(PYTHON) tools/make_venv.py $(VENV) example
	@touch $@

$(VENV)/.dev: pyproject.toml tools/make_venv.py
	@$(PYTHON) tools/make_venv.py $(VENV) test lint docs bench example
	@touch $@ $(VENV)/.example
