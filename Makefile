# One entry for everything. Each target does its own set-up (tools/setup.sh): as root it installs the
# Debian packages that are missing, otherwise it names them in one line and goes on with what there is.

PY := .venv/bin/python
SETUP := @sh tools/setup.sh
# What pure mode runs of the suite: everything but real processes, and the smoke tests of those.
PURE := (not system and not slow) or smoke
# LINT has run these.
HOUSE_SEEN := --ignore=tests/test_house.py
# More arguments for pytest or the benchmarks: make test ARGS='-k ring'
ARGS ?=

.PHONY: help demo test lint bench soak scenarios docs run man build clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    bring four replicas up, serve real clients, kill one under load, show who noticed'
	@echo 'make test    lint, then all tests: compiled, then plain Python'
	@echo 'make lint    ruff, mypy --strict, the house rules'
	@echo 'make bench   all benchmarks in one table (root: against lighttpd on the Linux stack too)'
	@echo 'make soak    10 MB each way with Linux under 96 impairments, hours; goes on where it was stopped'
	@echo 'make scenarios   run every scenario, and judge it'
	@echo 'make docs    write what is generated: man pages, docs/counters.md, JSON Schemas'
	@echo 'make man     the man pages only'
	@echo 'make run     bring a testbed up in the foreground; Ctrl-C ends it'
	@echo 'make build   set up .venv and compile, no more'
	@echo 'make clean   remove .venv and everything that was built'

demo:
	$(SETUP) demo
	@.venv/bin/neatctl demo

run:
	$(SETUP) demo
	@.venv/bin/neatctl up $(ARGS)

build:
	$(SETUP) build

define LINT
@$(PY) -m ruff check .
@$(PY) -m mypy
@$(PY) -m pytest -q -p no:cacheprovider tests/test_house.py
endef

lint:
	$(SETUP) build
	$(LINT)

test:
	$(SETUP) test
	$(LINT)
	@if grep -q compiled .venv/.built; then \
	  NEATCTL_PURE= NEATCTL_EXPECT=compiled $(PY) -m pytest $(HOUSE_SEEN) $(ARGS) && \
	  NEATCTL_PURE=1 NEATCTL_EXPECT=pure $(PY) -m pytest $(HOUSE_SEEN) -m '$(PURE)' $(ARGS); \
	else \
	  echo 'test: no compiled core (see above), so plain Python only'; \
	  NEATCTL_PURE=1 NEATCTL_EXPECT=pure $(PY) -m pytest $(ARGS); \
	fi

scenarios:
	$(SETUP) demo
	@.venv/bin/neatctl scenario run scenarios/*.toml

bench:
	$(SETUP) bench
	@$(PY) bench/run.py $(ARGS)

soak:
	$(SETUP) demo
	@$(PY) -m neatctl.testbed.soak $(ARGS)

man:
	$(SETUP) build
	@$(PY) tools/man.py man

docs: man
	@$(PY) tools/counters.py docs/counters.md
	@$(PY) tools/schemas.py docs

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find neatctl tests bench tools \( -name '*.so' -o -name '*.pyc' \) -delete
	find neatctl tests bench tools -name __pycache__ -type d -empty -delete
