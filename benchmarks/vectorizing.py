"""Vectorizers of this project against those of scikit-learn."""

from collections.abc import Callable
from typing import Any

from reviews import SEED, read_different_reviews, read_texts
from sklearn.feature_extraction import text as sklearn_text
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from timing import OURS, Figure, Plan, compare

from sentiment.ngrams.vectorizers import TfidfVectorizer

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
# A mixed space: one to three words, frequent or rare, plain or sublinear.
TRIALS: list[dict[str, Any]] = [
    {"ngram_range": (1, 1), "min_df": 5, "max_features": 20_000},
    {"ngram_range": (1, 2), "min_df": 2, "max_features": 50_000, "sublinear_tf": True},
    {"ngram_range": (1, 3), "min_df": 3, "max_features": 100_000, "sublinear_tf": True},
]
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
    """Compare fits on character n-grams of 3 to 5 characters."""
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
    """Compare trials of a search: features, classifier and validation, with cached counts."""
    frame = read_different_reviews()
    texts, labels = frame["text"].tolist(), frame["label"].to_numpy(str)
    train, held_out = train_test_split(range(len(texts)), test_size=0.2, random_state=SEED)
    memory = plan.folder / "counts"
    TfidfVectorizer(ngram_range=(1, 3), memory=memory).precompute_counts(texts)

    def search(maker: Callable[..., Any], **more: Any) -> None:
        for settings in TRIALS:
            pipeline = make_pipeline(
                maker(**settings, **more), LogisticRegression(C=10, solver="liblinear", dual=True)
            )
            pipeline.fit([texts[i] for i in train], labels[train])
            pipeline.score([texts[i] for i in held_out], labels[held_out])

    works = {
        OURS: lambda: search(TfidfVectorizer, memory=memory),
        "scikit-learn": lambda: search(sklearn_text.TfidfVectorizer),
    }
    what = f"{len(TRIALS)} trials of a search, counts cached"
    return {"cached_trial": compare(what, works, plan.slow_rounds, target=20, aim=50)}
