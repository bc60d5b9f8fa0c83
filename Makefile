# make demo   sets up, simulates a MUSE night, reduces it to a data cube
# make test   sets up, checks style and types, runs all tests (real recipes included)
# make fast   the same without the real recipes: what one runs while working
# make lint   style and types alone
# make torture BUDGET=600 SEED=1   random edits, kills and damage for so many seconds

VENV := .venv/bin
# The tests start musebuild a thousand times: Python need not compile it each time.
unexport PYTHONDONTWRITEBYTECODE

BUDGET ?= 600
SEED ?= 1

.PHONY: setup demo test fast lint torture clean

setup:
	@scripts/setup

demo: setup
	@$(VENV)/musebuild demo demo

lint: setup
	@$(VENV)/python -m tests.support.parts ruff mypy

fast: setup
	@$(VENV)/python -m tests.support.parts ruff mypy fast

test: setup
	@$(VENV)/python -m tests.support.parts ruff mypy fast drs

torture: setup
	@$(VENV)/python -m tests.torture --seconds $(BUDGET) --seed $(SEED)

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
