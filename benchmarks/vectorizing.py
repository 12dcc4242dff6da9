"""Texts into matrices: this project's vectorizers against those of scikit-learn."""

from typing import Any

from reviews import read_texts
from sklearn.feature_extraction import text as sklearn_text
from timing import OURS, Figure, Plan, compare

from sentiment.features.vectorizers import TfidfVectorizer

WORDS: dict[str, Any] = {"min_df": 2, "max_features": 50_000, "sublinear_tf": True}
PAIRS = WORDS | {"ngram_range": (1, 2)}
TRIPLES = WORDS | {"ngram_range": (1, 3)}
CHARACTERS: dict[str, Any] = {
    "analyzer": "char_wb",
    "ngram_range": (3, 5),
    "min_df": 5,
    "max_features": 100_000,
    "sublinear_tf": True,
}
_MAKERS = {OURS: TfidfVectorizer, "scikit-learn": sklearn_text.TfidfVectorizer}


def compare_fits(what: str, settings: dict[str, Any], rounds: int, **goals: float) -> Figure:
    """Compare fit_transform of the 25,000 reviews."""
    texts = read_texts()
    works = {
        name: lambda maker=maker: maker(**settings).fit_transform(texts)
        for name, maker in _MAKERS.items()
    }
    return compare(what, works, rounds, **goals)


def compare_pairs(plan: Plan) -> dict[str, Figure]:
    """Compare fits on words and pairs."""
    what = "fit_transform, words and pairs"
    return {"pairs": compare_fits(what, PAIRS, plan.rounds, target=12, aim=25)}


def compare_triples(plan: Plan) -> dict[str, Figure]:
    """Compare fits on words, pairs and triples."""
    what = "fit_transform, words, pairs and triples"
    return {"triples": compare_fits(what, TRIPLES, plan.slow_rounds, target=15, aim=30)}


def compare_characters(plan: Plan) -> dict[str, Figure]:
    """Compare fits on runs of 3 to 5 characters."""
    what = "fit_transform, 3 to 5 characters"
    return {"characters": compare_fits(what, CHARACTERS, plan.slow_rounds, target=8, aim=20)}


def compare_transform(plan: Plan) -> dict[str, Figure]:
    """Compare transform of 10,000 reviews, words and pairs."""
    texts = read_texts()
    fitted = {name: maker(**PAIRS).fit(texts) for name, maker in _MAKERS.items()}
    works = {name: lambda v=v: v.transform(texts[:10_000]) for name, v in fitted.items()}
    what = "transform, words and pairs"
    return {"transform": compare(what, works, plan.rounds, target=20, aim=50)}


def compare_cached_trial(plan: Plan) -> dict[str, Figure]:
    """Compare one trial of a search whose counts are cached; not listed as long as it is empty."""
    return {}
