"""Checks of the parts of a loaded model before their first use."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble._forest import BaseForest
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
    _VectorizerMixin,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import BaseDecisionTree

from sentiment.data.columns import DATE_PARTS, KINDS
from sentiment.modeling.model_files.converting import is_cleaner
from sentiment.modeling.model_files.patterns import is_quick
from sentiment.modeling.pipeline import STEPS, STEPS_WITH_COLUMNS
from sentiment.ngrams.rules import find_rules

_FITTED = {"_stop_words_id", "_tfidf", "fixed_vocabulary_", "stop_words_", "vocabulary_"}
# Parts of the features of a pipeline that reads columns beside the text.
_BRANCHES = [("text", Pipeline), ("columns", ColumnTransformer)]
# Longer n-grams are of no use as features.
_MAX_NGRAM = 64
_MAX_JOBS = 1024
# With a vector instead of a matrix, or the other way round, NumPy's broadcasting could take more
# memory than the whole file. Attributes that are not listed are vectors or numbers.
_DIMENSIONS = {
    "coef_": 2, "coefs_paths_": 5, "components_": 2, "feature_count_": 2, "feature_log_prob_": 2,
    "means_": 2, "n_iter_": 3, "scalings_": 2, "scores_": 3, "theta_": 2, "var_": 2,
}  # fmt: skip
_EXACT = {"coef_", "feature_log_prob_"}
_FINITE = {"coef_", "coefs_", "idf_", "intercept_", "intercepts_"}


def check_pipeline(model: Any) -> None:
    """Raise if a model is not a pipeline of this project.

    Raises
    ------
    ValueError, AttributeError, LookupError, TypeError
        The model differs from the pipelines of this project.
    """
    if type(model) is not Pipeline or not hasattr(model, "predict_proba"):
        raise ValueError("it is not a text classification pipeline")
    text_pipeline = _find_text_pipeline(model)
    if type(text_pipeline["clean"]) is not Pipeline or not is_cleaner(text_pipeline["clean"]):
        raise ValueError("it does not clean texts as this project does")
    if repr(text_pipeline["text"].func) != "operator.itemgetter('text')":
        raise ValueError("it does not read the column of the texts")


def _find_text_pipeline(model: Pipeline) -> Pipeline:
    """Return the pipeline that reads texts: `model`, or a part of its union with columns."""
    text_pipeline, steps = model, STEPS
    if [name for name, _ in model.steps] == STEPS_WITH_COLUMNS:
        union, steps = model["features"], STEPS[:-1]
        kinds = [(name, type(part)) for name, part in union.transformer_list]
        if type(union) is not FeatureUnion or kinds != _BRANCHES:
            raise ValueError("its features are not a union of texts and columns")
        text_pipeline, encoder = (part for _, part in union.transformer_list)
        if not {kind for kind, _, _ in encoder.transformers_} <= {*KINDS, "remainder"}:
            raise ValueError("its columns are not of the kinds of this project")
    if [name for name, _ in text_pipeline.steps] != steps:
        raise ValueError(f"its steps are not {', '.join(STEPS)}")
    return text_pipeline


def check_part(part: Any) -> None:
    """Raise if an object would do anything but predict, or its arrays do not match.

    Raises
    ------
    ValueError, AttributeError, LookupError, TypeError, re.error
        The part differs from those of the pipelines of this project; a ValueError names the fault.
    """
    _check_attributes(part)
    if isinstance(part, BaseEstimator):
        _check_estimator(part)


def _check_attributes(part: Any) -> None:
    for name, value in vars(part).items():
        values = value if isinstance(value, list) else [value]
        for array in values:
            if not isinstance(array, np.ndarray):
                continue
            if array.dtype.names or (array.dtype == object and name != "feature_names_in_"):
                raise ValueError(f"{name} that is not an array of numbers or strings")
            max_ndim = _DIMENSIONS.get(name, 1)
            is_wrong = array.ndim != max_ndim if name in _EXACT else array.ndim > max_ndim
            if array is value and is_wrong:
                raise ValueError(f"{name} of {array.ndim} dimensions")
            if name in _FINITE and not (array.dtype.kind == "f" and np.isfinite(array).all()):
                raise ValueError(f"{name} with something else than finite numbers")
    coef = getattr(part, "coef_", None)
    if coef is not None and np.shape(part.intercept_) not in ((len(coef),), (1,), ()):
        raise ValueError("an intercept_ that does not fit its coef_")


def _check_estimator(part: Any) -> None:
    if hasattr(part, "_parameter_constraints"):
        try:
            part._validate_params()
        except ValueError as error:
            raise ValueError(f"a {type(part).__name__} that is set up wrongly ({error})") from error
    if abs(getattr(part, "n_jobs", None) or 0) > _MAX_JOBS:
        raise ValueError(f"n_jobs={part.n_jobs}")
    if getattr(part, "memory", None) is not None:  # a folder where it would cache pickles
        raise ValueError("the name of a folder to keep things in")
    for kind, attribute, check in _CHECKS:
        if isinstance(part, kind) and hasattr(part, attribute):
            check(part)


def _check_vectorizer(part: Any) -> None:
    # Attributes are copied to this project's vectorizers, which have more parameters.
    unexpected = set(vars(part)) - set(part.get_params(deep=False)) - _FITTED
    if unexpected:
        raise ValueError(f"a vectorizer with {', '.join(sorted(unexpected))}")
    min_n, max_n = part.ngram_range
    is_range = type(min_n) is type(max_n) is int and 1 <= min_n <= max_n <= _MAX_NGRAM
    is_plain = (part.input, part.preprocessor, part.tokenizer) == ("content", None, None)
    stop_words = part.stop_words if isinstance(part.stop_words, list | set) else []
    are_strings = all(isinstance(word, str) for word in stop_words)
    if not (is_range and is_plain and are_strings and isinstance(part.analyzer, str)):
        raise ValueError("a vectorizer that does not just split texts")
    if np.dtype(part.dtype).kind not in "iuf":
        raise ValueError(f"a vectorizer of {part.dtype}")
    # The known patterns are fast, though `is_quick` cannot recognize all of them.
    if part.token_pattern is not None and not (find_rules(part) or is_quick(part.token_pattern)):
        raise ValueError(f"a token pattern that may take for ever, {part.token_pattern!r}")


def _check_vocabulary(part: Any) -> None:
    """Check the indices and the weights of the terms, since kernels do not check them."""
    vocabulary = vars(part).get("vocabulary_")
    terms = part.vocabulary if vocabulary is None else vocabulary
    if vocabulary is None:
        is_valid = isinstance(terms, np.ndarray) and terms.dtype.kind == "U" and terms.ndim == 1
    else:
        is_valid = isinstance(vocabulary, dict) and all(
            type(term) is str and type(index) is int for term, index in vocabulary.items()
        )
        is_valid = is_valid and sorted(vocabulary.values()) == list(range(len(vocabulary)))
    if not is_valid:
        raise ValueError("an invalid vocabulary")
    if isinstance(part, TfidfVectorizer):
        weights = getattr(part._tfidf, "idf_", None)
        is_consistent = type(part._tfidf) is TfidfTransformer and bool(part._tfidf.use_idf) is (
            weights is not None
        )
        if not is_consistent or (weights is not None and weights.shape != (len(terms),)):
            raise ValueError("weights that do not fit their vocabulary")


def _check_encoder(part: ColumnTransformer) -> None:
    """Check that columns, or parts of dates, are read by name, and by known pipelines."""
    fitted = getattr(part, "transformers_", [])  # a part of an encoder is cloned for its fit
    fitted = [transformer for transformer in fitted if transformer[:2] != ("remainder", "drop")]
    for kind, steps, names in [*part.transformers, *fitted]:
        are_names = isinstance(names, list) and all(type(name) is str for name in names)
        is_known = kind in {*KINDS, *DATE_PARTS} and type(steps) is Pipeline
        if not (is_known and are_names and names):
            raise ValueError("columns that are read in another way than ours")


def _check_levels(part: OneHotEncoder) -> None:
    """Check that the column of each level is within the matrix, which compiled code does not."""
    categories = part.categories_
    params = (part.handle_unknown, part.drop, part.min_frequency, part.max_categories)
    if params != ("ignore", None, None, None) or part._infrequent_enabled is not False:
        raise ValueError("an encoder of categories that groups or drops some")
    is_valid = isinstance(categories, list) and all(
        isinstance(levels, np.ndarray) and levels.ndim == 1 for levels in categories
    )
    if not is_valid or [len(levels) for levels in categories] != part._n_features_outs:
        raise ValueError("an encoder of categories with a wrong number of columns")
    if any(len(set(levels.tolist())) < len(levels) for levels in categories):
        raise ValueError("an encoder of categories with a duplicate level")


def _check_imputer(part: SimpleImputer) -> None:
    if not part._fit_dtype == part._fill_dtype == np.float64:
        raise ValueError("an imputer of something else than numbers")


def _check_tree(part: BaseDecisionTree) -> None:
    if part.tree_.n_features != part.n_features_in_:
        raise ValueError("a decision tree with broken links")


def _check_forest(part: BaseForest) -> None:
    """Check the trees of a forest, which do not check the width of their rows."""
    are_trees = all(isinstance(tree, BaseDecisionTree) for tree in part.estimators_)
    widths = {tree.n_features_in_ for tree in part.estimators_} if are_trees else set()
    if widths != {part.n_features_in_}:
        raise ValueError("a forest that does not fit its trees")


# Estimators whose arrays are not checked by compiled code. Estimators without the attribute are not
# fitted, and cannot predict.
_CHECKS: list[tuple[type, str, Callable[[Any], None]]] = [
    (_VectorizerMixin, "ngram_range", _check_vectorizer),
    (CountVectorizer, "vocabulary", _check_vocabulary),
    (ColumnTransformer, "transformers", _check_encoder),
    (OneHotEncoder, "categories_", _check_levels),
    (SimpleImputer, "statistics_", _check_imputer),
    (BaseDecisionTree, "tree_", _check_tree),
    (BaseForest, "estimators_", _check_forest),
]
