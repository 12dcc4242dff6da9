"""Features that depend on the script of the texts: words, or runs of characters."""

from collections.abc import Iterable
from numbers import Real
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils._param_validation import HasMethods, Interval

from sentiment.ngrams.scripts import measure_unspaced


class FeaturesByScript(TransformerMixin, BaseEstimator):
    """Features of words, or of runs of characters for scripts without spaces and for emoji.

    Parameters
    ----------
    words, characters : transformer
        Features for texts of each kind.
    share : float, default=0.1
        Least share of texts in a script without spaces, such as Chinese or Thai, or without a word,
        such as emoji, for which `characters` are used. At the default, they begin to outperform
        words in cross-validation (``python benchmarks/scripts.py``).

    Attributes
    ----------
    chosen_ : transformer
        The fitted features.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "words": [HasMethods("fit")],
        "characters": [HasMethods("fit")],
        "share": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, words: Any, characters: Any, share: float = 0.1) -> None:
        self.words = words
        self.characters = characters
        self.share = share

    def choose(self, texts: Iterable[str]) -> str:
        """Return ``"words"`` or ``"characters"``, the name of the features for `texts`."""
        return "characters" if measure_unspaced(list(texts)) >= self.share else "words"

    def fit(self, texts: Iterable[str], y: Any = None) -> Self:
        """Choose features for `texts` and fit them."""
        texts = texts if hasattr(texts, "__len__") else list(texts)
        self.chosen_ = clone(getattr(self, self.choose(texts))).fit(texts, y)
        return self

    def transform(self, texts: Iterable[str]) -> Any:
        """Return the features of `texts`."""
        return self.chosen_.transform(texts)

    def to_sklearn(self) -> Any:
        """Return the chosen features; before a fit, those for words."""
        return getattr(self, "chosen_", self.words)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the features."""
        return self.chosen_.get_feature_names_out(input_features)


def choose_features(features: Any, texts: Iterable[str]) -> tuple[Any, str]:
    """Return `features` for `texts`, and the name of the choice.

    Parameters
    ----------
    features : transformer
        A union or a pipeline may hold a `FeaturesByScript`, which is replaced by its choice.
    texts : iterable of str
        The training rows.

    Returns
    -------
    features : transformer
        Not fitted.
    choice : str
        ``"words"`` or ``"characters"``, or "" if there is nothing to choose.
    """
    if isinstance(features, FeaturesByScript):
        choice = features.choose(texts)
        return getattr(features, choice), choice
    attributes = {Pipeline: "steps", FeatureUnion: "transformer_list"}
    attribute = next((name for kind, name in attributes.items() if isinstance(features, kind)), "")
    if not attribute:
        return features, ""
    steps = [(name, *choose_features(step, texts)) for name, step in getattr(features, attribute)]
    choice = next((choice for *_, choice in steps if choice), "")
    if choice:
        features.set_params(**{attribute: [(name, step) for name, step, _ in steps]})
    return features, choice
