# Every target that needs Python makes its own .venv first, from the locked packages.
PYTHON ?= python3
PORT ?= 5000
PREFECT_PORT ?= 4200
MONITOR_PORT ?= 8000
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
# The image and the servers are told the commit, and each machine has a password of its own.
COMPOSE := SENTIMENT_COMMIT=$$(git rev-parse HEAD) docker compose --file docker/docker-compose.yml
SECRETS := docker/.env
# The kernels that every run needs are compiled once, here.
COMPILE := from sentiment.warming import compile_kernels; compile_kernels()

.DEFAULT_GOAL := help
.PHONY: help setup train predict monitor monitor-ui flow prefect-up test bench lint format typecheck ui lock \
	docker-build docker-up docker-down clean distclean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv with the locked packages

# The lock is complete, so pip need not look for more; it would refuse pandas[parquet], for example,
# whose version no line of a lock has with its extra.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(RUN) -c "$(COMPILE)"
	touch $@

train: $(READY) ## Train on 25,000 real reviews; ARGS="model=svm" changes settings
	$(RUN) scripts/train.py $(ARGS)

predict: $(READY) ## Predict a file with the best model: make predict ARGS="input=reviews.csv"
	$(RUN) scripts/predict.py $(ARGS)

monitor: $(READY) ## Compare predictions with training: make monitor ARGS="current=reviews.predictions.csv"
	$(RUN) scripts/monitor.py $(ARGS)

# Evidently reports its own use to its makers unless it is told not to.
monitor-ui: $(READY) ## Show drift over time on 127.0.0.1; MONITOR_PORT=8000
	mkdir -p outputs/monitoring
	DO_NOT_TRACK=1 $(VENV)/bin/evidently ui --workspace outputs/monitoring --host 127.0.0.1 --port $(MONITOR_PORT)

flow: $(READY) ## Run all steps, from data to monitoring: make flow ARGS="input=reviews.csv"
	$(RUN) scripts/flow.py $(ARGS)

prefect-up: $(READY) ## Start a Prefect server on 127.0.0.1; PREFECT_PORT=4200
	PREFECT_SERVER_ANALYTICS_ENABLED=false $(VENV)/bin/prefect server start --host 127.0.0.1 --port $(PREFECT_PORT)

test: $(READY) ## Run the test suite
	$(RUN) -m pytest -n 2 --dist worksteal $(ARGS)

bench: $(READY) $(PEERS) ## Measure the figures that the README quotes
	$(RUN) benchmarks/bench.py $(ARGS)

$(PEERS): $(READY)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[bench]"
	touch $@

lint: $(READY) ## Check the style
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(READY) ## Mend the style
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

typecheck: $(READY) ## Check the types
	$(RUN) -m mypy

ui: $(READY) ## Show the runs in the MLflow UI on 127.0.0.1; PORT=5000
	mkdir -p outputs
	$(VENV)/bin/mlflow ui --backend-store-uri sqlite:///outputs/mlflow.db --host 127.0.0.1 --port $(PORT)

lock: $(READY) ## Resolve the packages anew and write requirements.lock
	$(RUN) -m pip install --quiet uv
	$(RUN) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--prerelease if-necessary-or-explicit --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --no-annotate --upgrade -o requirements.lock

$(SECRETS):
	(umask 077; $(PYTHON) -c "import secrets; print('POSTGRES_PASSWORD=' + secrets.token_hex(24))" > $@)

docker-build: $(SECRETS) ## Build the image; ARGS="--profile prefect" builds that of the flows too
	$(COMPOSE) $(ARGS) build

docker-up: $(SECRETS) ## Start MLflow with PostgreSQL in containers; ARGS="--profile monitor" starts more
	$(COMPOSE) $(ARGS) up --detach --wait --build

docker-down: $(SECRETS) ## Stop the containers; what they keep stays in their volumes
	$(COMPOSE) --profile "*" down

clean: ## Remove caches; runs, models and their store under outputs/ stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## Remove .venv as well
	rm -rf $(VENV)
