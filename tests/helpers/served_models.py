"""Small models in files, and servers of them in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WORDS = ["good", "bad", "fine", "film", "bore", "great", "dull"]


def write_model(path: Path, labels: list[str], separator: str | None = None, c: float = 1) -> Path:
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    from sentiment.modeling.model_files import save_model
    from sentiment.modeling.pipeline import fit, make_pipeline
    from sentiment.ngrams.vectorizers import TfidfVectorizer

    random = np.random.default_rng(3)
    rows = [(" ".join(random.choice(WORDS, 6)), labels[k % len(labels)]) for k in range(90)]
    frame = pd.DataFrame([(f"{a} {b} {b}", b) for a, b in rows], columns=["text", "label"])
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(C=c), separator)
    save_model(fit(pipeline, frame), path)
    return path


@pytest.fixture(scope="module")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models of two labels, of other weights, of three labels and of label sets."""
    folder = tmp_path_factory.mktemp("models")
    two = ["negative", "positive"]
    return {
        "two": write_model(folder / "two.skops", two),
        "sharper": write_model(folder / "sharper.skops", two, c=50),
        "three": write_model(folder / "three.skops", ["billing", "login", "other"]),
        "sets": write_model(folder / "sets.skops", ["late", "late;refund", "refund"], ";"),
    }


@pytest.fixture
def serve_here(model_files: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """Make an application in this process; its service is its attribute.

    Its log is written when a test calls ``app._log.write()``.
    """
    from sentiment.commands.serve.app import App
    from sentiment.commands.serve.job import prepare
    from sentiment.commands.serve.log import TrafficLog
    from sentiment.commands.serve.metrics import Metrics
    from sentiment.config import compose

    made: list[Any] = []

    def make(*overrides: str, tokens: list[bytes] | None = None) -> Any:
        words = [f"deploy.run='{model_files['two']}'", "server.port=0", "tracking=off", *overrides]
        service = prepare(compose("serve", words))
        made.append(service)
        metrics = Metrics()
        log = TrafficLog(service.log, metrics) if service.log.folder else None
        tokens = tokens or service.tokens
        app: Any = App(service.routes, service.settings, metrics, tokens, log)
        app.service = service
        return app

    yield make
    for service in made:
        service.close()
