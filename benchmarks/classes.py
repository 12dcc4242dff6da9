"""More than two classes: the experiments, the default against scikit-learn, and 2,000 classes."""

import ast
import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from reviews import SEED, read_reviews
from sklearn import linear_model
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction import text
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from timing import OURS, Figure, Plan, compare

from sentiment.config import compose, make
from sentiment.data.datasets import EmbeddedReviews
from sentiment.modeling.class_factors import estimate_gain, find_factors, measure_macro_f1
from sentiment.modeling.evaluation import evaluate
from sentiment.modeling.pipeline import fit, make_pipeline

ROOT = Path(__file__).resolve().parents[1]
FOLDS, ROWS = 5, 8_000
STRENGTHS = (15, 20, 30)
# Packages in all installations of this project.
PACKAGES = (
    *("evidently", "joblib", "matplotlib", "mlflow", "numba", "numpy", "optuna", "pandas", "rich"),
    *("scipy", "sklearn", "sqlalchemy"),
)
KINDS = {
    "horror": "horror scary blood",
    "comedy": "comedy funny laugh",
    "tv": "series show episode",
}
MANY, MANY_ROWS = 2_000, 100_000


@cache
def read_sources() -> pd.DataFrame:
    """Return embedded reviews of four classes, by source and sentiment."""
    names = ("imdb", "rotten_tomatoes")
    frames = [EmbeddedReviews(name=name, source=name).read().assign(source=name) for name in names]
    frame = pd.concat(frames).drop_duplicates("text").sample(ROWS, random_state=SEED)
    return frame.assign(label=frame["source"] + " " + frame["label"]).reset_index(drop=True)


@cache
def read_docstrings() -> pd.DataFrame:
    """Return docstrings of installed packages, labelled with the names of the packages."""
    site, rows = Path(sklearn.__file__).parents[1], []
    for package in PACKAGES:
        docstrings: set[str] = set()
        for path in sorted((site / package).rglob("*.py")):
            tree = ast.parse(path.read_bytes())
            kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            texts = (ast.get_docstring(n) for n in ast.walk(tree) if isinstance(n, kinds))
            docstrings |= {
                docstring[:600] for docstring in texts if docstring and len(docstring) >= 40
            }
        rows += [(docstring, package) for docstring in sorted(docstrings)]
    frame = pd.DataFrame(rows, columns=["text", "label"]).drop_duplicates("text")
    return frame.sample(min(ROWS, len(frame)), random_state=SEED).reset_index(drop=True)


def bench_recipes(plan: Plan) -> dict[str, Figure]:
    """Measure how much more accurate the experiments are than the default, over five folds."""
    figures = {}
    for data, frame in (("sources", read_sources()), ("docstrings", read_docstrings())):
        overrides = {name: f"experiment={name}" for name in ("fast", "best")}
        figures |= _compare(data, frame, overrides)
    return figures


def bench_strengths(plan: Plan) -> dict[str, Figure]:
    """Measure the accuracy of the default with other strengths of regularization."""
    figures = {}
    for data, frame in (
        ("sources", read_sources()), ("kinds", read_kinds()), ("docstrings", read_docstrings())
    ):  # fmt: skip
        overrides = {str(strength): f"model.C={strength}" for strength in STRENGTHS}
        figures |= _compare(data, frame, overrides, "model.C=10")
    return figures


def _compare(
    data: str, frame: pd.DataFrame, overrides: dict[str, str], baseline: str = ""
) -> dict[str, Figure]:
    """Measure the accuracy with each setting minus that with `baseline`, or with the default."""
    hits = _find_hits(_make(baseline) if baseline else _make(), frame)
    return {
        f"classes_{data}_{name}": _subtract(
            f"accuracy of {override} on {data}, {frame['label'].nunique()} classes, minus that of "
            f"{baseline or 'the default'}",
            _find_hits(_make(override), frame),
            hits,
        )
        for name, override in overrides.items()
    }


def bench_factors(plan: Plan) -> dict[str, Figure]:
    """Measure the macro-F1 that factors of classes add, chosen on 800 of 8,000 rows."""
    cfg = compose("train", ["memory=null"])
    kinds = read_kinds().sample(ROWS, random_state=SEED)
    figures = {}
    for data, frame in (
        ("docstrings", read_docstrings()), ("kinds", kinds), ("sources", read_sources())
    ):  # fmt: skip
        classes, codes = np.unique(frame["label"], return_inverse=True)
        train, chosen_rows, held_out = np.split(
            np.arange(len(frame)), [len(frame) // 2, len(frame) * 3 // 5]
        )
        model = fit(make_pipeline(make(cfg, "features"), make(cfg, "model")), frame.iloc[train])
        chosen_on = model.predict_proba(frame.iloc[chosen_rows])
        factors = find_factors(chosen_on, codes[chosen_rows])
        probabilities = model.predict_proba(frame.iloc[held_out])
        default = measure_macro_f1(probabilities, codes[held_out])
        weighted = measure_macro_f1(probabilities * factors, codes[held_out])
        without, expected = estimate_gain(chosen_on, codes[chosen_rows])
        gain = 100 * (weighted - default)
        figures[f"classes_factors_{data}"] = Figure(
            what=f"macro-F1 of deploy.threshold=max_f1 on {data}, {len(classes)} classes, minus "
            "that of the most probable class",
            unit="points",
            value=gain,
            low=gain,
            high=gain,
            more={
                "f1_macro_default": 100 * default,
                "gain_estimated": 100 * (expected - without),
                "accuracy_default": 100
                * float(np.mean(probabilities.argmax(axis=1) == codes[held_out])),
                "accuracy": 100
                * float(np.mean((probabilities * factors).argmax(axis=1) == codes[held_out])),
            },
        )
    return figures


def _make(*overrides: str) -> Pipeline:
    cfg = compose("train", list(overrides))
    return make_pipeline(make(cfg, "features"), make(cfg, "model"))


def _make_theirs(classifier: Any) -> Pipeline:
    """Return scikit-learn's version of the default features, followed by `classifier`."""
    vectorizer = text.TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True
    )
    # Set explicitly, since `make_pipeline` may replace it with a faster one.
    return make_pipeline(vectorizer, classifier).set_params(model=classifier)


def _find_hits(pipeline: Pipeline, frame: pd.DataFrame) -> np.ndarray:
    """Return 1 for each row that a fit on the other folds predicts correctly, else 0."""
    hits = np.empty(len(frame))
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, held_out in splitter.split(frame, frame["label"]):
        fitted = fit(clone(pipeline), frame.iloc[train])
        hits[held_out] = evaluate(fitted, frame.iloc[held_out]).right
    return hits


def _subtract(what: str, hits: np.ndarray, others: np.ndarray) -> Figure:
    """Return the mean of the differences, with two standard errors to each side."""
    gains = 100 * (hits - others)
    mean, error = gains.mean(), gains.std() / np.sqrt(len(gains))
    return Figure(
        what=f"{what}; spread: two standard errors",
        unit="points",
        value=mean,
        low=mean - 2 * error,
        high=mean + 2 * error,
        more={"rows": len(gains), "accuracy_subtracted": 100 * others.mean()},
    )


def read_kinds() -> pd.DataFrame:
    """Return 17,500 reviews of eight classes: their sentiment, and the genre they mention most."""
    frame = read_reviews().drop_duplicates("text").sample(17_500, random_state=SEED)
    texts = frame["text"].str.lower()
    counts = np.array([sum(texts.str.count(w) for w in words.split()) for words in KINDS.values()])
    kinds = np.append(list(KINDS), "other")[np.where(counts.max(axis=0), counts.argmax(axis=0), 3)]
    return frame.assign(label=kinds + " " + frame["label"]).reset_index(drop=True)


def compare_eight(plan: Plan) -> dict[str, Figure]:
    """Compare a fit of the default on 14,000 reviews of eight classes with scikit-learn's."""
    figure = _compare_fits(plan, "logistic_regression", _make_their_regression(), target=8, aim=20)
    return {"classes_8": figure}


def compare_eight_folds(plan: Plan) -> dict[str, Figure]:
    """Compare their accuracy over five folds, each fit on 14,000 of the reviews."""
    frame = read_kinds()
    theirs = _find_hits(_make_theirs(_make_their_regression()), frame)
    what = "accuracy on reviews of 8 classes, minus that of scikit-learn"
    return {"classes_8_accuracy": _subtract(what, _find_hits(_make("memory=null"), frame), theirs)}


def _make_their_regression() -> Any:
    return linear_model.LogisticRegression(C=10.0, max_iter=1000)


def compare_eight_svm(plan: Plan) -> dict[str, Figure]:
    """Compare a fit of model=svm on the same reviews with scikit-learn's."""
    classifier = CalibratedClassifierCV(LinearSVC(C=0.3, random_state=SEED), cv=3, ensemble=False)
    return {"classes_8_svm": _compare_fits(plan, "svm", classifier)}


def _compare_fits(plan: Plan, model: str, classifier: Any, **goals: float) -> Figure:
    frame = read_kinds()
    train, held_out = frame[:14_000], frame[14_000:]
    ours, theirs = _make(f"model={model}", "memory=null"), _make_theirs(classifier)
    fitted: dict[str, Any] = {}

    def fit_copy(name: str, pipeline: Any) -> None:
        fitted[name] = fit(clone(pipeline), train)

    fits = {
        OURS: lambda: fit_copy("ours", ours),
        "scikit-learn": lambda: fit_copy("theirs", theirs),
    }
    figure = compare(
        f"training model={model}, 14,000 reviews of 8 classes", fits, plan.slow_rounds, **goals
    )
    figure.more.update(
        {
            f"accuracy_{name}": 100 * float(evaluate(fitted[name], held_out).right.mean())
            for name in fitted
        }
    )
    return figure


def write_topics(path: Path, classes: int = MANY, rows: int = MANY_ROWS) -> Path:
    """Write short texts of common words and of four words of their class."""
    rng = np.random.default_rng(SEED)
    labels = rng.permutation(np.arange(rows) % classes)
    common = rng.zipf(1.3, (rows, 9)) % 30_000
    own = 20 * labels[:, np.newaxis] + np.minimum(rng.zipf(1.5, (rows, 4)) - 1, 19)
    texts = [
        " ".join([f"w{word}" for word in first[:size]] + [f"t{word}x" for word in last])
        for first, last, size in zip(common, own, rng.integers(4, 10, rows), strict=True)
    ]
    table = pd.DataFrame({"text": texts, "label": [f"topic {label}" for label in labels]})
    table.to_csv(path, index=False)
    return path


def bench_two_thousand(plan: Plan) -> dict[str, Figure]:
    """Measure time and peak memory of train.py and predict.py with 2,000 classes."""
    path = write_topics(plan.folder / "topics.csv")
    outputs = f"outputs={plan.folder / 'outputs'}"
    jobs = {
        "train": [
            "data=csv",
            f"data.path={path}",
            "data.text_column=text",
            "data.label_column=label",
        ],
        "predict": [f"input={path}", f"output={plan.folder / 'predictions.csv'}"],
    }
    figures = {}
    for name, overrides in jobs.items():
        start = time.perf_counter()
        command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *overrides, outputs]
        child = os.posix_spawn(sys.executable, command, os.environ)
        _, status, usage = os.wait4(child, 0)
        if status:
            raise RuntimeError(f"{name}.py failed")
        seconds = time.perf_counter() - start
        what = f"{name}.py, {MANY:,} classes, {MANY_ROWS:,} short texts"
        goals = {"target": 300, "aim": 60} if name == "train" else {}
        figures[f"classes_2000_{name}"] = Figure(what, "s", seconds, seconds, seconds, **goals)
        peak = usage.ru_maxrss / 1024
        figures[f"classes_2000_{name}_memory"] = Figure(
            f"peak memory of {what}", "MB", peak, peak, peak, target=6144, aim=3072
        )
    return figures
