import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.data.cleaning import clean_text
from sentiment.data.quality import add_keys
from sentiment.data.splitting import SPLITS, assign_splits, find_leaks, take_sample
from sentiment.errors import TooFewClassesError, TooFewRowsError

# Few different texts, in many spellings that clean to the same.
SPELLINGS = st.builds(
    str.replace,
    st.sampled_from(["x", "X", " x", "x<br />", "<p>x</p>", "&#32;x", "x\n\nx", "x  x", "x x"]),
    st.just("x"),
    st.sampled_from("abcdef"),
)
ROWS = st.lists(
    st.tuples(SPELLINGS, st.sampled_from(["no", "yes", "maybe"])), min_size=12, max_size=60
)
HALVES = st.lists(st.sampled_from(["train", "test"]), min_size=60, max_size=60)


def split_all(
    frame: pd.DataFrame, *, official: bool, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all rows with their split, and those that stay."""
    frame = add_keys(frame)
    splits = assign_splits(frame, validation_size=0.1, test_size=0.2, seed=seed)
    frame = frame.assign(split=splits)
    return frame, frame[find_leaks(frame, keep_test=official) == ""]


def sides_of_texts(frame: pd.DataFrame) -> pd.Series:
    plain = [clean_text(text).strip().lower() for text in frame["text"]]
    return frame["split"].groupby(np.array(plain)).nunique()


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, halves=HALVES, official=st.booleans(), seed=st.integers(0, 1000))
def test_no_text_stands_on_two_sides(
    rows: list[tuple[str, str]], halves: list[str], official: bool, seed: int
) -> None:
    frame = pd.DataFrame(rows, columns=["text", "label"])
    if official:
        frame["half"] = halves[: len(frame)]
    try:
        every, kept = split_all(frame, official=official, seed=seed)
    except (TooFewRowsError, TooFewClassesError):
        return
    assert (sides_of_texts(kept) == 1).all()
    if official:
        test = every[every["half"] == "test"]
        assert (test["split"] == "test").all()
        assert test.index.isin(kept.index).all()
        assert not (every.loc[every["half"] == "train", "split"] == "test").any()
    else:
        assert not kept["key"].duplicated().any()
        assert kept.groupby("key")["label"].nunique().eq(1).all()
    # A text that has one label only never disappears altogether.
    honest = every.groupby("key")["label"].nunique()
    assert set(honest[honest == 1].index) <= set(kept["key"])


def test_sizes_of_the_kaggle_file() -> None:
    frame = pd.DataFrame({"label": ["negative", "positive"] * 25_000})
    splits = assign_splits(frame, validation_size=0.1, test_size=0.2, seed=42)
    counts = pd.crosstab(splits, frame["label"])
    assert counts.sum(axis=1).to_dict() == {"train": 35_000, "validation": 5_000, "test": 10_000}
    assert (counts["negative"] == counts["positive"]).all()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(3, 80), min_size=2, max_size=5),
    validation=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 100),
)
def test_splits_are_stratified(sizes: list[int], validation: float, test: float, seed: int) -> None:
    labels = [f"c{k}" for k, size in enumerate(sizes) for _ in range(size)]
    frame = pd.DataFrame({"label": labels})
    splits = assign_splits(frame, validation_size=validation, test_size=test, seed=seed)
    again = assign_splits(frame, validation_size=validation, test_size=test, seed=seed)
    assert splits.equals(again)
    assert set(splits) == set(SPLITS)
    rows = len(frame)
    # Each split is as large as asked for, or has at least one row of each class.
    assert abs((splits == "test").sum() - test * rows) <= max(1, len(sizes))
    for split in ("train", "validation", "test"):
        members = frame["label"][splits == split]
        share = len(members) / rows
        for label, size in zip(sorted(set(labels)), sizes, strict=True):
            assert abs((members == label).sum() - share * size) <= 2


def test_another_seed_is_another_split() -> None:
    frame = pd.DataFrame({"label": ["a", "b"] * 100})
    first, second = (
        assign_splits(frame, validation_size=0.1, test_size=0.2, seed=seed) for seed in (1, 2)
    )
    assert not first.equals(second)


def test_a_copy_leaves_training_first() -> None:
    frame = pd.DataFrame(
        {
            "key": [0, 0, 0, 1, 1, 2, 3, 3],
            "label": ["a"] * 6 + ["a", "b"],
            "split": [
                "train",
                "validation",
                "test",
                "train",
                "validation",
                "train",
                "train",
                "test",
            ],
        }
    )
    assert find_leaks(frame, keep_test=False).tolist() == [
        "duplicates",
        "duplicates",
        "",
        "duplicates",
        "",
        "",
        "conflicting_labels",
        "conflicting_labels",
    ]
    assert find_leaks(frame, keep_test=True).tolist()[-1] == ""


def test_a_rare_class_is_named() -> None:
    frame = pd.DataFrame({"label": ["a"] * 50 + ["b"] * 2})
    with pytest.raises(TooFewRowsError, match=r"class 'b' has 2 rows, but a split into train, "):
        assign_splits(frame, validation_size=0.1, test_size=0.2, seed=1)
    with pytest.raises(TooFewClassesError, match=r"the data has 1 class \('a'\)"):
        assign_splits(frame[:50], validation_size=0.1, test_size=0.2, seed=1)


@pytest.mark.parametrize("rows", [10, 99, 199, 200, 500])
def test_a_sample_is_stratified_and_keeps_its_order(rows: int) -> None:
    frame = pd.DataFrame({"label": ["a"] * 150 + ["b"] * 50, "half": ["train", "test"] * 100})
    sample = take_sample(frame, rows, 7)
    assert len(sample) == min(rows, 200)
    assert sample.index.is_monotonic_increasing
    assert abs((sample["label"] == "a").mean() - 0.75) < 0.06
    assert take_sample(frame, rows, 7).index.equals(sample.index)
