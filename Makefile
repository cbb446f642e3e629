# Two commands on a fresh machine: `make demo` and `make test`.

VENV ?= $(or $(GLIMPSE_VENV),.venv)
PY := $(VENV)/bin/python
CODE := $(wildcard projects tools tests configs)
DOCS := $(wildcard *.md docs requirements) setup.cfg mkdocs.yml Makefile
# Each worker imports torch and the toolboxes (1 GB), hence the limit.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n : 8)))
# One thread per worker: with more, they wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup check-env demo app test test-slow coverage lint format \
	docs audit

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | \
		expand -t 12

setup: ## make the environment, or bring it up to date
	@GLIMPSE_VENV=$(VENV) bash tools/setup.sh

check-env: ## name what is wrong with the environment, and the remedy
	@$(or $(wildcard $(PY)),python3) tools/check_env.py

demo: setup ## the main job; QUICK=1, DATA=folder of images, METHOD=name, SEED=n
	$(PY) tools/demo.py $(if $(QUICK),--quick) $(if $(DATA),--data "$(DATA)") \
		$(if $(METHOD),--method $(METHOD)) $(if $(SEED),--seed $(SEED))

app: setup ## a page to try models on pictures; MODELS="names of the zoo"
	$(PY) tools/app.py $(MODELS) $(if $(PORT),--port $(PORT))

test: setup lint ## lint and the whole suite; ARGS=... for pytest
	$(PYTEST) -m 'not slow and not gpu' $(ARGS)

test-slow: setup ## the tests that take minutes
	$(PYTEST) -m 'slow and not gpu' $(ARGS)

coverage: setup ## the suite, with the lines it never reaches
	$(PYTEST) -m 'not slow and not gpu' --cov $(ARGS)

docs: setup ## the documentation as a site, in site/; opens without a network
	$(PY) -m mkdocs build --strict --quiet
	@echo 'site/index.html'

audit: setup ## known vulnerabilities of what is installed
	@$(PY) tools/audit.py

lint: setup ## what setup.cfg asks of the code
	$(PY) -m flake8 $(CODE)
	$(PY) -m isort --quiet --check --diff $(CODE)
	$(PY) -m yapf --diff --parallel --recursive $(CODE)
	$(PY) -m codespell_lib $(CODE) $(DOCS)
	$(PY) -m interrogate projects tools
	$(PY) -m mypy projects tools

format: setup ## let isort and yapf rewrite the code
	$(PY) -m isort --quiet $(CODE)
	$(PY) -m yapf --in-place --parallel --recursive $(CODE)
