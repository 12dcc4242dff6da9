"""Contribution of each word of one text to its prediction."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction import text as sklearn_text
from sklearn.pipeline import Pipeline

from sentiment.data.label_sets import join_labels
from sentiment.data.labels import find_order
from sentiment.errors import LISTED, ConfigError, list_first, quote_list, quote_name, suggest
from sentiment.modeling.decision_rules import DecisionRule, make_rule
from sentiment.modeling.explanation.rows import LOG_ODDS, RowExplainer
from sentiment.modeling.folding import TermWeights
from sentiment.modeling.pipeline import (
    TEXT_COLUMN,
    TextClassifier,
    find_separator,
    find_text_steps,
    predict_probabilities,
)
from sentiment.ngrams.scripts import UNSPACED
from sentiment.redaction.printable import mark_spaces, show_name, tabulate_html

_Spans = list[tuple[int, int]]
_DOUBLE_SPACE = re.compile(r"\s\s")
# Joiners of words in Persian and Indic scripts and of emoji, and skin tones of emoji.
_NON_JOINER, _JOINER, _MODIFIERS = "\u200c", "\u200d", "\U0001f3fb-\U0001f3ff"


@dataclass(frozen=True, repr=False)
class TextExplanation:
    """Explanation of the label of one text.

    Contributions are parts of the log-odds or the score of the label; see `RowExplainer`.

    Attributes
    ----------
    label : str
        The explained label.
    probabilities : dict of str to float
        Probability of each class.
    words : list of (str, float)
        The pieces of the text as the model reads it, and the contribution of each. The contribution
        of an n-gram is divided among its characters; other columns are not included.
    terms : list of (str, float)
        The contribution of each term and other column, the strongest first. Terms with the same
        name in several parts of a union are summed.
    base : float
        Log-odds or score of the label before any word.
    total : float
        Log-odds or score of the label with all contributions.
    has_columns : bool
        True if the model reads other columns, too.
    prediction : str, optional
        The prediction for the text: a label, a label set, or "unsure".
    unit : str
        The unit of all contributions, as of `RowExplainer`.
    """

    label: str
    probabilities: dict[str, float]
    words: list[tuple[str, float]]
    terms: list[tuple[str, float]]
    base: float
    total: float
    has_columns: bool = False
    prediction: str | None = None
    unit: str = LOG_ODDS

    def __repr__(self) -> str:
        return f"<TextExplanation of {quote_name(self.label)}: {self.list_probabilities()}>"

    def _repr_html_(self) -> str:
        terms = [
            (f"{show_name(mark_spaces(term))} {value:+.2f}", value) for term, value in self.terms
        ]
        return tabulate_html(
            {
                "label": f"{quote_name(self.label)} ({self.list_probabilities()})",
                "predicted": self.describe_prediction(),
                "for": list_first([term for term, value in terms if value > 0], LISTED),
                "against": list_first([term for term, value in terms if value < 0], LISTED),
                "sum": self.describe_sum(),
            }
        )

    def describe_prediction(self) -> str:
        """Return the prediction in words, "" if there is none or it is the explained label."""
        if self.prediction in (None, self.label):
            return ""
        return quote_name(self.prediction) if self.prediction else "no label"

    def describe_sum(self) -> str:
        """Return the intercept, the contributions and their sum, with its unit."""
        contribution = self.total - self.base
        source = "words and columns" if self.has_columns else "words"
        others = "" if self.unit == LOG_ODDS else " against the other classes"
        return (
            f"{self.base:+.2f} (intercept) {'-' if contribution < 0 else '+'} "
            f"{abs(contribution):.2f} ({source}) = {self.total:+.2f} {self.unit} of "
            f"{quote_name(self.label)}{others}"
        )

    def list_probabilities(self) -> str:
        """Return the labels and their probabilities; of many, the most probable first."""
        items = list(self.probabilities.items())
        if len(items) > LISTED:
            items.sort(key=lambda item: -item[1])
        return list_first([f"{quote_name(name)} {p:.4f}" for name, p in items], LISTED)


def explain_text(
    pipeline: Pipeline,
    text: str,
    columns: Mapping[str, str | None] | None = None,
    label: str | None = None,
    rule: DecisionRule | None = None,
    explainer: RowExplainer | None = None,
    classifier: TextClassifier | None = None,
) -> TextExplanation:
    """Return the contributions of the words and terms of `text` to a label.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted; its model is linear.
    text : str
        The text.
    columns : mapping of str to str or None
        Values of the other columns that the model reads, None for a missing value.
    label : str, optional
        The label; default: the label that `rule` chooses or, for label sets, the most probable
        label.
    rule : DecisionRule, optional
        Decision rule of the prediction; default: the most probable class.
    explainer : RowExplainer, optional
        Explainer of `pipeline`, for callers that explain several texts; default: a new one.
    classifier : TextClassifier, optional
        A faster classifier with the predictions of `pipeline`; default: `pipeline`.

    Raises
    ------
    ConfigError
        The model has no such label.
    UnexplainableModelError
        The model is not linear.
    """
    explainer = explainer or RowExplainer(pipeline)
    values = {name: [value] for name, value in (columns or {}).items()}
    frame = pd.DataFrame({TEXT_COLUMN: [text]} | values, dtype="str")
    probabilities = predict_probabilities(classifier or pipeline, frame)[0]
    classes = [str(name) for name in pipeline.classes_]
    if label is not None and label not in classes:
        problem = (
            f"label is {quote_name(label)}, which the model does not have.{suggest(label, classes)}"
        )
        raise ConfigError([f"{problem} Expected one of {quote_list(classes, LISTED)}."])
    order, separator = find_order(pipeline.classes_), find_separator(pipeline)
    is_set, rule = separator is not None, rule or make_rule(separator)
    (prediction,) = rule.name(probabilities[order][np.newaxis], pipeline.classes_[order])
    if label is not None:
        code = classes.index(label)
    elif is_set:
        code = int(order[np.argmax(probabilities[order])])
    else:
        code = int(order[rule.decide(probabilities[order][np.newaxis])[0][0]])
    features = explainer.measure(frame)
    contributions = dict(
        zip(
            features.indices.tolist(),
            (features.data * explainer.weights[code, features.indices]).tolist(),
            strict=True,
        )
    )
    cleaned = next(iter(find_text_steps(pipeline)[:-1].transform(frame)))
    base = float(explainer.base[code])
    vectorizers = [part.vectorizer for part in explainer.parts if not part.is_encoder]
    of_words = all(getattr(step, "analyzer", "word") == "word" for step in vectorizers)
    character_weights = _distribute(cleaned, explainer.parts, contributions)
    merged: dict[str, float] = defaultdict(float)
    for column, value in contributions.items():
        merged[str(explainer.terms[explainer.term_indices[column]])] += value
    return TextExplanation(
        label=classes[code],
        probabilities={str(pipeline.classes_[k]): float(probabilities[k]) for k in order},
        words=_split_words(cleaned, character_weights, _compile_units(of_words)),
        terms=sorted(
            ((term, value) for term, value in merged.items() if value),
            key=lambda item: -abs(item[1]),
        ),
        base=base,
        total=base + sum(contributions.values()),
        has_columns=any(part.is_encoder for part in explainer.parts),
        prediction=str(prediction) if separator is None else join_labels(prediction, separator),
        unit=explainer.unit,
    )


@cache
def _compile_units(of_words: bool) -> re.Pattern[str]:
    """Return the pattern of the pieces of a text, such as words, which together are the text.

    Pieces do not split characters with combining marks, or emoji of several code points. Unless
    features are of words, each character in a script without spaces is a piece.
    """
    codes = range(0x20000)
    marks = "".join(chr(code) for code in codes if unicodedata.category(chr(code))[0] == "M")
    modifiers = rf"[{marks}{_MODIFIERS}]*"
    joiners = _NON_JOINER + _JOINER
    letter, symbol = rf"[\w{marks}]", rf"[^\w\s]{modifiers}"
    units = [r"\s+"]
    if not of_words:
        units.append(f"[{UNSPACED}]{modifiers}")
        letter = f"(?![{UNSPACED}]){letter}"
    units += [
        rf"(?:{letter})+(?:['’{joiners}-](?:{letter})+)*",
        rf"{symbol}(?:{_JOINER}{symbol})*",
    ]
    return re.compile("|".join(units))


def _split_words(text: str, weights: np.ndarray, units: re.Pattern[str]) -> list[tuple[str, float]]:
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    return [
        (match.group(), float(sums[match.end()] - sums[match.start()]))
        for match in units.finditer(text)
    ]


def _distribute(text: str, parts: list[TermWeights], contributions: dict[int, float]) -> np.ndarray:
    """Return the contribution of each character of `text`, 0 for terms that cannot be located."""
    weights, start = np.zeros(len(text)), 0
    for part in parts:
        if part.is_encoder:  # its columns are not in the text
            start += part.weights.shape[1]
            continue
        vectorizer, vocabulary = part.vectorizer, part.vectorizer.vocabulary_
        occurrences: dict[int, list[_Spans]] = defaultdict(list)
        for term, spans in () if part.cleaners else _find_terms(vectorizer, text):
            column = start + vocabulary.get(term, -start - 1)
            if column in contributions:
                occurrences[column].append(spans)
        for column, column_spans in occurrences.items():
            for spans in column_spans:
                length = max(1, sum(b - a for a, b in spans))
                share = contributions[column] / len(column_spans) / length
                for a, b in spans:
                    weights[a:b] += share
        start += len(vocabulary)
    return weights


def _find_terms(vectorizer: Any, text: str) -> Iterator[tuple[str, _Spans]]:
    """Yield each n-gram that a vectorizer of scikit-learn's kind finds, and its spans in `text`."""
    is_custom = callable(getattr(vectorizer, "analyzer", print)) or vectorizer.tokenizer
    if not isinstance(vectorizer, sklearn_text.CountVectorizer) or is_custom:
        return
    prepared, origins = _preprocess(vectorizer.build_preprocessor(), text)
    min_n, max_n = vectorizer.ngram_range
    if vectorizer.analyzer == "word":
        pattern = re.compile(vectorizer.token_pattern)
        stop_words = vectorizer.get_stop_words() or ()
        words = [match.span(pattern.groups) for match in pattern.finditer(prepared)]
        tokens = [(a, b) for a, b in words if prepared[a:b] not in stop_words]
        for n in range(min_n, max_n + 1):
            for i in range(len(tokens) - n + 1):
                spans = tokens[i : i + n]
                yield " ".join(prepared[a:b] for a, b in spans), _map_spans(spans, origins)
        return
    if _DOUBLE_SPACE.search(prepared):  # scikit-learn joins the words around stop words
        return
    pieces = [(0, prepared)]
    if vectorizer.analyzer == "char_wb":
        pieces = [(word.start() - 1, f" {word.group()} ") for word in re.finditer(r"\S+", prepared)]
    for offset, piece in pieces:
        low, high = max(offset, 0), min(offset + len(piece), len(prepared))
        if vectorizer.analyzer == "char_wb":
            low, high = offset + 1, offset + len(piece) - 1
        for n in range(min_n, min(max_n, len(piece)) + 1):
            for i in range(len(piece) - n + 1):
                a = min(max(offset + i, low), high - 1)
                b = max(min(offset + i + n, high), a + 1)
                yield piece[i : i + n], _map_spans([(a, b)], origins)
        if vectorizer.analyzer == "char_wb" and len(piece) < min_n:
            yield piece, _map_spans([(low, high)], origins)  # a short word counts once


def _preprocess(preprocessor: Any, text: str) -> tuple[str, np.ndarray]:
    """Return the preprocessed text, and the index in `text` of the origin of each character."""
    prepared = preprocessor(text)
    if len(prepared) == len(text):
        return prepared, np.arange(len(text))
    pieces = [preprocessor(character) for character in text]
    return "".join(pieces), np.repeat(np.arange(len(text)), [len(piece) for piece in pieces])


def _map_spans(spans: _Spans, origins: np.ndarray) -> _Spans:
    return [(int(origins[a]), int(origins[b - 1]) + 1) for a, b in spans]
