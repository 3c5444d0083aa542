# make demo   set up all that is needed, build an image of examples/hello-krust, run what came out
# make test   the whole suite
# make check  what to run before each commit: lint, types, quick tests
# make bench  measure beside ko, crane, skopeo, docker and umoci, and write bench/RESULTS.md; half an hour, nothing beside it
# make faults every fault that tests play, all rounds; the tests play a sample
# make fuzz   every parser, ten minutes each
# make docs   write the generated pages of docs/ again
# make real   build programs of the registry of crates, run them, and write tests/real/README.md; an hour or so
# make clean  delete all that these made
.PHONY: demo test check bench faults fuzz docs real clean

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Tests that measure run alone, and first, while the machine is quiet. Tests of one file share what they build.
ALONE := pytest -m alone
TOGETHER := pytest -n 2 --dist loadfile

demo: $(READY)
	@rust=$$(scripts/rust-toolchain) && eval "$$rust" && scripts/demo

test: $(READY)
	@rust=$$(scripts/rust-toolchain) && eval "$$rust" && \
	failed=0; $(ALONE) || failed=1; $(TOGETHER) -m 'not alone' || failed=1; exit $$failed

check: $(READY)
	ruff check
	ruff format --check
	mypy
	$(TOGETHER) -m 'not alone and not slow' --hypothesis-profile=check -q

docs: $(READY)
	python scripts/make_command_pages.py
	python scripts/make_configuration_page.py

bench: $(READY)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@rust=$$(scripts/rust-toolchain) && eval "$$rust" && python -m bench

faults: $(READY)
	@rust=$$(scripts/rust-toolchain) && eval "$$rust" && $(TOGETHER) tests/faults --whole

fuzz: $(READY)
	python -m tests.fuzz 600

real: $(READY)
	@rust=$$(scripts/rust-toolchain) && eval "$$rust" && nice python -m tests.real

clean:
	rm -rf $(VENV) .krust .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find krust plumbing tests scripts examples -name __pycache__ -prune -exec rm -rf {} +
	find examples \( -name target -o -name .krust \) -prune -exec rm -rf {} +

# The packages are installed in place, so only a change of pyproject.toml asks for more.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "krust needs Python 3.11 or later; set PYTHON=...")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
