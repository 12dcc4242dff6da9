"""Comparison of current rows with the reference: checks, words and performance."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sentiment.commands.monitor.current import CurrentRows
from sentiment.commands.monitor.extra_columns import check_extra_columns
from sentiment.commands.monitor.metrics import compare_metrics
from sentiment.commands.monitor.performance import Performance, measure_performance
from sentiment.config.schemas import ThresholdSettings
from sentiment.modeling.descriptors import DESCRIPTORS, TextReader
from sentiment.modeling.drift import (
    COHEN,
    Check,
    check_labels,
    check_numbers,
    choose_difference,
    compare_shares,
    compare_terms,
    decide_alarms,
)
from sentiment.modeling.reference import MOST_TERMS, Reference
from sentiment.tracking.stages import StageObserver

_BATCH_ROWS = 5_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison with training.

    Attributes
    ----------
    checks : list of Check
        All checks, with their verdicts.
    terms : DataFrame or None
        The words whose share of texts has changed, the largest change first: ``reference``,
        ``current``, ``effect`` (above 0 for a rise) and ``p_value``, by word. None without texts.
    performance : Performance or None
        Accuracy of the model on rows with a true label; None without such rows.
    rows : DataFrame
        The current rows, with descriptors instead of texts.
    """

    checks: list[Check]
    terms: pd.DataFrame | None
    performance: Performance | None
    rows: pd.DataFrame

    @property
    def drifted(self) -> list[str]:
        """Names of the checks that found drift."""
        return [check.name for check in self.checks if check.drifted]


def describe_rows(rows: pd.DataFrame, reader: TextReader, observer: StageObserver) -> pd.DataFrame:
    """Return `rows` with the descriptors of `reader` instead of ``text``."""
    # Use the precision of the reference, so that equal values stay equal.
    rows = rows.assign(probability=rows["probability"].astype("f4"))
    if "text" not in rows:
        return rows
    batches = []
    for start in range(0, len(rows), _BATCH_ROWS):
        batches.append(reader.describe(rows["text"].iloc[start : start + _BATCH_ROWS]))
        observer.on_progress(reader.documents, len(rows), "texts described")
    descriptors = pd.concat(batches, ignore_index=True).set_axis(rows.index)
    return pd.concat([descriptors, rows.drop(columns="text")], axis=1)


def compare(
    reference: Reference,
    current: CurrentRows,
    reader: TextReader,
    thresholds: ThresholdSettings,
    windows: int,
    observer: StageObserver,
) -> Comparison:
    """Compare the rows of a file with the reference.

    Parameters
    ----------
    reference : Reference
        Reference profile of training.
    current : CurrentRows
        The rows.
    reader : TextReader
        A new reader with the tokenization of the model.
    thresholds : ThresholdSettings
        Smallest effects that matter.
    windows : int
        Maximum number of windows of the performance.
    observer : StageObserver
        Receives progress.
    """
    rows = describe_rows(current.rows, reader, observer)
    if "text" in current.rows:
        _warn_about_training_data(reference.rows, rows)
    terms = _compare_terms(reference, reader) if "text" in current.rows else None
    performance = measure_performance(reference.rows, rows, windows, reference.separator)
    metric_checks = compare_metrics(reference, rows, thresholds.metrics, thresholds.alpha)
    checks = [
        *_check_numbers(reference.rows, rows, thresholds.distance),
        check_labels(
            reference.rows["prediction"],
            rows["prediction"],
            reference.classes,
            reference.separator,
            thresholds.labels,
        ),
        *(_check_texts(reference, current, terms, thresholds.share) if terms is not None else ()),
        *check_extra_columns(
            reference, rows, thresholds.distance, thresholds.labels, thresholds.share
        ),
    ]
    if performance is not None:
        checks += performance.list_checks(thresholds.accuracy, thresholds.errors)
    checks += metric_checks
    return Comparison(
        checks=decide_alarms(checks, thresholds.alpha),
        terms=None if terms is None else _choose_terms(terms, thresholds),
        performance=performance,
        rows=rows,
    )


def _warn_about_training_data(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """Warn if most rows of the reference, which training set aside, are among the current rows."""
    # The probability has all digits, so other texts hardly ever have equal values.
    names = [name for name in [*DESCRIPTORS, "probability"] if name in reference]
    reference_keys, current_keys = (
        pd.util.hash_pandas_object(rows[names].astype("f4"), index=False).to_numpy()
        for rows in (reference, current)
    )
    count = int(np.isin(reference_keys, current_keys).sum())
    if 2 * count > len(reference):
        log.warning(
            "the rows include %s of the %s validation rows, so they are probably the data that the "
            "model was trained on. It is more certain of these, which may count as drift; compare "
            "rows that it was not trained on",
            f"{count:,}", f"{len(reference):,}",
        )  # fmt: skip


def _choose_terms(terms: pd.DataFrame, thresholds: ThresholdSettings) -> pd.DataFrame:
    """Return the words that changed, the largest change first."""
    changed = terms[
        (terms["effect"].abs() >= thresholds.share) & (terms["p_value"] < thresholds.alpha)
    ]
    return changed.sort_values("effect", key=lambda effect: -effect.abs(), kind="stable")


def _check_texts(
    reference: Reference, current: CurrentRows, terms: pd.DataFrame, threshold: float
) -> list[Check]:
    return [_check_terms(terms, threshold), *_check_quality(reference, current, threshold)]


def _check_numbers(reference: pd.DataFrame, current: pd.DataFrame, threshold: float) -> list[Check]:
    """Compare descriptors and probabilities."""
    checks = []
    for name in [*DESCRIPTORS, "probability"]:
        if name in reference and name in current:
            reference_values, current_values = reference[name].to_numpy(), current[name].to_numpy()
            checks.append(check_numbers(name, reference_values, current_values, threshold))
    return checks


def _compare_terms(reference: Reference, reader: TextReader) -> pd.DataFrame:
    """Compare the words that are frequent in the reference or in the current rows."""
    current_terms = reader.list_terms(MOST_TERMS)
    terms = reference.terms.index.union(current_terms.index)
    table = compare_terms(
        reference.count_terms(terms),
        reader.count_terms(terms),
        (len(reference.rows), reader.documents),
        # Any word of either sample could have been a frequent one.
        tested=reference.words + reader.count_words(),
    )
    return table.set_axis(terms)


def _check_terms(terms: pd.DataFrame, threshold: float) -> Check:
    """Return the check of the most significant change among the changes that matter."""
    if terms.empty:
        return Check("terms", 0.0, 0.0, 0.0, COHEN, threshold, 1.0)
    effects = terms["effect"].abs().to_numpy()
    term = terms.iloc[choose_difference(effects, threshold, terms["p_value"].to_numpy())]
    reference_share, current_share, effect, p_value = term.tolist()
    return Check(
        "terms",
        reference_share,
        current_share,
        abs(effect),
        COHEN,
        threshold,
        p_value,
        detail=str(term.name),
    )


def _check_quality(reference: Reference, current: CurrentRows, threshold: float) -> list[Check]:
    """Compare the shares of texts that are empty, or that repeat an earlier text."""
    texts, reference_rows = current.rows["text"], reference.source["rows"]
    # The share of repeated texts grows with the number of rows, so at most as many rows are
    # compared as the reference has.
    sample = np.random.default_rng(reference_rows).permutation(len(texts))[:reference_rows]
    empty, repeated = texts.str.strip() == "", texts.iloc[sample].duplicated()
    checks = []
    for name, flags in {"empty": empty, "repeated": repeated}.items():
        reference_count, current_count, rows = reference.source[name], int(flags.sum()), len(flags)
        effects, p_values = compare_shares(
            np.array([reference_count]), np.array([current_count]), (reference_rows, rows)
        )
        # The effect has a sign: a smaller share than at training does no harm.
        checks.append(
            Check(
                name, reference_count / reference_rows, current_count / rows, float(effects[0]),
                COHEN, threshold, float(p_values[0]),
            )
        )  # fmt: skip
    return checks
