"""Warnings about data that do not suit the features."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from sentiment.data.preparation import PreparedData
from sentiment.data.splitting import count_classes
from sentiment.errors import show_share
from sentiment.modeling.pipeline import list_vectorizers
from sentiment.ngrams.scripts import find_unspaced, measure_unspaced

# Share of texts without words that is worth a warning.
_MANY = 0.05


def check_features(features: Any, data: PreparedData, settings: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each reason why words are poor features of the training texts.

    Parameters
    ----------
    features : transformer
        Features of the texts; those of characters suit any text.
    data : PreparedData
        The data that they learn from.
    settings : iterable of str
        Dotted names of the settings of the features, to name those that need another value.
    """
    vectorizers = [*list_vectorizers(features)]
    if all(getattr(part, "analyzer", "word") == "word" for part in vectorizers):
        yield from _check_words(data)
        yield from _check_min_df(vectorizers, data, settings)


def _check_words(data: PreparedData) -> Iterator[str]:
    """Yield a warning about texts without words that spaces separate."""
    texts = data.train["text"].to_list()
    share = measure_unspaced(texts)
    if share > _MANY:
        example = next(find_unspaced(texts))[:20]
        yield (
            f"{show_share(share)} of the texts have no words that spaces separate, such as "
            f"{example!r}, so features of words take whole phrases for words, or find none. Use "
            "runs of characters: features=auto chooses them for such texts."
        )


def _check_min_df(
    vectorizers: list[Any], data: PreparedData, settings: Iterable[str]
) -> Iterator[str]:
    """Yield a warning if most classes have fewer training rows than `min_df` texts."""
    limits = [getattr(vectorizer, "min_df", 1) for vectorizer in vectorizers]
    texts = len(data.train) + len(data.unlabelled)
    least = min((n if isinstance(n, int) else math.ceil(n * texts) for n in limits), default=1)
    classes = count_classes(data.train["label"], data.separator)
    small = sum(rows < least for rows in classes.values())
    if 2 * small > len(classes):
        names = [name for name in settings if name.rpartition(".")[2] == "min_df"]
        remedy = " ".join(f"{name}=1" for name in names) or "min_df=1"
        yield (
            f"{small:,} of {len(classes):,} classes have fewer than {least:,} training rows, and "
            f"words of fewer than {least:,} texts are left out (min_df), so hardly a word "
            f"distinguishes these classes. Add rows, or set {remedy}."
        )
