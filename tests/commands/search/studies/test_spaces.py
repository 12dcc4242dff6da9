"""Spaces that searches draw from."""

import itertools
import json
from typing import Any

import pytest
from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sentiment.commands.search.studies.spaces import Space, count_values, list_values


def test_overrides_are_read_back_as_they_were_drawn() -> None:
    alpha = FloatDistribution(1e-8, 10, log=True)
    space = Space(
        {
            "model": CategoricalDistribution(["svm", "nb"]),
            "features.token_pattern": CategoricalDistribution([r"\w+", "a,b 'c'"]),
            "features.stop_words": CategoricalDistribution([None, True, 2, "[1,1]"]),
            "features.min_df": IntDistribution(1, 10),
        },
        {"model": {"svm": {"model.C": alpha}, "nb": {"model.alpha": alpha}}},
        {"data": "imdb"},
    )
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert (again.common, again.branches, again.fixed) == (
        space.common, space.branches, space.fixed
    )  # fmt: skip
    for model, own in (("svm", "model.C (svm)"), ("nb", "model.alpha (nb)")):
        for pattern in (r"\w+", "a,b 'c'"):
            for words in (None, True, 2, "[1,1]"):
                params = {
                    "model": model,
                    "features.token_pattern": pattern,
                    "features.stop_words": words,
                    "features.min_df": 3,
                    own: 0.1 + 0.2,
                }
                assert again.read(space.write(params)) == params
                assert again.find(own) == alpha
    assert again.read(["model=svm"]) is None


def test_settings_come_in_the_order_of_the_space() -> None:
    alpha = FloatDistribution(0, 1)
    space = Space(
        {"model": CategoricalDistribution(["svm", "nb"]), "features.min_df": IntDistribution(1, 9)},
        {"model": {"svm": {"model.C": alpha, "model.tol": alpha}, "nb": {"model.alpha": alpha}}},
        {"data": "imdb"},
        ("~cv",),
    )
    params = {"model": "svm", "features.min_df": 2, "model.C (svm)": 0.5, "model.tol (svm)": 0.25}
    expected = ["data=imdb", "~cv", "model=svm", "features.min_df=2", "model.C=0.5"]
    for order in itertools.permutations(params.items()):
        assert space.write(dict(order)) == [*expected, "model.tol=0.25"]


def test_samples_are_those_that_a_search_can_draw() -> None:
    """Settings of models that were not typed, or are left out, belong to no trial."""
    size, alpha = IntDistribution(1, 9), FloatDistribution(0, 1)
    branches = {"model": {"svm": {"model.C": alpha}, "nb": {"model.alpha": alpha}, "knn": {}}}

    def list_models(space: Space) -> set[str]:
        samples = list(space.list_samples())
        assert all(sum(w.startswith("model=") for w in words) == 1 for words in samples)
        assert {"size=1", "size=9"} <= {word for words in samples for word in words}
        return {word for words in samples for word in words if word.startswith("model")}

    whole = Space(
        {"model": CategoricalDistribution(["svm", "nb", "knn"]), "size": size}, branches, {}
    )
    svm, nb = {"model.C=0.0", "model.C=1.0"}, {"model.alpha=0.0", "model.alpha=1.0"}
    assert list_models(whole) == {"model=svm", "model=nb", "model=knn"} | svm | nb
    assert list_models(whole.without(["model=svm", "model=knn"])) == {"model=nb"} | nb
    assert list_models(Space({"size": size}, branches, {"model": "nb"})) == {"model=nb"} | nb
    assert list_models(Space({"size": size}, branches, {"model": "other"})) == {"model=other"}


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (CategoricalDistribution(["a", None, 3]), ["a", None, 3]),
        (IntDistribution(2, 8, step=3), [2, 5, 8]),
        (FloatDistribution(0.1, 0.5, step=0.1), [0.1, 0.2, 0.3, 0.4, 0.5]),
        (FloatDistribution(0.25, 0.25, step=0.1), [0.25]),
    ],
)
def test_all_values_of_a_distribution_are_listed(distribution: Any, values: list[Any]) -> None:
    assert list_values(distribution) == values
    assert count_values(distribution) == len(values)
    # The official sweeper lists the same, of which earlier studies have drawn.
    assert list(OptunaSweeperImpl._to_grid_sampler_choices(distribution)) == values
