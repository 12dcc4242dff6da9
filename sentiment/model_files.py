"""Model files: skops only, and only of parts that this project trusts."""

import copy
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.feature_extraction import text
from sklearn.pipeline import Pipeline
from sklearn.tree import BaseDecisionTree
from sklearn.utils import Bunch

from sentiment.data.cleaning import Cleaner, make_cleaner
from sentiment.errors import UnsavableModelError, UntrustedModelError
from sentiment.features.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.models.logistic_regression import LogisticRegression
from sentiment.models.nbsvm import NBSVM

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
    """Return a copy of `pipeline` in plain scikit-learn, which can be saved and loaded again.

    Raises
    ------
    UnsavableModelError
        It holds a type that is not trusted when it is loaded.
    """
    plain: Pipeline = _convert(pipeline, _make_plain, {})
    strangers = set(skops.io.get_untrusted_types(data=skops.io.dumps(plain))) - set(TRUSTED_TYPES)
    if strangers:
        raise UnsavableModelError(type(pipeline["model"]).__name__, sorted(strangers))
    return plain


def _make_plain(part: Any) -> Any:
    """Return scikit-learn's counterpart of `part`, if it is one of this project."""
    if isinstance(part, Cleaner):
        return make_cleaner()
    if isinstance(part, CountVectorizer | LogisticRegression | NBSVM):
        part = part.to_sklearn()
    if isinstance(part, text.CountVectorizer) and hasattr(part, "vocabulary_"):
        return _hold_terms_in_array(part)
    return part


def _hold_terms_in_array(vectorizer: text.CountVectorizer) -> text.CountVectorizer:
    """Return a copy of `vectorizer` whose terms are an array.

    skops writes each entry of the dictionary ``vocabulary_`` as a file of its own: for 50,000
    terms a minute and 45 MB, against a moment and 5 MB for an array. scikit-learn makes the same
    dictionary from ``vocabulary`` when it first transforms.
    """
    # numpy drops a NUL at the end of a string, which a run of characters may have.
    if any(term[-1:] == "\0" for term in vectorizer.vocabulary_):
        return vectorizer
    twin = copy.copy(vectorizer)
    twin.vocabulary = np.array(vectorizer.get_feature_names_out(), dtype=str)
    del twin.vocabulary_
    return twin


def _make_fast(part: Any) -> Any:
    """Return this project's counterpart of `part`, if it has a quicker one."""
    if type(part) is text.TfidfVectorizer:
        return TfidfVectorizer.from_sklearn(part)
    if type(part) is text.CountVectorizer:
        return CountVectorizer.from_sklearn(part)
    if isinstance(part, Pipeline) and repr(part.steps) == repr(make_cleaner().steps):
        return Cleaner()
    return part


def _convert(part: Any, change: Callable[[Any], Any], done: dict[int, tuple[Any, Any]]) -> Any:
    """Return a copy of `part` in which `change` was called with every part of it."""
    if id(part) in done:
        return done[id(part)][1]
    made = change(part)
    if isinstance(made, list | tuple):
        made = type(made)(_convert(inner, change, done) for inner in made)
    elif isinstance(made, Bunch):
        made = Bunch(**{name: _convert(inner, change, done) for name, inner in made.items()})
    elif _is_ours(made):
        made = copy.copy(made)
        vars(made).update({k: _convert(v, change, done) for k, v in vars(made).items()})
    done[id(part)] = (part, made)  # an id is unique only while its object lives
    return made


def _is_ours(part: Any) -> bool:
    """Return whether `part` is an object of scikit-learn or of this project with attributes."""
    home = type(part).__module__.partition(".")[0]
    return home in ("sklearn", "sentiment") and hasattr(part, "__dict__")


def load_model(path: Path) -> Pipeline:
    """Return the pipeline in the skops file `path`, with the vectorizers of this project.

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
    return _convert(model, _make_fast, {})


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
        elif _is_ours(part):
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
