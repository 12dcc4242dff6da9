from pathlib import Path

import pyarrow as pa
import pytest

from sentiment.errors import AmbiguousColumnError, MissingColumnError, NoTextColumnError
from sentiment.files.columns import ColumnChoice, as_texts, choose_text_column, strip_labels


def test_values_become_texts() -> None:
    values = ["a", "", 7, 1.0, 0.5, True, None, float("nan"), ["a"], {"a": 1}, "bad \ud800 thing"]
    texts = ["a", "", "7", "1", "0.5", "True", None, None, None, None, "bad ? thing"]
    assert as_texts(values).to_pylist() == texts


def test_labels_have_no_white_space_around_them() -> None:
    labels = [" good ", "a b", "\u3000\t", "", None, "x\0y\0 \0", "\0"]
    result = strip_labels(pa.array(labels, pa.large_string()))
    assert result.to_pylist() == ["good", "a b", None, None, None, "x\0y", None]


@pytest.mark.parametrize(
    ("columns", "requested", "learned", "expected", "why"),
    [
        (["id", "review"], None, "", "review", "by its name"),
        (["Review", "TEXT "], None, "", "TEXT ", "by its name, before 'Review'"),
        (["comment", "label"], None, "", "comment", "by its name"),
        (["text", "summary"], None, "summary", "summary", "the model learned from it"),
        (["text", "summary"], "text", "summary", "text", "it was named"),
        (
            ["id", "body"],
            None,
            "summary",
            "body",
            "by its name; the model learned from 'summary', not there",
        ),
    ],
)
def test_the_column_of_texts_is_chosen(
    columns: list[str], requested: str | None, learned: str, expected: str, why: str
) -> None:
    result = choose_text_column(Path("x.csv"), columns, requested, learned)
    assert result == ColumnChoice(expected, why)


def test_an_ambiguous_column_of_texts_is_not_chosen() -> None:
    with pytest.raises(MissingColumnError, match="has no column 'body'; its columns are"):
        choose_text_column(Path("x.csv"), ["text"], "body", "text")
    with pytest.raises(NoTextColumnError, match="has no column that is known to hold texts"):
        choose_text_column(Path("x.csv"), ["id", "label"], None)
    with pytest.raises(NoTextColumnError) as caught:
        choose_text_column(Path("x.csv"), ["id", "Summary"], None, "summary")
    assert "'summary', from which the model learned, and none that is known" in str(caught.value)
    assert "Did you mean 'Summary'? Name the column with text_column=<name>." in str(caught.value)
    with pytest.raises(AmbiguousColumnError, match="that may hold texts: 'text' and 'review'"):
        choose_text_column(Path("x.csv"), ["review", "text"], None, "summary")
