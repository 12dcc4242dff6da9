"""Drift that is caught and drift that is not, on real reviews that no model was trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drifting import DEFAULTS
from sklearn.pipeline import Pipeline

from sentiment.commands.monitor.comparison import Comparison, compare
from sentiment.commands.monitor.current import CurrentRows
from sentiment.commands.monitor.performance import measure_performance
from sentiment.commands.monitor.tables import list_metrics, make_document
from sentiment.data.copies import add_keys
from sentiment.data.datasets import EmbeddedReviews
from sentiment.data.quality import QualityReport, check_quality, find_unusable
from sentiment.errors import ReferenceMissingError
from sentiment.modeling.decision_rules import DecisionRule
from sentiment.modeling.descriptors import TextReader, find_tokenization
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.evaluation import evaluate
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.reference import Reference, load_reference, make_reference
from sentiment.ngrams.vectorizers import TfidfVectorizer
from sentiment.tracking.stages import SilentObserver

HALVES = 20
# Sentences as a critic in another country would write them, put together at random.
GERMAN = (
    """
Der Film ist von der ersten bis zur letzten Minute spannend. Die Schauspieler überzeugen mich nicht.
Das Drehbuch hat viele Schwächen. Ich habe selten so gelacht. Die Musik passt sehr gut zu den
Bildern. Leider ist die Geschichte viel zu lang geraten. Am Ende war ich enttäuscht. Wer gute
Unterhaltung sucht, sollte sich diesen Film ansehen. Die Handlung bleibt bis zum Schluss unklar.
Der Regisseur zeigt einmal mehr sein großes Können. Nach einer halben Stunde wollte ich gehen.
""".replace("\n", " ")
    .strip()
    .split(". ")
)


@dataclass(frozen=True)
class World:
    """A model, and reviews that it has not seen, with what it says of them."""

    pipeline: Pipeline
    report: QualityReport
    answered: pd.DataFrame
    probabilities: np.ndarray

    def refer(self, rows: np.ndarray) -> Reference:
        frame = self.answered.iloc[rows]
        predictions = Predictions(
            frame["label"].to_numpy(dtype=str), self.probabilities[rows], self.pipeline.classes_
        )
        return make_reference(self.pipeline, frame["text"], predictions, self.report, 1)

    def answer(self, frame: pd.DataFrame) -> CurrentRows:
        predictions = evaluate(self.pipeline, frame.fillna({"label": ""}))
        rows = frame[["text", "label"]].reset_index(drop=True)
        rows["prediction"] = predictions.predicted.astype(str)
        return CurrentRows(
            rows.assign(probability=predictions.probabilities.max(axis=1)), len(rows), 0
        )

    def compare(self, reference: Reference, current: CurrentRows) -> Comparison:
        reader = TextReader(find_tokenization(self.pipeline))
        return compare(reference, current, reader, DEFAULTS, 10, SilentObserver())


@pytest.fixture(scope="module")
def world() -> World:
    frame = EmbeddedReviews(name="imdb", source="imdb").read()
    keyed = add_keys(frame)
    report = check_quality(keyed, find_unusable(keyed))
    frame = frame[~keyed["key"].duplicated()].sample(frac=1, random_state=3)
    pipeline = make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression())
    fit(pipeline, frame.head(3000))
    unseen = frame.iloc[3000:15_000].reset_index(drop=True)
    predictions = evaluate(pipeline, unseen)
    answered = unseen.assign(
        prediction=predictions.predicted.astype(str),
        probability=predictions.probabilities.max(axis=1),
    )
    return World(pipeline, report, answered, predictions.probabilities)


@pytest.fixture(scope="module")
def reference(world: World) -> Reference:
    return world.refer(np.arange(2500))


@pytest.fixture(scope="module")
def later(world: World) -> pd.DataFrame:
    """Reviews that are in no reference."""
    return world.answered[["text", "label"]].iloc[2500:]


def translate(frame: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    sizes = rng.integers(4, 12, len(frame))
    return frame.assign(text=[". ".join(rng.choice(GERMAN, size)) for size in sizes])


def replace_word(frame: pd.DataFrame) -> pd.DataFrame:
    """In every twentieth review, people begin to speak of something new."""
    texts = frame["text"].copy()
    texts.iloc[::20] += " I saw it on Zyxflix."
    return frame.assign(text=texts)


Change = Callable[[pd.DataFrame], pd.DataFrame]
CHANGES: list[tuple[str, Change, set[str], set[str]]] = [
    (
        "sentences of Rotten Tomatoes",
        lambda frame: EmbeddedReviews(name="rt", source="rotten_tomatoes").read(),
        {"characters", "words", "markup", "unknown", "probability", "terms", "accuracy"},
        {"empty", "repeated"},
    ),
    (
        "four of five are negative",
        lambda frame: pd.concat([
            frame[frame["label"] == "negative"].head(3200),
            frame[frame["label"] == "positive"].head(800),
        ]),
        {"prediction"},
        {"characters", "words", "non_letters", "markup", "unknown", "empty", "repeated"},
    ),
    (
        "cut after 200 characters",
        lambda frame: frame.head(2000).assign(text=lambda f: f["text"].str[:200]),
        {"characters", "words", "probability", "terms", "accuracy"},
        {"empty"},
    ),
    (
        "German",
        lambda frame: translate(frame.head(1000)),
        {"unknown", "terms", "characters", "non_letters", "accuracy"},
        {"empty", "repeated"},
    ),
    (
        "a new word in one of twenty",
        lambda frame: replace_word(frame.head(2000)),
        {"terms"},
        {"characters", "words", "probability", "prediction", "accuracy"},
    ),
    (
        "tags are gone",
        lambda frame: frame.head(2000).assign(text=lambda f: f["text"].str.replace("<br />", " ")),
        {"markup"},
        {"words", "unknown", "probability", "prediction", "terms", "accuracy"},
    ),
    (
        "one of ten is empty, one of ten repeats another",
        lambda frame: frame.head(2000).assign(
            text=lambda f: f["text"].where(np.arange(2000) % 10 != 0, " ").where(
                np.arange(2000) % 10 != 1, f["text"].iloc[2])
        ),
        {"empty", "repeated"},
        {"prediction"},
    ),
    (
        "labels are wrong in one of four",
        lambda frame: frame.head(2000).assign(
            label=lambda f: f["label"].where(np.arange(2000) % 4 != 0, "negative")
        ),
        {"accuracy"},
        {"characters", "words", "probability", "prediction", "terms"},
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "alarms", "quiet"),
    [case[1:] for case in CHANGES],
    ids=[case[0] for case in CHANGES],
)
def test_drift_is_caught(
    world: World,
    reference: Reference,
    later: pd.DataFrame,
    change: Change,
    alarms: set[str],
    quiet: set[str],
) -> None:
    drifted = set(world.compare(reference, world.answer(change(later))).drifted)
    assert alarms <= drifted
    assert not quiet & drifted


@pytest.mark.slow
def test_random_halves_of_the_same_are_quiet(world: World) -> None:
    """At most one false alarm; of twenty, 0.2 are expected at an alpha of 1 %."""
    rng, alarms = np.random.default_rng(11), []
    for _ in range(HALVES):
        first_rows, second_rows = np.array_split(rng.permutation(len(world.answered))[:4000], 2)
        current = CurrentRows(
            world.answered.iloc[second_rows].reset_index(drop=True), len(second_rows), 0
        )
        alarms += [world.compare(world.refer(first_rows), current).drifted]
    assert sum(map(bool, alarms)) <= 1, alarms


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 10, 50])
def test_a_handful_of_rows_is_no_drift(
    world: World, reference: Reference, later: pd.DataFrame, rows: int
) -> None:
    for start in range(0, 200, 50):
        few = world.answer(later.iloc[start : start + rows])
        assert world.compare(reference, few).drifted == []


@pytest.mark.slow
def test_data_of_training_is_named(
    world: World, reference: Reference, later: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    """The validation rows are among them; other rows of the same kind have no warning."""
    world.compare(reference, world.answer(later.head(2500)))
    world.compare(reference, world.answer(world.answered.iloc[1500:4000]))
    assert caplog.messages == []
    world.compare(reference, world.answer(world.answered.head(4000)))
    (message,) = caplog.messages
    assert message.startswith("the rows include 2,500 of the 2,500 validation rows, so they are ")


@pytest.mark.slow
def test_words_that_rose_and_fell_are_reported(
    world: World, reference: Reference, later: pd.DataFrame
) -> None:
    changed = replace_word(later.head(2000))
    changed["text"] = changed["text"].str.replace("movie", "film", regex=False)
    terms = world.compare(reference, world.answer(changed)).terms
    assert terms.index[0] == "movie"
    assert terms.loc["movie", "effect"] < -1
    assert terms.loc["zyxflix", "current"] == 0.05
    assert terms.loc["film", "effect"] > 0.2
    assert len(terms) < 8


def test_the_accuracy_falls_where_it_does(
    world: World, reference: Reference, later: pd.DataFrame
) -> None:
    """Of a file in the order of time whose last third is answered wrongly."""
    current = world.answer(later.head(3000))
    rows = current.rows.copy()
    rows.loc[2000:, "label"] = rows.loc[2000:, "prediction"].map(
        {"negative": "positive", "positive": "negative"}
    )
    rows.loc[::7, "label"] = None
    performance = measure_performance(reference.rows, rows, windows=9)
    assert performance is not None
    assert performance.current.rows == rows["label"].notna().sum()
    assert len(performance.windows) == 9
    assert [window.value > 0.7 for window in performance.windows] == [True] * 6 + [False] * 3
    assert all(window.low <= window.value <= window.high for window in performance.windows)
    right = reference.rows["label"] == reference.rows["prediction"]
    assert performance.reference.value == pytest.approx(right.mean())
    assert performance.reference.low < performance.reference.value < performance.reference.high
    assert len(measure_performance(reference.rows, rows.head(250), 9).windows) == 2
    assert measure_performance(reference.rows, rows.assign(label=None), 9) is None


def test_a_reference_is_small_and_comes_back_as_it_was(world: World, tmp_path: Path) -> None:
    reference = world.refer(np.arange(len(world.answered)))
    reference.save(tmp_path / "reference")
    assert len(reference.rows) == 5000
    assert sum(path.stat().st_size for path in (tmp_path / "reference").iterdir()) < 300_000
    reloaded = load_reference(tmp_path / "reference", "run 'x'")
    pd.testing.assert_frame_equal(reloaded.rows, reference.rows)
    pd.testing.assert_series_equal(reloaded.terms, reference.terms, check_names=False)
    assert (reloaded.classes, reloaded.words, reloaded.source) == (
        reference.classes, reference.words, reference.source,
    )  # fmt: skip
    with pytest.raises(ReferenceMissingError, match="run 'x' keeps no reference to monitor"):
        load_reference(tmp_path, "run 'x'")


def test_a_word_that_is_not_kept_counts_as_the_rarest_that_is(reference: Reference) -> None:
    assert reference.words > len(reference.terms) == 4000
    counts = reference.count_terms(pd.Index(["the", "zyxflix"]))
    assert counts.tolist() == [reference.terms["the"], reference.terms.min()]


def test_results_are_plain_numbers(world: World, reference: Reference, later: pd.DataFrame) -> None:
    comparison = world.compare(reference, world.answer(later.head(300)))
    document = make_document(comparison, {"seed": 1})
    assert list(document) == ["seed", "drifted", "checks", "terms", "windows"]
    assert [type(value) for value in document["checks"][0].values()] == [
        str, float, float, float, str, float, float, str, bool,
    ]  # fmt: skip
    metrics = list_metrics(comparison)
    assert metrics["alarms"] == 0
    assert 0.7 < metrics["accuracy"] < 1
    assert {f"effect/{check.name}" for check in comparison.checks} <= set(metrics)


def test_a_reference_is_decided_as_the_predictions_were(world: World) -> None:
    rows = np.arange(2500)
    reference, table = world.refer(rows), world.probabilities[rows]
    rule = DecisionRule(threshold=0.7, least_confidence=0.2)
    codes, confidence = rule.decide(table)
    decided = reference.with_rule(rule)
    near = np.abs(confidence - 0.2) < 1e-4  # a reference has single precision
    expected = np.where(confidence >= 0.2, world.pipeline.classes_[codes], "unsure")
    assert decided.rows["prediction"].to_numpy()[~near].tolist() == expected[~near].tolist()
    np.testing.assert_allclose(
        decided.rows["probability"], table[np.arange(2500), codes], rtol=1e-5
    )
    assert decided.classes == ["negative", "positive", "unsure"]
    assert reference.with_rule(DecisionRule()) is reference
    answered = expected != "unsure"
    performance = measure_performance(decided.rows, decided.rows, 5)
    assert performance.current.rows == pytest.approx(answered.sum(), abs=float(near.sum()))
    doubtful = expected == "unsure"
    right = decided.rows["label"].to_numpy() == expected
    assert performance.reference.value == pytest.approx(right[~doubtful].mean(), abs=0.002)
