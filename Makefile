# make demo: the scenarios, in a table.  make incidents: those after real incidents.  make test: every test.  make test-thorough: for a night.  make check: format, lint, types, layers.  make bench, bench-quick, peers: how fast.  make regress: not slower than before.  make proof: ten thousand seeds, three quarters of an hour.
PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
SCENARIOS ?= $(wildcard scenarios/*.scenario.toml)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
unexport PYTHONDONTWRITEBYTECODE # where a machine sets it, each of the hundreds of processes that tests start would compile all of papertape anew

.PHONY: demo incidents test test-thorough check bench proof peers regress compat conformance pythons bench-quick pictures format constraints wheel clean
.DELETE_ON_ERROR:

demo: $(VENV)/.ready
	$(BIN)/papertape run $(SCENARIOS)

incidents: $(VENV)/.ready
	$(BIN)/papertape run scenarios/incidents

# Three processes for two cores: some tests wait for sockets and clocks of this machine.
SUITE := -m pytest -q -n 3 --dist worksteal
WINDOW := -m pytest -q -p pytestqt.plugin tests/monitor_qt
test: $(VENV)/.ready
	$(BIN)/python $(SUITE)
	QT_QPA_PLATFORM=offscreen $(BIN)/python $(WINDOW)

# The same tests, where more tries prove more: a thousand seeds for three hundred, every step for every fifth. For the night.
test-thorough: $(VENV)/.ready
	PAPERTAPE_THOROUGH=1 $(BIN)/python $(SUITE)
	QT_QPA_PLATFORM=offscreen $(BIN)/python $(WINDOW)

check: $(VENV)/.ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready
	$(BIN)/python -m pytest -q benchmarks --benchmark-only -p no:randomly

bench-quick:
	PAPERTAPE_BENCH_EVENTS=100_000 $(MAKE) bench

# papertape beside hftbacktest and nautilus_trader, each in an environment of its own: writes benchmarks/peers.md. make peers PEERS="--check" compares fills only.
PEERS ?=
peers: $(VENV)/.ready
	$(BIN)/python -m benchmarks.peers $(PEERS)

# The product's paths in Python's instructions and beside a bare loop, against benchmarks/limits.toml: make regress REGRESS=--write writes that anew.
REGRESS ?=
regress: $(VENV)/.ready
	$(BIN)/python -m benchmarks.regress $(REGRESS)

# Thousands of seeds and what they prove, as a table in proof.md: make proof PROOF="--seeds 500", or "--depth wire". Stopped and started again it goes on.
PROOF ?=
proof: $(VENV)/.ready
	$(BIN)/python -m benchmarks.proof $(PROOF)

# One digest on every Python: PAPERTAPE_PYTHONS="$(.ci/pythons)" make test, as .ci/run does it.
pythons: $(VENV)/.ready
	@.ci/pythons

# Each library, old and new, on each Python: writes docs/compatibility.md.
compat: $(VENV)/.ready
	$(BIN)/python tests/compat/table.py $(BIN)/python $$(.ci/pythons | tr : ' ')

# Real clients, each in an environment of its own, at `papertape serve`: writes docs/conformance.md.
conformance: $(VENV)/.ready
	$(BIN)/python tests/conformance/table.py

# The pictures in the README, of one faulted run.
pictures: $(VENV)/.ready
	mkdir -p build
	$(BIN)/papertape run scenarios/everything_at_once.scenario.toml --report build/report.html --journal build/run.jsonl
	.ci/picture build/report.html docs/images/report.png 1500,1650
	$(BIN)/papertape monitor build/run.jsonl --at 260s --picture docs/images/monitor.png

format: $(VENV)/.ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The versions that everything here was tested with; `uv` is the one tool that is not installed for you.
constraints:
	uv pip compile --quiet --universal --no-annotate --no-header --python-version 3.11 --extra dev pyproject.toml -o constraints.txt

wheel: $(VENV)/.ready
	$(BIN)/python -m build --wheel --outdir dist

clean:
	rm -rf $(VENV) dist build

$(VENV)/.ready: pyproject.toml constraints.txt
	.ci/venv $(VENV) $(PYTHON)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
