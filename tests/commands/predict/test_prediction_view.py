"""Labels as `predict` prints them."""

import pytest

from sentiment.commands.predict.results import list_labels


@pytest.mark.parametrize(
    ("counts", "listed"),
    [
        ({}, "none"),
        ({"positive": 1200, "negative": 3}, "3 'negative', 1,200 'positive'"),
        (
            {f"topic {n:02}": n + 1 for n in range(13)},
            ", ".join(f"{n + 1:,} 'topic {n:02}'" for n in range(3, 13)) + ", 6 of 3 others",
        ),
        ({"a, b": 2, "": 1}, "1 without a label, 2 'a, b'"),
        ({"A" * 1000: 1}, f"1 '{'A' * 40}…{'A' * 39}'"),
    ],
)
def test_the_most_frequent_labels_are_listed(counts: dict[str, int], listed: str) -> None:
    assert list_labels(counts) == listed
