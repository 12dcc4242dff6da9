"""The embedded reviews, and further ones that are made by shuffling their sentences."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from sentiment.data.copies import add_keys, find_surplus
from sentiment.data.datasets import EmbeddedReviews
from sentiment.data.quality import find_unusable

SEED = 42
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@cache
def read_reviews() -> pd.DataFrame:
    """Return the 25,000 embedded reviews, ``text`` and ``label``."""
    return EmbeddedReviews(name="imdb", source="imdb").read()


def read_texts() -> list[str]:
    """Return the texts of the embedded reviews."""
    return [str(text) for text in read_reviews()["text"]]


def read_different_reviews() -> pd.DataFrame:
    """Return the embedded reviews that a training run would use: without copies."""
    frame = add_keys(read_reviews())
    usable = frame[find_unusable(frame) == ""]
    different = usable[find_surplus(usable) == ""]
    return different[["text", "label"]].reset_index(drop=True)


def shuffle_within(text: str, rng: np.random.Generator) -> str:
    """Return `text` with shuffled sentences, or shuffled words if it has only one sentence."""
    units = _SENTENCE_END.split(text)
    if len(units) == 1:
        units = text.split()
    return " ".join(units[k] for k in rng.permutation(len(units)))


def shuffle_among(rows: int) -> list[str]:
    """Return `rows` texts of shuffled sentences, each with as many sentences as one of the reviews.

    Every 25,000 texts contain every sentence of the reviews once.
    """
    rng = np.random.default_rng(SEED)
    split = [_SENTENCE_END.split(text) for text in read_texts()]
    pool = [sentence for sentences in split for sentence in sentences]
    texts: list[str] = []
    while len(texts) < rows:
        order, start = rng.permutation(len(pool)), 0
        for k in rng.permutation(len(split)):
            end = start + len(split[k])
            texts.append(" ".join(pool[n] for n in order[start:end]))
            start = end
    return texts[:rows]


def write_reviews(path: Path, rows: int) -> Path:
    """Write `rows` different reviews like the Kaggle file, with shuffled ones after 25,000."""
    frame, rng = read_reviews(), np.random.default_rng(SEED)
    copies = [frame]
    while sum(map(len, copies)) < rows:
        shuffled = [shuffle_within(text, rng) for text in frame["text"]]
        copies.append(frame.assign(text=shuffled))
    table = pd.concat(copies).head(rows).rename(columns={"text": "review", "label": "sentiment"})
    table.to_csv(path, index=False)
    return path
