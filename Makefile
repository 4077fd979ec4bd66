# Every target sets up .venv itself when it is missing or stale. `make help` lists them.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PROFILE ?= embedded
# One at a time, where make runs several jobs: pip fails over a package that another is just laying down.
PIP_LOCK := $(if $(shell command -v flock 2>/dev/null),flock $(VENV)/.pip-lock)
PIP_INSTALL := $(PIP_LOCK) $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --override requirements/overrides.in

# Where there is none, all but the page works.
NPM := $(shell command -v npm 2>/dev/null)

.DEFAULT_GOAL := help
# Where it is set, each of the many processes of tests and servers compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help studio page page-test lanes lanes-all setup setup-neural setup-sessions setup-dev setup-perf demo serve sessions test test-all lint format bench versus quality search-bench fill-cost matting face-swap lettering quantisation prove t4 scaling load faults soak threats fuzz docker-check wheel sbom audit-dependencies footprint configs lock clean

help:  ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 18

# --- environments: each stamp is newer than what it was made from -----------------------------
$(VENV)/.server: requirements/server.txt requirements/ocr.txt requirements/faces.txt requirements/tritonserver.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "Python 3.11 or 3.12 is needed; found: $$($(PYTHON) --version 2>&1). Try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --require-hashes -r requirements/server.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/ocr.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/faces.txt
	$(PIP_INSTALL) --no-deps -r requirements/tritonserver.txt
	$(PIP_INSTALL) --no-deps -e .
	$(BIN)/python -m pawfect.patch
	$(BIN)/python -m pawfect.matting
	@touch $@

# --no-deps: each of these is a whole resolution, but for torch, which comes after it.
$(VENV)/.dev: $(VENV)/.server requirements/dev.txt requirements/moondream.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/moondream.txt
	@touch $@

$(VENV)/.neural: $(VENV)/.server requirements/neural.txt requirements/torch.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/neural.txt
	$(PIP_INSTALL) -r requirements/torch.txt
	@touch $@

$(VENV)/.perf: $(VENV)/.dev $(VENV)/.neural requirements/perf.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/perf.txt
	@touch $@

$(VENV)/.sessions: $(VENV)/.server requirements/sessions.txt
	$(PIP_INSTALL) --no-deps --require-hashes -r requirements/sessions.txt
	@touch $@

.PHONY: network
# Asked each time, in half a second: a clone's `weights` may go while its environment stays.
network: $(VENV)/.server
	@$(BIN)/pawfect weights fetch u2netp || \
	  echo "Without it backgrounds are not removed; everything else works."
	@$(BIN)/pawfect weights fetch pp-ocrv6-small || \
	  echo "Without them text is not read; everything else works."
	@$(BIN)/pawfect weights fetch centerface || \
	  echo "Without it faces are not found; everything else works."

setup: $(VENV)/.server network  ## Install what the server, the client and the demo need, with the small networks (4.6, 32 and 7.3 MB)
setup-neural: $(VENV)/.neural  ## Install what the profiles other than embedded need: torch and the models' libraries
setup-sessions: $(VENV)/.sessions  ## Install what the API and the queue's worker need
setup-dev: $(VENV)/.dev
setup-perf: $(VENV)/.perf  ## Install what the measurements and the audit need

# --- running ----------------------------------------------------------------------------------
demo: $(VENV)/.server network  ## Fill the reference scene (or PHOTO=... MASK=...) through a real server, or without one where there is none (LOCAL=1: anyway), into build/demo
	$(BIN)/python -m perf.demo $(if $(PHOTO),--photo '$(PHOTO)') $(if $(MASK),--mask '$(MASK)') $(if $(LOCAL),--local)

PAGE := service/pawfect_service/page/index.html
PAGE_SOURCES := $(shell find web/src web/scripts web/index.html web/vite.config.ts web/tsconfig.json -type f 2>/dev/null)

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci --no-fund --no-audit
	@touch $@

$(PAGE): web/node_modules/.installed $(PAGE_SOURCES)
	cd web && npm run --silent build

page: $(PAGE)  ## Build the page, which the API serves; needs Node 20.19 or later and npm

page-test: web/node_modules/.installed  ## Check the page's style and types and run its component tests
	cd web && npm run --silent lint && npm test --silent

studio: $(VENV)/.sessions $(VENV)/$(if $(filter embedded,$(PROFILE)),.server,.neural) network $(if $(NPM),$(PAGE))  ## Run the page, the API, a worker and the server of PROFILE on this machine, until Ctrl-C
	@$(if $(NPM),,echo "Without Node.js (https://nodejs.org, 20.19 or later) there is no page; the API runs all the same.")
	@echo "Pawfect: http://127.0.0.1:8080/ once the server is ready"
	$(BIN)/pawfect api --no-auth --with-worker --with-server $(PROFILE)

serve: $(VENV)/$(if $(filter embedded,$(PROFILE)),.server,.neural) network  ## Run the server of PROFILE (embedded) until Ctrl-C
	$(BIN)/pawfect serve --profile $(PROFILE)

sessions: $(VENV)/.sessions $(VENV)/$(if $(filter embedded,$(PROFILE)),.server,.neural) network  ## Run the sessions' API, a worker and the server of PROFILE, until Ctrl-C
	$(BIN)/pawfect api --no-auth --with-worker --with-server $(PROFILE)

# --- checking ---------------------------------------------------------------------------------
# The lint and the lanes run beside each other where make runs several jobs: the lanes wait at times.
test: lint $(if $(NPM),page-test) lanes  ## Run the lint and the tests, but for the slow ones
test-all: lint $(if $(NPM),page-test) lanes-all  ## Run the lint and every test

LANES := -n 2 --dist loadscope
lanes: $(VENV)/.perf network $(if $(NPM),page)  ## Run the tests alone, but for the slow ones, in two lanes
	$(BIN)/python -m pytest $(LANES) -m "not slow"

lanes-all: $(VENV)/.perf network $(if $(NPM),page)  ## Run every test, with ten times as many orders of events against the jobs' contract
	PAWFECT_CONTRACT_RUNS=100000 PAWFECT_STORE_RUNS=2000 $(BIN)/python -m pytest $(LANES)

lint: $(VENV)/.perf  ## Check format, style, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

SECONDS ?= 60
fuzz: $(VENV)/.perf $(VENV)/.sessions  ## Fuzz each reader of files and messages for SECONDS (60), led by coverage, into build/fuzz (TARGET=photo: that alone)
	$(BIN)/python -m harness.fuzz --seconds $(SECONDS) $(if $(TARGET),--target '$(TARGET)')

docker-check: $(VENV)/.dev  ## Run the Dockerfiles' steps without Docker, of every target (CPU=1: not the card's, 3 GB), and try what they make
	$(BIN)/python -m harness.container.run_steps --dockerfile Dockerfile.service
	$(BIN)/python -m harness.container.run_steps --target cpu
	$(if $(CPU),,$(BIN)/python -m harness.container.run_steps --target gpu --profile $(PROFILE))

# --- measuring --------------------------------------------------------------------------------
bench: $(VENV)/.perf  ## Measure each model with perf_analyzer, into perf/results
	$(BIN)/python -m perf.bench --profile $(PROFILE)

quantisation: $(VENV)/.perf  ## Compare quantised transformers with the plain one, into perf/results
	$(BIN)/python -m perf.diffusion.quantisation

versus: $(VENV)/.perf  ## Compare inpaint with diffusers' own pipelines on whole images, engine by engine, into perf/results
	$(BIN)/python -m perf.diffusion.versus

quality: $(VENV)/.perf  ## Score the fill against its peers on known truth (PHOTOS=DIR: on your own photos; BEFORE=CHECKOUT), into perf/results
	$(BIN)/python -m perf.quality $(if $(PHOTOS),--photos '$(PHOTOS)') $(if $(BEFORE),--before '$(BEFORE)')

search-bench: $(VENV)/.perf  ## Measure what a search for the best of many fills is worth on known truth (PHOTOS=DIR: on the photos of perf/search/split.toml too), into perf/results
	$(BIN)/python -m perf.search $(if $(PHOTOS),--photos '$(PHOTOS)')

fill-cost: $(VENV)/.perf  ## Measure what fills cost against their goals, beside those of BEFORE=CHECKOUT, into perf/results
	$(BIN)/python -m perf.quality.cost $(if $(BEFORE),--before '$(BEFORE)')

matting: $(VENV)/.perf network  ## Score background removal on known alpha against the stored results (PHOTOS=DIR: on your own cut-outs; ACCEPT=1), into perf/results
	$(BIN)/python -m perf.matting $(if $(PHOTOS),--photos '$(PHOTOS)') $(if $(ACCEPT),--accept)
	$(if $(PHOTOS),,$(BIN)/python -m perf.matting.recall)
	$(if $(PHOTOS),,$(BIN)/python -m perf.matting.cost)

face-swap: $(VENV)/.perf  ## Measure one swapped face on this CPU by a network of the published size, and model a T4, into perf/results
	$(BIN)/python -m perf.faces

lettering: $(VENV)/.perf  ## Correct the texts of 200 rendered signs and compare with the truth (needs tesseract and npm), into perf/results
	$(BIN)/python -m perf.lettering

prove: $(VENV)/.perf $(VENV)/.sessions  ## On PROFILE's card (t4, t4-klein, l4-edit, h200; tiny and tiny-klein rehearse): run and judge what the roadmap asks, into build/prove (ENGINE=, SESSION=folder, FULL=1)
	$(BIN)/python -m perf.prove --profile $(if $(filter embedded,$(PROFILE)),tiny,$(PROFILE)) $(if $(ENGINE),--engine '$(ENGINE)') $(if $(SESSION),--session '$(SESSION)') $(if $(FULL),--full)

t4: $(VENV)/.perf  ## Model what FLUX takes on a T4, and a search on each card (seconds are modelled), into perf/results
	$(BIN)/python -m perf.diffusion.t4
	$(BIN)/python -m perf.diffusion.search_cost

scaling: $(VENV)/.perf  ## Simulate replicas, workers and waits, into perf/results
	$(BIN)/python -m perf.service.scaling

load: $(VENV)/.perf  ## Queue 50 sessions at once while labels take 10 s, into perf/results
	$(BIN)/python -m perf.service.load

faults: $(VENV)/.perf  ## Run jobs while workers, server and connections break, into perf/results
	$(BIN)/python -m perf.service.faults

threats: $(VENV)/.perf $(VENV)/.sessions  ## Take each guard of docs/threat-model.md out and see its test fail, into perf/results
	$(BIN)/python -m perf.threats

MINUTES ?= 30
SEED ?= 1
soak: $(VENV)/.perf network  ## Run all kinds of jobs for MINUTES (30) while processes, memory, disk and clocks are broken by a schedule of SEED, into perf/results
	$(BIN)/python -m perf.service.soak --minutes $(MINUTES) --seed $(SEED)

# --- releasing --------------------------------------------------------------------------------
# Its version is that of git's tags: v1.2.3 is that release, see pyproject.toml.
wheel: $(VENV)/.dev $(PAGE)  ## Build the source distribution and the wheel, the page inside, into dist
	rm -rf dist
	$(BIN)/python -m hatchling build --directory dist --target sdist --target wheel

sbom: $(VENV)/.perf  ## Write the bills of materials (CycloneDX) and the list of licences, into build/sbom
	$(BIN)/python -m perf.release.sbom

audit-dependencies: $(VENV)/.perf  ## Ask OSV or PyPI, and npm, for published faults of the locked packages (exit code 1: there are some, 69: a source did not answer)
	$(BIN)/python -m perf.release.advisories

footprint: $(VENV)/.perf  ## Measure what a set-up takes on disk and a profile in memory, into perf/results
	$(BIN)/python -m perf.release.footprint

# --- keeping ----------------------------------------------------------------------------------

configs: $(VENV)/.dev  ## Make the configs of the denoising models from their definitions
	$(BIN)/python -m pawfect_triton.chain_configs

# The largest first: the others take its versions, so that one environment can hold them all.
lock: $(VENV)/.dev  ## Renew the pinned requirements from pyproject.toml
	$(UV) --extra client --extra server --extra dev --extra sessions --extra neural --extra export --extra perf --extra remote --extra judges -o requirements/perf.txt pyproject.toml
	$(UV) --constraint requirements/perf.txt --extra client --extra server -o requirements/server.txt pyproject.toml
	$(UV) --constraint requirements/perf.txt --extra client --extra server --extra neural -o requirements/neural.txt pyproject.toml
	$(UV) --constraint requirements/perf.txt --extra client --extra server --extra sessions -o requirements/sessions.txt pyproject.toml
	$(UV) --constraint requirements/perf.txt --extra client --extra sessions -o requirements/service.txt pyproject.toml
	$(UV) --constraint requirements/perf.txt --extra client --extra server --extra dev --extra remote --extra judges -o requirements/dev.txt pyproject.toml
	$(UV) --constraint requirements/perf.txt -o requirements/torch-cuda.txt requirements/torch-cuda.in
	$(UV) --constraint requirements/perf.txt -o requirements/build.txt requirements/build.in

clean:  ## Remove what the targets made
	rm -rf $(VENV) build web/node_modules service/pawfect_service/page .mypy_cache .ruff_cache .pytest_cache .hypothesis
