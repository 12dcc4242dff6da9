import pyarrow as pa
import pytest

from sentiment.files.columns import as_texts, find_text_column, strip_labels


def test_values_become_texts() -> None:
    values = ["a", "", 7, 1.0, 0.5, True, None, float("nan"), ["a"], {"a": 1}, "bad \ud800 thing"]
    texts = ["a", "", "7", "1", "0.5", "True", None, None, None, None, "bad ? thing"]
    assert as_texts(values).to_pylist() == texts


def test_labels_have_no_white_space_around_them() -> None:
    found = strip_labels(pa.array([" good ", "a b", "\u3000\t", "", None], pa.large_string()))
    assert found.to_pylist() == ["good", "a b", None, None, None]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "review"], "review"),
        (["Review", "TEXT "], "TEXT "),
        (["comment", "label"], "comment"),
        (["id", "label"], None),
    ],
)
def test_the_text_column_is_found_by_its_name(columns: list[str], expected: str | None) -> None:
    assert find_text_column(columns) == expected
