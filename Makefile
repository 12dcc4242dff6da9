# Every target that needs Python makes its own .venv first, from the locked packages.
PYTHON ?= python3
PORT ?= 5000
MONITOR_PORT ?= 8000
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
# The kernels that every run needs are compiled once, here.
COMPILE := from sentiment.features.vectorizers import TfidfVectorizer as V; \
	from sentiment.features.deciding import LinearDecider as D; from numpy import ones; \
	v = V(ngram_range=(1, 2)).fit(['a text', 'a text']); v.transform(['a text']); \
	D.from_vectorizer(v, ones((1, 1))).decide(['a text']); \
	from sentiment.files.warming import compile_kernels; compile_kernels()

.DEFAULT_GOAL := help
.PHONY: help setup train predict monitor monitor-ui test bench lint format typecheck ui lock clean distclean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv with the locked packages

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
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

clean: ## Remove caches and everything under outputs/
	rm -rf outputs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## Remove .venv as well
	rm -rf $(VENV)
