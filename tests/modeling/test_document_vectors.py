"""Vectors of texts: what they are learned from, and by which steps."""

from typing import Any

import numba
import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize

from sentiment.modeling.estimators import document_vectors
from sentiment.modeling.estimators.document_vectors import find_vectors, move_vectors

ROWS, LEARNED, TERMS = 60, 45, 20


@pytest.fixture(autouse=True)
def _forget() -> None:
    """Learn anew in each test."""
    document_vectors._last.clear()


def make_rows(seed: int = 0) -> sparse.csr_matrix:
    """Counts of terms, of which two groups do not go together."""
    rng = np.random.default_rng(seed)
    shares = np.where(np.arange(ROWS)[:, np.newaxis] % 2 == np.arange(TERMS) % 2, 0.5, 0.03)
    return sparse.csr_matrix(rng.poisson(shares).astype(float))


def find(X: Any, n_vectors: int = 6, seed: int = 0) -> np.ndarray:
    return find_vectors(X, np.arange(X.shape[0]) < LEARNED, n_vectors, seed)


def step_by_step(X: sparse.csr_matrix, width: int, passes: int, seed: int) -> np.ndarray:
    """Return the vectors by Mikolov's updates, one text and one batch of terms after another."""
    is_present = X[:LEARNED].toarray() != 0
    df = is_present.sum(axis=0)
    has_term = X.toarray()[:, (df >= 5) & (df < LEARNED)] != 0
    sampled = np.nonzero(has_term[:LEARNED])[1]
    parts = []
    for part in range(2):
        weights = np.zeros((has_term.shape[1], width))
        vector_parts = []
        for hold, texts in ((False, has_term[:LEARNED]), (True, has_term[LEARNED:])):
            random = np.random.RandomState((seed, part, hold))
            vectors = (random.random_sample((len(texts), width)) - 0.5) / width
            for number in range(passes):
                order = random.permutation(len(texts))
                state = int(random.randint(2**31))
                for k, i in enumerate(order):
                    rate = 0.1 * (1 - (number * len(texts) + k) / (passes * len(texts)))
                    terms = np.flatnonzero(texts[i])
                    for first in range(0, len(terms), 8):
                        batch = [*terms[first : first + 8]]
                        truth = np.ones(4 * len(batch))
                        truth[len(batch) :] = 0
                        for _ in range(3 * len(batch)):
                            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                            batch.append(sampled[(state >> 32) * len(sampled) >> 32])
                        errors = rate * (truth - 1 / (1 + np.exp(-weights[batch] @ vectors[i])))
                        step = np.zeros(width)
                        for term, error in zip(batch, errors, strict=True):
                            step += error * weights[term]
                            if not hold:
                                weights[term] += error * vectors[i]
                        vectors[i] += step
            vector_parts.append(vectors)
        parts.append(np.vstack(vector_parts))
    return np.hstack(parts)


@pytest.mark.parametrize("seed", [0, 7])
def test_vectors_are_those_of_plain_updates(seed: int) -> None:
    X = make_rows(seed)
    expected = normalize(step_by_step(X, 3, 20, seed))
    np.testing.assert_allclose(find(X, seed=seed), expected, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_vectors_are_the_same_for_any_number_of_threads(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = find(make_rows())
    document_vectors._last.clear()
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
    np.testing.assert_array_equal(find(make_rows()), expected)


def test_vectors_are_learned_from_the_learned_rows_alone() -> None:
    """Validation rows of a fold are among the others, or not there at all."""
    X = make_rows()
    expected = find(X)[:LEARNED]
    other_rows = sparse.vstack([X[:LEARNED], make_rows(1)[LEARNED - 10 :]]).tocsr()
    alone = X[:LEARNED]
    for rows in (other_rows, alone):
        for remembered in (True, False):
            if not remembered:
                document_vectors._last.clear()
            np.testing.assert_array_equal(find(rows)[:LEARNED], expected)


def test_columns_that_only_other_rows_have_change_nothing() -> None:
    """The vocabulary of a fold has terms of its labelled rows."""
    X = make_rows()
    column = sparse.csr_matrix((np.arange(ROWS) >= LEARNED).astype(float)[:, np.newaxis])
    wide = sparse.hstack([X[:, :9], column, X[:, 9:]]).tocsr()
    np.testing.assert_array_equal(find(wide), find(X))


def test_other_rows_or_another_seed_or_size_are_learned_anew() -> None:
    X = make_rows()
    first = find(X)
    assert not np.array_equal(find(make_rows(1)), first)
    assert not np.array_equal(find(X, seed=1), first)
    assert find(X, 8).shape == (ROWS, 8)
    np.testing.assert_array_equal(find(X), first)


def test_only_which_features_are_not_zero_matters() -> None:
    X = make_rows()
    expected = find(X)
    cells = X.tocoo()
    doubled = sparse.coo_matrix(
        (np.tile(-2.5 * cells.data, 2), (np.tile(cells.row, 2), np.tile(cells.col, 2))), X.shape
    )
    zeros = sparse.csr_matrix(
        (X.toarray().ravel(), np.tile(np.arange(TERMS), ROWS), np.arange(ROWS + 1) * TERMS),
        X.shape,
    )
    unsorted = X[:, ::-1][:, ::-1]
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for rows in (X.tocsc(), doubled, zeros, unsorted, wide, X.toarray(), sparse.csr_array(X)):
        document_vectors._last.clear()
        np.testing.assert_array_equal(find(rows), expected)


def test_the_features_stay_as_they_are() -> None:
    X = make_rows()[:, ::-1]
    copies = (X.data.copy(), X.indices.copy(), X.indptr.copy())
    find(X)
    for copied, array in zip(copies, (X.data, X.indices, X.indptr), strict=True):
        np.testing.assert_array_equal(array, copied)


@pytest.mark.parametrize("rows", ["learned", "others"])
def test_vectors_tell_subjects_apart(rows: str) -> None:
    selected = slice(LEARNED) if rows == "learned" else slice(LEARNED, ROWS)
    clusters = KMeans(2, random_state=0, n_init=5).fit_predict(find(make_rows())[selected])
    assert adjusted_rand_score(np.arange(ROWS)[selected] % 2, clusters) > 0.7


@pytest.mark.parametrize("shape", [(2, 9), (60, 1), (4, 4)])
def test_there_are_none_where_no_term_is_in_enough_rows(shape: tuple[int, int]) -> None:
    X = sparse.csr_matrix(np.ones(shape))
    assert find(X).shape == (shape[0], 0)
    assert find_vectors(X, np.zeros(shape[0], bool), 6, 0).shape == (shape[0], 0)


def test_one_feature_and_odd_sizes_and_none() -> None:
    X = sparse.csr_matrix((np.arange(ROWS) % 2)[:, np.newaxis].astype(float))
    assert find(X, 5).shape == (ROWS, 6)
    assert find(X, 0).shape == (ROWS, 0)


def test_a_row_without_terms_has_no_direction_and_others_have_length_one() -> None:
    counts = make_rows().toarray()
    counts[[3, LEARNED + 2]] = 0
    X = sparse.csr_matrix(counts)
    lengths = np.linalg.norm(find(X), axis=1)
    empty = counts.sum(axis=1) == 0
    assert (lengths[empty] == 0).all()
    np.testing.assert_allclose(lengths[~empty], 1, rtol=1e-5)


def test_steps_that_are_far_too_long_leave_finite_numbers() -> None:
    X = make_rows()
    vectors, weights = np.full((ROWS, 4), 0.5, np.float32), np.ones((TERMS, 4), np.float32)
    order = np.tile(np.arange(ROWS), 50)
    rates = np.full(len(order), 50, np.float32)
    move_vectors(X.indices, X.indptr, order, rates, X.indices, 1, False, vectors, weights)
    for array in (vectors, weights):
        assert (np.abs(array) <= document_vectors._BOUND).all()
        assert np.abs(array).max() > 1
