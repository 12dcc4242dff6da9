"""Features that depend on the script of the texts: words, or runs of characters."""

from collections.abc import Iterable
from numbers import Real
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils._param_validation import HasMethods, Interval

from sentiment.ngrams.scripts import measure_unspaced


class FeaturesByScript(TransformerMixin, BaseEstimator):
    """Words where spaces separate them, runs of characters for other scripts and for emoji.

    Parameters
    ----------
    words, characters : transformer
        Features for texts of each kind.
    share : float, default=0.1
        Share of texts in a script without spaces, such as Chinese or Thai, or without a word, such
        as emoji, from which on `characters` are used. The default is where they overtake words in
        cross-validation (``python benchmarks/scripts.py``).

    Attributes
    ----------
    chosen_ : transformer
        The fitted one.
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
        """Return what was chosen; the features for words before a fit."""
        return getattr(self, "chosen_", self.words)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the features."""
        return self.chosen_.get_feature_names_out(input_features)


def choose_features(features: Any, texts: Iterable[str]) -> tuple[Any, str]:
    """Return `features` for `texts`, and the name of what was chosen.

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
    chosen : str
        ``"words"`` or ``"characters"``, or "" if there was nothing to choose.
    """
    if isinstance(features, FeaturesByScript):
        chosen = features.choose(texts)
        return getattr(features, chosen), chosen
    parts = {Pipeline: "steps", FeatureUnion: "transformer_list"}
    attribute = next((name for kind, name in parts.items() if isinstance(features, kind)), "")
    if not attribute:
        return features, ""
    found = [(name, *choose_features(part, texts)) for name, part in getattr(features, attribute)]
    chosen = next((chosen for *_, chosen in found if chosen), "")
    if chosen:
        features.set_params(**{attribute: [(name, part) for name, part, _ in found]})
    return features, chosen
