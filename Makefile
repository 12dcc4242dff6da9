# Every target that needs Python makes its own .venv first, from the locked packages.
INSTALL := $(or $(PYTHON),python3) scripts/install.py
PORT ?= 5000
PREFECT_PORT ?= 4200
MONITOR_PORT ?= 8000
ARGS ?=
# What the two dashboards show; another folder than outputs/ has its own.
STORE ?= sqlite:///outputs/mlflow.db
WORKSPACE ?= outputs/monitoring

VENV := .venv
RUN := $(VENV)/bin/python
# What training, predicting and the UI need, and what all else needs as well.
CORE := $(VENV)/.core
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
# The image and the servers get the commit, and each machine has a password of its own.
COMPOSE := SENTIMENT_COMMIT=$$(git rev-parse HEAD) docker compose --file docker/docker-compose.yml
SECRETS := docker/.env

.DEFAULT_GOAL := help
.PHONY: FORCE help setup setup-all train predict serve monitor monitor-ui flow prefect-up test test-fast bench docs schemas lint format \
	typecheck ui lock docker-build docker-up docker-down clean distclean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: ## Install the packages for training, prediction and the UI into .venv; PYTHON=python3.12
	@$(INSTALL)

setup-all: ## Install the packages for monitoring, flows, clusters and tests, too
	@$(INSTALL) --all

# Whether .venv has the Python that is named is known to the script, which returns at once if so.
NAMED := $(if $(PYTHON),FORCE)

$(CORE): requirements-core.lock pyproject.toml $(NAMED)
	@$(INSTALL)

$(READY): requirements.lock pyproject.toml $(NAMED)
	@$(INSTALL) --all

train: $(CORE) ## Train on 25,000 real reviews; ARGS="model=svm" changes settings
	$(RUN) scripts/train.py $(ARGS)

predict: $(CORE) ## Predict a file with the best model: make predict ARGS="input=reviews.csv"
	$(RUN) scripts/predict.py $(ARGS)

serve: $(READY) ## Serve predictions over HTTP: make serve ARGS="model=models:/sentiment@champion"
	$(RUN) scripts/serve.py $(ARGS)

monitor: $(READY) ## Compare predictions with training: make monitor ARGS="current=reviews.predictions.csv"
	$(RUN) scripts/monitor.py $(ARGS)

# Evidently reports its own use to its makers unless this variable is set.
monitor-ui: $(READY) ## Show drift over time on 127.0.0.1; MONITOR_PORT=8000 WORKSPACE=outputs/monitoring
	mkdir -p '$(WORKSPACE)'
	DO_NOT_TRACK=1 $(VENV)/bin/evidently ui --workspace '$(WORKSPACE)' --host 127.0.0.1 --port $(MONITOR_PORT)

flow: $(READY) ## Run all steps, from data to monitoring: make flow ARGS="input=reviews.csv"
	$(RUN) scripts/flow.py $(ARGS)

prefect-up: $(READY) ## Start a Prefect server on 127.0.0.1; PREFECT_PORT=4200
	PREFECT_SERVER_ANALYTICS_ENABLED=false $(VENV)/bin/prefect server start --host 127.0.0.1 --port $(PREFECT_PORT)

PYTEST := $(RUN) -m pytest --dist worksteal
# A third of the time, tests of processes and servers wait: one worker more than cores keeps both busy.
test: $(READY) ## Run the test suite, in about ten minutes on two cores
	$(PYTEST) -n 3 $(ARGS)

test-fast: $(READY) ## Run the quick tests that need no other process, in less than two minutes
	$(PYTEST) -n 2 -m "not (slow or process or server)" $(ARGS)

bench: $(READY) $(PEERS) ## Measure the figures of docs/benchmarks.md
	$(RUN) benchmarks/bench.py $(ARGS)

$(PEERS): $(READY)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[bench]"
	touch $@

docs: $(READY) ## Build the site into docs/_build/html; its examples train models, for a few minutes
	$(RUN) -m sphinx --fail-on-warning --keep-going -b html $(ARGS) docs docs/_build/html

schemas: $(CORE) ## Write JSON schemas of conf/ for editors into schemas/
	$(RUN) -m sentiment.config.json_schemas
	@echo 'schemas/ is written; docs/how_to/edit_configs.md says how editors use it'

lint: $(READY) ## Check the style
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(READY) ## Fix the style
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

typecheck: $(READY) ## Check the types
	$(RUN) -m mypy

ui: $(CORE) ## Show the runs in the MLflow UI on 127.0.0.1; PORT=5000 STORE=sqlite:///outputs/mlflow.db
	mkdir -p outputs
	$(VENV)/bin/mlflow ui --backend-store-uri '$(STORE)' --host 127.0.0.1 --port $(PORT)

COMPILE := -m uv pip compile pyproject.toml --universal --python-version 3.11 --no-header \
	--no-annotate --prerelease if-necessary-or-explicit --generate-hashes --no-emit-index-url \
	--no-emit-find-links
lock: $(READY) ## Resolve the packages and write both lock files
	$(RUN) -m pip install --quiet uv
	$(RUN) $(COMPILE) --extra dev --upgrade -o requirements.lock
	$(RUN) $(COMPILE) --extra build --constraint requirements.lock -o requirements-core.lock

$(SECRETS):
	(umask 077; $(or $(PYTHON),python3) -c "import secrets; print('POSTGRES_PASSWORD=' + secrets.token_hex(24))" > $@)

docker-build: $(SECRETS) ## Build the image; ARGS="--profile prefect" also builds the image for flows
	$(COMPOSE) $(ARGS) build

docker-up: $(SECRETS) ## Start MLflow with PostgreSQL in containers; ARGS="--profile monitor" starts more
	$(COMPOSE) $(ARGS) up --detach --wait --build

docker-down: $(SECRETS) ## Stop the containers; volumes keep their data
	$(COMPOSE) --profile "*" down

clean: ## Remove caches and the site; runs, models and their store under outputs/ stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis schemas
	rm -rf docs/_build docs/reference/generated docs/tutorials/notebooks
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## Remove .venv as well
	rm -rf $(VENV)
