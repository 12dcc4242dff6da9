"""Skops files of models that read columns beside the text, which are not sound."""

from functools import partial
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
import pandas as pd
from hostile_files import Bench, hostile
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

WAY = "it holds columns that are read in another way than ours"
PLACES = "it holds an encoder of categories with a wrong number of columns"
STRANGER = "sklearn.preprocessing._function_transformer.FunctionTransformer"


def _open(bench: Bench) -> tuple[Pipeline, Any, OneHotEncoder]:
    """Return a sound model, its encoder, and that of its categories."""
    pipeline = bench.load("columns")
    columns = pipeline["features"].transformer_list[1][1]
    return pipeline, columns, columns.named_transformers_["category"]["encode"]


@hostile(PLACES)
def columns_with_places_far_beyond_the_matrix(bench: Bench) -> None:
    pipeline, _, encoder = _open(bench)
    encoder._n_features_outs = [10**9]
    bench.dump(pipeline)


@hostile(PLACES)
def columns_with_fewer_places_than_levels(bench: Bench) -> None:
    pipeline, _, encoder = _open(bench)
    encoder._n_features_outs = [1]
    bench.dump(pipeline)


@hostile("it holds an encoder of categories that groups or drops some")
def columns_whose_rare_levels_are_somewhere_else(bench: Bench) -> None:
    pipeline, _, encoder = _open(bench)
    encoder._infrequent_enabled = True
    encoder._default_to_infrequent_mappings = [np.full(len(encoder.categories_[0]), 10**9)]
    bench.dump(pipeline)


@hostile("it holds an encoder of categories that groups or drops some")
def columns_whose_levels_are_dropped(bench: Bench) -> None:
    pipeline, _, encoder = _open(bench)
    encoder.drop = "first"
    bench.dump(pipeline)


@hostile("it holds an encoder of categories with a duplicate level")
def columns_with_a_level_twice(bench: Bench) -> None:
    pipeline, _, encoder = _open(bench)
    encoder.categories_ = [np.repeat(encoder.categories_[0][:1], len(encoder.categories_[0]))]
    bench.dump(pipeline)


@hostile("it holds categories_ that is not an array of numbers or strings")
def columns_with_levels_of_objects(bench: Bench) -> None:
    pipeline, _, encoder = _open(bench)
    encoder.categories_ = [encoder.categories_[0].astype(object)]
    bench.dump(pipeline)


@hostile(PLACES)
def columns_with_levels_in_a_table(bench: Bench) -> None:
    pipeline, _, encoder = _open(bench)
    encoder.categories_ = [encoder.categories_[0].reshape(-1, 1)]
    bench.dump(pipeline)


@hostile("it holds an imputer of something else than numbers")
def columns_of_objects(bench: Bench) -> None:
    pipeline, columns, _ = _open(bench)
    columns.named_transformers_["number"]["impute"]._fit_dtype = np.dtype("U9")
    bench.dump(pipeline)


def _replace(bench: Bench, attribute: str, entry: tuple[Any, Any, Any]) -> None:
    pipeline, columns, _ = _open(bench)
    setattr(columns, attribute, [entry, *getattr(columns, attribute)[1:]])
    bench.dump(pipeline)


for _attribute in ("transformers", "transformers_"):
    for _title, _entry in {
        "passed through": ("number", "passthrough", ["price"]),
        "of another kind": ("numbers", Pipeline([("x", OneHotEncoder())]), ["price"]),
        "by their places": ("number", Pipeline([("x", OneHotEncoder())]), [0]),
        "by a slice of texts": ("number", Pipeline([("x", OneHotEncoder())]), "price"),
    }.items():
        _make = partial(_replace, attribute=_attribute, entry=_entry)
        _make.__name__ = f"columns {_title} in {_attribute}"  # type: ignore[attr-defined]
        hostile(WAY)(_make)


@hostile("its features are not a union of texts and columns")
def columns_twice(bench: Bench) -> None:
    pipeline, _, _ = _open(bench)
    union = pipeline["features"]
    union.transformer_list = [*union.transformer_list, union.transformer_list[1]]
    bench.dump(pipeline)


@hostile("its features are not a union of texts and columns")
def columns_in_the_place_of_texts(bench: Bench) -> None:
    pipeline, _, _ = _open(bench)
    union = pipeline["features"]
    union.transformer_list = union.transformer_list[::-1]
    bench.dump(pipeline)


@hostile("its columns are not of the kinds of this project")
def columns_of_another_kind(bench: Bench) -> None:
    pipeline, columns, _ = _open(bench)
    (_, *rest), *others = columns.transformers_
    columns.transformers_ = [("month", *rest), *others]
    bench.dump(pipeline)


@hostile("it does not clean texts as this project does")
def columns_beside_texts_that_are_not_cleaned(bench: Bench) -> None:
    pipeline, _, _ = _open(bench)
    texts = pipeline["features"].transformer_list[0][1]
    texts.steps[1] = ("clean", "passthrough")
    bench.dump(pipeline)


CALLS = {
    "that are written to a file": methodcaller("to_csv", "canary"),
    "that are pickled": methodcaller("to_pickle", "canary"),
    "that are evaluated": methodcaller("eval", "price = 1"),
    "that are applied to pandas": methodcaller("apply", partial(pd.to_numeric, errors="raise")),
    "of other parts of dates": methodcaller("apply", attrgetter("dt.minute")),
    "whose methods are called": attrgetter("to_csv"),
}
for _title, _call in CALLS.items():

    def _call_it(bench: Bench, call: Any = _call) -> None:
        pipeline, columns, _ = _open(bench)
        steps = columns.named_transformers_["category"].steps
        steps[0] = (steps[0][0], FunctionTransformer(call))
        bench.dump(pipeline)

    _call_it.__name__ = f"columns {_title}"
    hostile(STRANGER)(_call_it)
