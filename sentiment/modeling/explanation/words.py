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
from sentiment.modeling.explanation.rows import RowExplainer
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
# Joiners of words in Persian and Indic scripts and of emoji, and the skin tones of these.
_NON_JOINER, _JOINER, _MODIFIERS = "\u200c", "\u200d", "\U0001f3fb-\U0001f3ff"


@dataclass(frozen=True, repr=False)
class TextExplanation:
    """Explanation of the label of one text.

    What terms and words add is in log-odds of the label where the model has them; see
    `linear_weights`.

    Attributes
    ----------
    label : str
        The explained label.
    probabilities : dict of str to float
        Of every class.
    words : list of (str, float)
        The pieces of the text as the model reads it, and the contribution of each. A term of
        several words is shared among their characters; other columns are not part of it.
    terms : list of (str, float)
        The contribution of each term and other column, the strongest first; terms of the same name
        in several parts of a union are added up.
    base : float
        Log-odds of the label before any word.
    total : float
        Log-odds of the label with all contributions.
    has_columns : bool
        True if the model reads other columns, too.
    prediction : str, optional
        The prediction for the text: a label, a label set, or "unsure".
    """

    label: str
    probabilities: dict[str, float]
    words: list[tuple[str, float]]
    terms: list[tuple[str, float]]
    base: float
    total: float
    has_columns: bool = False
    prediction: str | None = None

    def __repr__(self) -> str:
        return f"<TextExplanation of {quote_name(self.label)}: {self.list_probabilities()}>"

    def _repr_html_(self) -> str:
        terms = [
            (f"{show_name(mark_spaces(term))} {added:+.2f}", added) for term, added in self.terms
        ]
        return tabulate_html(
            {
                "label": f"{quote_name(self.label)} ({self.list_probabilities()})",
                "predicted": self.describe_prediction(),
                "for": list_first([term for term, added in terms if added > 0], LISTED),
                "against": list_first([term for term, added in terms if added < 0], LISTED),
                "log-odds": self.describe_sum(),
            }
        )

    def describe_prediction(self) -> str:
        """Return the prediction in words, "" if there is none or it is the explained label."""
        if self.prediction in (None, self.label):
            return ""
        return quote_name(self.prediction) if self.prediction else "no label"

    def describe_sum(self) -> str:
        """Return the parts of the log-odds in words."""
        words = f"{self.total - self.base:+.2f} by the {self.describe_source()}"
        return f"{self.base:+.2f} before any word, {words}, {self.total:+.2f} in all"

    def describe_source(self) -> str:
        """Return the sources of contributions: ``words``, or ``words and columns``."""
        return "words and columns" if self.has_columns else "words"

    def list_probabilities(self) -> str:
        """Return the labels and their probabilities in words; of many, the most probable first."""
        shown = self.probabilities
        if len(shown) > LISTED:
            shown = dict(sorted(shown.items(), key=lambda one: -one[1]))
        return list_first([f"{quote_name(name)} {p:.4f}" for name, p in shown.items()], LISTED)


def explain_text(
    pipeline: Pipeline,
    text: str,
    columns: Mapping[str, str | None] | None = None,
    label: str | None = None,
    rule: DecisionRule | None = None,
    explainer: RowExplainer | None = None,
    classifier: TextClassifier | None = None,
) -> TextExplanation:
    """Return what the words and terms of `text` contribute to a label.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted; its model is linear.
    text : str
        The text.
    columns : mapping of str to str or None
        Values of the columns that the model reads beside it, None for a missing one.
    label : str, optional
        The label; default: the one that `rule` chooses, or the most probable label of a model
        of label sets.
    rule : DecisionRule, optional
        As of `Predictor`; default: the most probable class.
    explainer : RowExplainer, optional
        One of `pipeline`, for callers that explain several texts; default: a new one.
    classifier : TextClassifier, optional
        A faster one with the predictions of `pipeline`; default: `pipeline`.

    Raises
    ------
    ConfigError
        The model has no such label.
    UnexplainableModelError
        The model is not linear.
    """
    explainer = explainer or RowExplainer(pipeline)
    given = {name: [value] for name, value in (columns or {}).items()}
    frame = pd.DataFrame({TEXT_COLUMN: [text]} | given, dtype="str")
    probabilities = predict_probabilities(classifier or pipeline, frame)[0]
    classes = [str(name) for name in pipeline.classes_]
    if label is not None and label not in classes:
        problem = (
            f"label is {quote_name(label)}, which the model does not have.{suggest(label, classes)}"
        )
        raise ConfigError([f"{problem} Expected one of {quote_list(classes, LISTED)}."])
    order, separator = find_order(pipeline.classes_), find_separator(pipeline)
    is_set, rule = separator is not None, rule or make_rule(separator)
    (named,) = rule.name(probabilities[order][np.newaxis], pipeline.classes_[order])
    if label is not None:
        code = classes.index(label)
    elif is_set:
        code = int(order[np.argmax(probabilities[order])])
    else:
        code = int(order[rule.decide(probabilities[order][np.newaxis])[0][0]])
    features = explainer.measure(frame)
    added = dict(
        zip(
            features.indices.tolist(),
            (features.data * explainer.weights[code, features.indices]).tolist(),
            strict=True,
        )
    )
    read = next(iter(find_text_steps(pipeline)[:-1].transform(frame)))
    base = float(explainer.base[code])
    readers = [part.vectorizer for part in explainer.parts if not part.is_encoder]
    of_words = all(getattr(one, "analyzer", "word") == "word" for one in readers)
    merged: dict[str, float] = defaultdict(float)
    for column, value in added.items():
        merged[str(explainer.terms[explainer.places[column]])] += value
    return TextExplanation(
        label=classes[code],
        probabilities={
            str(pipeline.classes_[place]): float(probabilities[place]) for place in order
        },
        words=_cut(read, _distribute(read, explainer.parts, added), _compile_units(of_words)),
        terms=sorted(
            ((term, value) for term, value in merged.items() if value),
            key=lambda one: -abs(one[1]),
        ),
        base=base,
        total=base + sum(added.values()),
        has_columns=any(part.is_encoder for part in explainer.parts),
        prediction=str(named) if separator is None else join_labels(named, separator),
    )


@cache
def _compile_units(of_words: bool) -> re.Pattern[str]:
    """Return the pattern of words and other pieces of a text, which together are the text.

    No piece begins inside of a character that has combining marks or is an emoji of several. If
    features are not of words, neither are the pieces in scripts without spaces between these.
    """
    codes = range(0x20000)
    marks = "".join(chr(code) for code in codes if unicodedata.category(chr(code))[0] == "M")
    more = rf"[{marks}{_MODIFIERS}]*"
    joiners = _NON_JOINER + _JOINER
    letter, symbol = rf"[\w{marks}]", rf"[^\w\s]{more}"
    units = [r"\s+"]
    if not of_words:
        units.append(f"[{UNSPACED}]{more}")
        letter = f"(?![{UNSPACED}]){letter}"
    units += [
        rf"(?:{letter})+(?:['’{joiners}-](?:{letter})+)*",
        rf"{symbol}(?:{_JOINER}{symbol})*",
    ]
    return re.compile("|".join(units))


def _cut(text: str, weights: np.ndarray, units: re.Pattern[str]) -> list[tuple[str, float]]:
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    return [
        (found.group(), float(sums[found.end()] - sums[found.start()]))
        for found in units.finditer(text)
    ]


def _distribute(text: str, parts: list[TermWeights], added: dict[int, float]) -> np.ndarray:
    """Return the contribution of each character of `text`; zeros if terms have no places in it."""
    weights, start = np.zeros(len(text)), 0
    for part in parts:
        if part.is_encoder:  # it has no place in the text
            start += part.weights.shape[1]
            continue
        vectorizer, vocabulary = part.vectorizer, part.vectorizer.vocabulary_
        places: dict[int, list[_Spans]] = defaultdict(list)
        for term, spans in () if part.cleaners else _find_terms(vectorizer, text):
            column = start + vocabulary.get(term, -start - 1)
            if column in added:
                places[column].append(spans)
        for column, occurrences in places.items():
            for spans in occurrences:
                share = added[column] / len(occurrences) / max(1, sum(b - a for a, b in spans))
                for a, b in spans:
                    weights[a:b] += share
        start += len(vocabulary)
    return weights


def _find_terms(vectorizer: Any, text: str) -> Iterator[tuple[str, _Spans]]:
    """Yield every n-gram that a vectorizer of scikit-learn's kind finds, and where it stands."""
    own_reading = callable(getattr(vectorizer, "analyzer", print)) or vectorizer.tokenizer
    if not isinstance(vectorizer, sklearn_text.CountVectorizer) or own_reading:
        return
    read, places = _follow(vectorizer.build_preprocessor(), text)
    least, most = vectorizer.ngram_range
    if vectorizer.analyzer == "word":
        pattern = re.compile(vectorizer.token_pattern)
        stop_words = vectorizer.get_stop_words() or ()
        found = [one.span(pattern.groups) for one in pattern.finditer(read)]
        tokens = [(a, b) for a, b in found if read[a:b] not in stop_words]
        for n in range(least, most + 1):
            for at in range(len(tokens) - n + 1):
                spans = tokens[at : at + n]
                yield " ".join(read[a:b] for a, b in spans), _go_back(spans, places)
        return
    if _DOUBLE_SPACE.search(read):  # scikit-learn joins the words around stop words
        return
    pieces = [(0, read)]
    if vectorizer.analyzer == "char_wb":
        pieces = [(one.start() - 1, f" {one.group()} ") for one in re.finditer(r"\S+", read)]
    for offset, piece in pieces:
        low, high = max(offset, 0), min(offset + len(piece), len(read))
        if vectorizer.analyzer == "char_wb":
            low, high = offset + 1, offset + len(piece) - 1
        for n in range(least, min(most, len(piece)) + 1):
            for at in range(len(piece) - n + 1):
                a = min(max(offset + at, low), high - 1)
                b = max(min(offset + at + n, high), a + 1)
                yield piece[at : at + n], _go_back([(a, b)], places)
        if vectorizer.analyzer == "char_wb" and len(piece) < least:
            yield piece, _go_back([(low, high)], places)  # a short word counts once


def _follow(prepare: Any, text: str) -> tuple[str, np.ndarray]:
    """Return the prepared text, and from which character of `text` each of its characters is."""
    read = prepare(text)
    if len(read) == len(text):
        return read, np.arange(len(text))
    pieces = [prepare(character) for character in text]
    return "".join(pieces), np.repeat(np.arange(len(text)), [len(piece) for piece in pieces])


def _go_back(spans: _Spans, places: np.ndarray) -> _Spans:
    return [(int(places[a]), int(places[b - 1]) + 1) for a, b in spans]
