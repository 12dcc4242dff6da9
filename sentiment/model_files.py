"""Model files: skops only, and only of parts that this project trusts."""

import copy
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.tree import BaseDecisionTree

from sentiment.errors import UnsavableModelError, UntrustedModelError

# What a pipeline of ours holds beyond what skops trusts by itself. The list stands here and is
# never read from a model. Each entry only transforms what it is given: partial and map call
# nothing but other trusted functions.
TRUSTED_TYPES = [
    "functools.partial",
    "html.unescape",
    "operator.itemgetter",
    "re.sub",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils._bunch.Bunch",
    # C code that follows the indices in a file blindly; _check_trees looks at them first.
    "sklearn.tree._tree.Tree",
]

# What skops raises at a file that is no zip, or whose parts do not fit together.
_DAMAGE = (AttributeError, EOFError, LookupError, TypeError, ValueError, zipfile.BadZipFile)
_ONE_TEXT = pd.DataFrame({"text": ["a text"]})


def save_model(pipeline: Pipeline, path: Path) -> None:
    """Write `pipeline` to `path` as a compressed skops file; see `make_savable` for errors."""
    small = make_savable(pipeline)
    skops.io.dump(small, path, compression=zipfile.ZIP_DEFLATED, compresslevel=6)


def make_savable(pipeline: Pipeline) -> Pipeline:
    """Return the `compact` copy of `pipeline`, which can be saved and loaded again.

    Raises
    ------
    UnsavableModelError
        It holds a type that is not trusted when it is loaded.
    """
    small: Pipeline = compact(pipeline)
    strangers = set(skops.io.get_untrusted_types(data=skops.io.dumps(small))) - set(TRUSTED_TYPES)
    if strangers:
        raise UnsavableModelError(type(pipeline["model"]).__name__, sorted(strangers))
    return small


def compact(part: Any) -> Any:
    """Return a copy of the fitted `part` whose vectorizers hold their terms as an array.

    skops writes each entry of the dictionary ``vocabulary_`` as a file of its own: for 50,000
    terms a minute and 45 MB, against a moment and 5 MB for an array. scikit-learn makes the same
    dictionary from ``vocabulary`` when it first transforms.
    """
    twin = copy.copy(part)
    if isinstance(part, Pipeline):
        twin.steps = [(name, compact(step)) for name, step in part.steps]
    elif isinstance(part, FeatureUnion):
        twin.transformer_list = [(name, compact(step)) for name, step in part.transformer_list]
    elif isinstance(part, CountVectorizer) and hasattr(part, "vocabulary_"):
        terms = np.array(part.get_feature_names_out(), dtype=str)
        # numpy drops a NUL at the end of a string, which a run of characters may have.
        if not any(t[-1:] == "\0" for t in part.vocabulary_):
            twin.vocabulary = terms
            del twin.vocabulary_
    return twin


def load_model(path: Path) -> Pipeline:
    """Return the pipeline in the skops file `path`.

    Raises
    ------
    UntrustedModelError
        The file is no skops file, holds a type that is not trusted, or is no text classifier.
    """
    try:
        strangers = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
        model = None if strangers else skops.io.load(path, trusted=TRUSTED_TYPES)
    except _DAMAGE as error:
        raise UntrustedModelError(path, f"it is not a sound skops file ({error})") from error
    if strangers:
        raise UntrustedModelError(path, f"it holds {', '.join(strangers)}")
    if not isinstance(model, Pipeline) or not hasattr(model, "predict_proba"):
        raise UntrustedModelError(path, "it is not a text classification pipeline")
    try:
        _check_trees(model, path)
        model.predict_proba(_ONE_TEXT)
    except UntrustedModelError:
        raise
    except _DAMAGE as error:
        raise UntrustedModelError(path, f"it does not take texts ({error})") from error
    return model


def _check_trees(model: Pipeline, path: Path) -> None:
    """Refuse decision trees whose links or feature numbers point outside of their arrays."""
    trees = [part for part in _walk_trees(model.steps) if hasattr(part, "tree_")]
    if not trees:
        return
    if any(_walk_trees(model.steps[:-1])):
        raise UntrustedModelError(path, "it holds a decision tree in front of its model")
    # A forest does not ask its trees whether they fit the rows that it hands them.
    width = model[:-1].transform(_ONE_TEXT).shape[1]
    for part in trees:
        fits = part.tree_.n_features == part.n_features_in_ <= width
        if not fits or not _is_sound(part.tree_):
            raise UntrustedModelError(path, "it holds a decision tree with broken links")


def _walk_trees(model: Any) -> Iterator[Any]:
    """Yield every decision tree inside of `model`."""
    pending, seen = [model], set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseDecisionTree):
            yield part
        if isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, list | tuple):
            pending.extend(part)
        elif type(part).__module__.startswith("sklearn.") and hasattr(part, "__dict__"):
            pending.extend(vars(part).values())


def _is_sound(tree: Any) -> bool:
    nodes = np.arange(tree.node_count)
    left, right = tree.children_left, tree.children_right
    leaf = left == -1
    # A child stands behind its parent, so a walk from the root always ends.
    links = all(
        np.all((child[~leaf] > nodes[~leaf]) & (child[~leaf] < tree.node_count))
        for child in (left, right)
    )
    features = tree.feature[~leaf]
    return bool(
        links
        and np.array_equal(leaf, right == -1)
        and np.all((features >= 0) & (features < tree.n_features))
    )
