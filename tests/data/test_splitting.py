from collections import Counter

import numpy as np
import pandas as pd
import pytest
from given import Given
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.data.copies import add_keys, find_surplus
from sentiment.data.preparation import prepare_data
from sentiment.data.splitting import SPLITS, apportion, assign_splits, take_sample

SPELLINGS = ["{}", " {}", "{}<br />", "<p>{}</p>", "&#32;{}", "{}\n", "{}\u200b", "\ufeff{}\xa0"]
# How many rows each text of a class has, class by class.
COPIES = st.lists(
    st.lists(st.sampled_from([1, 1, 1, 2, 5, 40]), min_size=3, max_size=40), min_size=2, max_size=4
)


def make_dataset(frame: pd.DataFrame, **settings: float) -> Given:
    """Return a data set of the rows of `frame`."""
    return Given(name="x", rows=[*frame.itertuples(index=False, name=None)], **settings)


def make_copies(copies: list[list[int]], seed: int) -> pd.DataFrame:
    """Return the copies of each text, spelled in several ways, in a random order."""
    rows = [
        (SPELLINGS[k % len(SPELLINGS)].format(f"text {n} of class {label}"), f"c{label}")
        for label, sizes in enumerate(copies)
        for n, size in enumerate(sizes)
        for k in range(size)
    ]
    frame = pd.DataFrame(rows, columns=["text", "label"], dtype="str")
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    copies=COPIES,
    validation=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 1000),
)
def test_copies_make_no_difference_to_a_split(
    copies: list[list[int]], validation: float, test: float, seed: int
) -> None:
    """Sizes are those asked for, of different texts; no text is on two sides, none is lost."""
    frame = make_copies(copies, seed)
    dataset = make_dataset(frame, validation_size=validation, test_size=test)
    data = prepare_data(dataset, seed)
    second = prepare_data(dataset, seed)
    assert data.fingerprint == second.fingerprint

    parts = {name: getattr(data, name) for name in SPLITS}
    everything = pd.concat(parts.values())
    different = {
        (f"text {n} of class {k}") for k, sizes in enumerate(copies) for n in range(len(sizes))
    }
    cleaned = [
        text.replace("<br />", "")
        .replace("<p>", "")
        .replace("</p>", "")
        .replace("&#32;", "")
        .strip("\n\u200b\ufeff\xa0 ")
        for text in everything["text"]
    ]
    assert Counter(cleaned) == Counter(different)

    sizes = {f"c{k}": len(texts) for k, texts in enumerate(copies)}
    total = sum(sizes.values())
    for name, share in (("test", test), ("validation", validation)):
        counts = parts[name]["label"].value_counts()
        assert abs(len(parts[name]) - share * total) <= max(1, len(sizes))
        for label, size in sizes.items():
            assert counts[label] >= 1
            assert abs(counts[label] - share * size) <= 2
    assert set(parts["train"]["label"]) == set(sizes)

    report = data.report
    assert report.splits == {
        name: part["label"].value_counts().sort_index().to_dict() for name, part in parts.items()
    }
    assert report.dropped == ({"duplicates": len(frame) - total} if len(frame) > total else {})
    assert report.rows == len(frame)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 25), st.sampled_from("ab"), st.sampled_from(SPLITS)),
        min_size=20,
        max_size=120,
    ),
    seed=st.integers(0, 100),
)
def test_official_splits_stay_apart(rows: list[tuple[int, str, str]], seed: int) -> None:
    """The test split stays whole; its texts leave the others, those of validation the training."""
    # Enough texts of their own for each class and split.
    official = [
        (100 + n, "ab"[n // 4 % 2], split) for n, split in enumerate([*SPLITS, "train"] * 4)
    ]
    if not seed % 2:  # validation rows are drawn
        official, rows = (
            [row for row in part if row[2] != "validation"] for part in (official, rows)
        )
    table = [(f"text {n}", label, split) for n, label, split in [*rows, *official]]
    frame = pd.DataFrame(table, columns=["text", "label", "split"], dtype="str")
    data = prepare_data(make_dataset(frame), seed)
    texts = {name: frame["text"][frame["split"] == name] for name in SPLITS}
    test = frame[frame["split"] == "test"]
    assert data.test.to_numpy().tolist() == test[["text", "label"]].to_numpy().tolist()
    labels = frame.groupby("text")["label"].nunique()
    clear = set(labels[labels == 1].index) - set(test["text"])
    learned = pd.concat([data.train, data.validation])
    assert Counter(learned["text"]) == Counter(clear)
    if seed % 2:
        assert set(data.validation["text"]) == clear & set(texts["validation"])
    row_count = len(learned) + len(test)
    assert sum(data.report.dropped.values()) + row_count == len(frame)


@settings(max_examples=30, deadline=None)
@given(copies=COPIES, seed=st.integers(0, 100), limit=st.integers(1, 150))
def test_a_limit_counts_different_texts(copies: list[list[int]], seed: int, limit: int) -> None:
    frame = make_copies(copies, seed)
    distinct = add_keys(frame)
    distinct = distinct[find_surplus(distinct) == ""]
    sample = take_sample(distinct, limit, seed)
    assert len(sample) == min(limit, len(distinct))
    assert not sample["key"].duplicated().any()
    assert sample.index.is_monotonic_increasing
    for label, size in distinct["label"].value_counts().items():
        assert abs((sample["label"] == label).sum() - len(sample) * size / len(distinct)) < 1


def test_sizes_of_the_kaggle_file() -> None:
    frame = pd.DataFrame({"label": ["negative", "positive"] * 25_000})
    splits = assign_splits(frame, validation_size=0.1, test_size=0.2, seed=42)
    counts = pd.crosstab(splits, frame["label"])
    assert counts.sum(axis=1).to_dict() == {"train": 35_000, "validation": 5_000, "test": 10_000}
    assert (counts["negative"] == counts["positive"]).all()


@pytest.mark.parametrize("copies", [1, 5, 40])
def test_texts_that_are_there_many_times(copies: int) -> None:
    texts = [(f"text {n}", "good" if n % 2 else "bad") for n in range(600)]
    frame = pd.DataFrame(texts * copies, columns=["text", "label"], dtype="str")
    data = prepare_data(make_dataset(frame), 42)
    assert {name: sum(sizes.values()) for name, sizes in data.report.splits.items()} == {
        "train": 420, "validation": 60, "test": 120
    }  # fmt: skip


def test_another_seed_is_another_split() -> None:
    frame = pd.DataFrame({"label": ["a", "b"] * 100})
    first, second = (
        assign_splits(frame, validation_size=0.1, test_size=0.2, seed=seed) for seed in (1, 2)
    )
    assert not first.equals(second)


@pytest.mark.slow
def test_rows_are_chosen_at_random() -> None:
    """Each row is in the test split as often as any other."""
    frame = pd.DataFrame({"label": ["a"] * 30 + ["b"] * 10})
    times = sum(
        (assign_splits(frame, validation_size=0.1, test_size=0.2, seed=seed) == "test").to_numpy()
        for seed in range(1000)
    )
    # 200 times of 1,000 are expected; five standard deviations of a binomial are 63.
    assert np.abs(times - 200).max() < 63


@given(
    sizes=st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(sum),
    share=st.floats(0, 1),
)
def test_apportioned_rows_are_as_many_as_asked_for(sizes: list[int], share: float) -> None:
    total = round(share * sum(sizes))
    counts = apportion(np.array(sizes), total)
    assert counts.sum() == total
    exact = [size * total / sum(sizes) for size in sizes]
    assert all(abs(n - e) < 1 and n <= s for n, e, s in zip(counts, exact, sizes, strict=True))


def test_of_copies_one_stays_and_of_conflicts_none() -> None:
    frame = pd.DataFrame({"key": [0, 0, 0, 1, 2, 3, 3], "label": ["a"] * 6 + ["b"]})
    conflict = "conflicting_labels"
    expected = ["", "duplicates", "duplicates", "", "", conflict, conflict]
    assert find_surplus(frame).tolist() == expected
    frame["split"] = ["train", "test", "test", "train", "train", "train", "test"]
    expected = ["duplicates", "", "", "", "", conflict, ""]
    assert find_surplus(frame).tolist() == expected


@pytest.mark.parametrize("rows", [10, 99, 199, 200, 500])
def test_a_sample_is_stratified_and_keeps_its_order(rows: int) -> None:
    frame = pd.DataFrame({"label": ["a"] * 150 + ["b"] * 50, "split": ["train", "test"] * 100})
    sample = take_sample(frame, rows, 7)
    assert len(sample) == min(rows, 200)
    assert sample.index.is_monotonic_increasing
    assert abs((sample["label"] == "a").mean() - 0.75) < 0.06
    assert take_sample(frame, rows, 7).index.equals(sample.index)
