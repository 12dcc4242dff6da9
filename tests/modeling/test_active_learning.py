"""Which texts to label next: diverse, or uncertain and diverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sentiment.modeling.active_learning import (
    Batch,
    choose_diverse,
    choose_uncertain,
    find_text_topics,
    measure_margins,
)

TOPICS = arrays(
    np.float32, st.tuples(st.integers(1, 25), st.just(3)), elements=st.integers(-2, 2).map(float)
)


def make_blobs(sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return points in groups that are far from each other, and the group of each."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    random = np.random.default_rng(0)
    points = 10 * np.eye(len(sizes))[groups] + random.normal(0, 0.1, (len(groups), len(sizes)))
    return points, groups


def find_nearest(points: np.ndarray) -> int:
    return int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())


def test_the_first_texts_are_the_most_typical_of_the_largest_groups() -> None:
    points, groups = make_blobs([30, 60, 10])
    batch = choose_diverse(points, 3, np.zeros(100, bool), seed=0)
    expected = [np.flatnonzero(groups == k)[find_nearest(points[groups == k])] for k in (1, 0, 2)]
    assert batch.rows.tolist() == expected
    assert batch.sizes.tolist() == [60, 30, 10]


def test_groups_with_a_known_text_come_last() -> None:
    points, groups = make_blobs([30, 60, 10])
    is_known = np.zeros(100, bool)
    is_known[np.flatnonzero(groups == 1)[0]] = True
    batch = choose_diverse(points, 2, is_known, seed=0)
    assert groups[batch.rows].tolist() == [0, 2]


def test_of_uncertain_texts_one_of_each_group_is_taken() -> None:
    points, groups = make_blobs([20, 20, 20])
    margins = np.linspace(0, 0.9, 60)
    batch = choose_uncertain(points, margins, 3, seed=0)
    assert groups[batch.rows].tolist() == [0, 1, 2]  # the least certain group first
    assert batch.sizes.tolist() == [20, 20, 20]
    # The center is drawn to uncertain texts: here, all weight is on one.
    margins = np.ones(60)
    margins[groups == 1] = 0.999
    margins[[7, 27, 47]] = 0
    assert sorted(choose_uncertain(points, margins, 3, seed=0).rows) == [7, 27, 47]


@pytest.mark.slow
@settings(max_examples=40)
@given(topics=TOPICS, count=st.integers(1, 30), seed=st.integers(0, 3), data=st.data())
def test_a_batch_has_as_many_different_texts_as_there_are(
    topics: np.ndarray, count: int, seed: int, data: st.DataObject
) -> None:
    """Also of copies, of which there are fewer clusters than texts."""
    is_known = data.draw(arrays(bool, len(topics)))
    margins = data.draw(arrays(float, len(topics), elements=st.floats(0, 1)))
    diverse = choose_diverse(topics, count, is_known, seed)
    uncertain = choose_uncertain(topics, margins, count, seed)
    assert len(diverse.rows) == min(count, (~is_known).sum())
    assert not is_known[diverse.rows].any()
    assert len(uncertain.rows) == min(count, len(topics))
    assert np.all(np.diff(margins[uncertain.rows]) >= 0)
    repeated = choose_uncertain(topics, margins, count, seed)
    for batch in (diverse, uncertain):
        assert len({*batch.rows.tolist()}) == len(batch.rows) == len(batch.sizes)
        assert np.all(batch.sizes >= 1)
    assert repeated.rows.tolist() == uncertain.rows.tolist()


def test_nothing_is_chosen_where_all_is_known() -> None:
    batch = choose_diverse(np.eye(3), 2, np.ones(3, bool), seed=0)
    assert isinstance(batch, Batch)
    assert len(batch.rows) == 0


@given(arrays(float, (7, 4), elements=st.floats(0, 1)))
def test_margins(probabilities: np.ndarray) -> None:
    expected = [np.diff(sorted(row)[-2:])[0] for row in probabilities]
    assert measure_margins(probabilities).tolist() == pytest.approx(expected)
    expected = [min(abs(p - (1 - p)) for p in row) for row in probabilities]
    assert measure_margins(probabilities, multilabel=True).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["goal ball team player", "bread butter oven dough"], True),
        (["今天天气很好我们去公园", "股票市场大幅下跌投资者"], False),
    ],
)
def test_texts_on_one_topic_are_near_each_other(groups: list[str], words: bool) -> None:
    random = np.random.default_rng(0)
    texts = []
    for k in range(40):
        pool = groups[k % 2].split() if words else [*groups[k % 2]]
        texts.append(
            (" " if words else "").join(random.choice(pool, 3 if words else 8, replace=False))
        )
    topics = find_text_topics(texts, seed=0)
    assert np.array_equal(topics, find_text_topics(texts, seed=0))
    near = topics @ topics.T
    same_topic = np.equal.outer(np.arange(40) % 2, np.arange(40) % 2)
    assert near[same_topic].mean() > near[~same_topic].mean() + 0.3
