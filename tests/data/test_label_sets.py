"""Label sets as strings, their indicators and their stratified splits."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import write_frame
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MultiLabelBinarizer

from sentiment.data.datasets import TableFile
from sentiment.data.label_sets import (
    join_labels,
    make_indicators,
    sort_label_sets,
    split_labels,
    stratify,
)
from sentiment.data.preparation import PreparedData, prepare_data
from sentiment.data.splitting import SPLITS
from sentiment.errors import TooFewRowsError

_SETS = st.lists(st.sets(st.sampled_from("abcdefgh")), min_size=1, max_size=60)


def test_label_sets_have_one_form() -> None:
    labels = pd.Series([" b; a", "a;b;a", "", ";", None, "c"], dtype="str")
    sorted_sets = sort_label_sets(labels, ";")
    assert sorted_sets.tolist()[:4] == ["a;b", "a;b", "", ""]
    assert sorted_sets.isna().tolist() == [False, False, False, False, True, False]


@given(_SETS)
def test_indicators_are_those_of_scikit_learn(sets: list[set[str]]) -> None:
    classes = sorted(set().union(*sets)) or ["a"]
    joined = [join_labels(labels, "|") for labels in sets]
    assert [set(split_labels(labels, "|")) for labels in joined] == sets
    expected = MultiLabelBinarizer(classes=classes).fit_transform(sets)
    assert np.array_equal(make_indicators(joined, classes, "|").toarray(), expected)


@pytest.mark.slow
@given(_SETS, st.integers(0, 5))
def test_each_row_is_in_one_part(sets: list[set[str]], seed: int) -> None:
    indicators = make_indicators(
        [join_labels(labels, ";") for labels in sets], list("abcdefgh"), ";"
    )
    shares = {"train": 0.7, "validation": 0.1, "test": 0.2}
    parts = stratify(indicators, shares, seed)
    assert set(parts) <= set(shares)
    assert np.array_equal(parts, stratify(indicators, shares, seed))


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_spread_by_their_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    often = np.array([0.4, 0.2, 0.1, 0.05, 0.02, 0.004])
    dense = rng.random((2000, len(often))) < often
    dense[:3, -1] = True
    shares = {"train": 0.7, "validation": 0.1, "test": 0.2}
    indicators = make_indicators(
        [join_labels(np.array(list("abcdef"))[row], ";") for row in dense], list("abcdef"), ";"
    )
    parts = stratify(indicators, shares, seed)
    for part, share in shares.items():
        rows = dense[parts == part]
        assert abs(len(rows) - share * len(dense)) <= 0.01 * len(dense)
        expected = share * dense.sum(axis=0)
        assert (rows.sum(axis=0) >= 1).all()
        assert (abs(rows.sum(axis=0) - expected) <= np.maximum(1.5, 0.05 * expected)).all()


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_lists_of_labels_are_sets(tmp_path: Path, ending: str) -> None:
    cells = [["x", "y"], ["y", "x", "y"], [], None, ["a;b"]]
    frame = pd.DataFrame({"text": list("abcde"), "label": cells})
    path = write_frame(frame, tmp_path / f"x{ending}")
    read = TableFile(name="x", path=str(path), label_separator=";").read()
    assert read["label"].tolist()[:3] == ["x;y", "x;y", ""]
    assert read["label"].isna().tolist() == [False, False, False, True, True]
    assert read["fault"].isna().tolist() == [True, True, True, True, False]
    assert "expected a text, or a list of texts without ';'" in read["fault"].iloc[4]


def _write_rows(folder: Path, rows: int = 120) -> Path:
    """Write rows of two labels or none, and a few of rare labels."""
    sets = ["a", "b", "b; a", ";"]
    frame = pd.DataFrame(
        {"text": [f"text {n}" for n in range(rows)], "label": [sets[n % 4] for n in range(rows)]}
    )
    frame.loc[0, "label"], frame.loc[1, "label"], frame.loc[2, "label"] = "a;rare", "rare", None
    frame.loc[[5, 6], "label"] = "seldom"
    return write_frame(frame, folder / "x.csv")


def _prepare(path: Path, **settings: Any) -> PreparedData:
    return prepare_data(TableFile(name="x", path=str(path), label_separator=";", **settings), 1)


def test_an_empty_cell_is_unusable_and_a_separator_alone_is_no_label(tmp_path: Path) -> None:
    data = _prepare(_write_rows(tmp_path), rare="drop")
    assert data.report.missing_label == 1
    assert data.classes == ["a", "b"]
    assert data.separator == ";"
    assert sum((getattr(data, name)["label"] == "").sum() for name in SPLITS) == 30
    for name in SPLITS:
        assert set(getattr(data, name)["label"]) == {"a", "b", "a;b", ""}


def test_rare_labels_leave_the_sets_of_their_rows(tmp_path: Path) -> None:
    path = _write_rows(tmp_path)
    with pytest.raises(TooFewRowsError, match="rare"):
        _prepare(path)
    dropped = _prepare(path, rare="drop")
    assert dropped.report.dropped == {"missing_label": 1, "rare_class": 3}
    assert dropped.report.rare == {"rare": 2, "seldom": 2}
    merged = _prepare(path, rare="merge", min_per_class=3)
    assert merged.report.merged_into == "other"
    assert merged.classes == ["a", "b", "other"]


def test_a_sample_keeps_the_shares_of_sets(tmp_path: Path) -> None:
    data = _prepare(_write_rows(tmp_path), rare="drop", limit=60)
    assert data.rows + data.report.dropped["rare_class"] == 60
    assert set(data.train["label"]) == {"a", "b", "a;b", ""}
