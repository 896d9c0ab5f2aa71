# `make demo` and `make test` do all the set-up they need: Python 3.11 or newer and make suffice.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CODE   := agent training tests benchmarks

.PHONY: demo test fmt lint types unit bench bench-check lab docs deb deb-check zkg-check audit sbom clean

demo: $(VENV)/.agent            ## play a recording through a real agent, print its alerts
	$(BIN)/metatap demo --out build/demo

test: lint types unit           ## everything CI checks

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term --cov-fail-under=90 tests

lint: $(VENV)/.dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy agent/metatap training/metatap_training tests benchmarks

fmt: $(VENV)/.dev
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

docs: $(VENV)/.dev              ## pages made from the code's tables
	$(BIN)/python -m tests.docs

bench: $(VENV)/.dev             ## every claim of speed, as a table (half an hour, idle machine)
	$(BIN)/python -m benchmarks run

bench-check: $(VENV)/.dev       ## are the ratios as good as in benchmarks/baseline.json?
	$(BIN)/python -m benchmarks check

lab: $(VENV)/.dev               ## traffic of the lab networks, recorded by a real Zeek (root)
	for network in A B C D; do \
	  $(BIN)/python -m tests.lab --network $$network --out build/lab && \
	  $(BIN)/python -m tests.lab record --pcap build/lab/$$network.pcap \
	    --truth build/lab/$$network.truth.json --out build/lab/$$network.mtrec \
	    --labels build/lab/$$network.labels.csv \
	    --logs build/lab/$$network-logs || exit 1; \
	done
	$(BIN)/python -m tests.lab packs --recording build/lab/A.mtrec \
	  --labels build/lab/A.labels.csv --out build/lab/packs --created $$(date -I)

deb: $(VENV)/bin/python         ## dist/metatap_VERSION_ARCH.deb, over /usr/bin/python3; EXTRAS=fast: with numba
	PIP="$(BIN)/python -m pip" packaging/deb/build.sh dist

deb-check: $(VENV)/.dev build/rootfs  ## the package in a booted machine: install to purge (root)
	COMPRESS=gzip $(MAKE) deb
	METATAP_DEB=$$(ls -t dist/metatap_*.deb | head -1) METATAP_ROOTFS=build/rootfs \
	  $(BIN)/python -m pytest tests/packaging/test_deb.py

build/rootfs:
	mkdir -p build
	debootstrap --variant=minbase \
	  --include=systemd,systemd-sysv,dbus,python3,procps,libstdc++6,ca-certificates \
	  $$(. /etc/os-release && echo $$VERSION_CODENAME) build/rootfs.part
	mv build/rootfs.part build/rootfs

zkg-check: $(VENV)/bin/python   ## the Zeek package, installed by the real zkg (ZEEK: the zeek to use)
	test -x build/zkg/bin/zkg || ($(BIN)/python -m venv build/zkg && build/zkg/bin/python -m pip install --quiet zkg)
	ZKG=$$PWD/build/zkg/bin/zkg packaging/zkg-check.sh

audit: $(VENV)/.dev build/agent/.done  ## known faults of what the agent depends on (asks PyPI; fails if it can't)
	$(BIN)/python -m pip --python build/agent/bin/python freeze --exclude metatap > build/agent/pinned.txt
	$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --no-deps -r build/agent/pinned.txt \
	  || { echo 'audit: not clean, or not all could be asked about: see above' >&2; exit 1; }

sbom: $(VENV)/.dev build/agent/.done   ## dist/metatap.cdx.json: what the agent is made of (CycloneDX)
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --validate \
	  -o dist/metatap.cdx.json build/agent/bin/python

build/agent/.done: pyproject.toml | $(VENV)/bin/python  # the agent with its extras and nothing else, not even pip
	rm -rf build/agent
	$(BIN)/python -m venv --without-pip build/agent
	$(BIN)/python -m pip --python build/agent/bin/python install --quiet '.[fast,lake]'
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("metatap needs Python 3.11 or newer") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.agent: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml training/pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable . --group dev torch==2.13.0 --editable training
	touch $@ $(VENV)/.agent

clean:
	rm -rf build dist $(VENV)
