"""Features side by side whose parts are named, so that config files can compose them."""

from sklearn.base import TransformerMixin
from sklearn.pipeline import FeatureUnion


def make_union(
    parts: dict[str, TransformerMixin], weights: dict[str, float] | None = None
) -> FeatureUnion:
    """Return a transformer that puts the matrices of `parts` side by side.

    Parameters
    ----------
    parts : dict of str to transformer
        The name of a part comes before its terms: ``char__abc``.
    weights : dict of str to float, optional
        What the matrix of a part is multiplied by, one where it is not given.
    """
    return FeatureUnion(list(parts.items()), transformer_weights=weights)
