"""Active learning: which texts to label next.

Without a model, a batch is diverse; with one, it is uncertain and diverse. Both work in the space
of latent semantic analysis, in which texts on the same topics are near each other.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sentiment.modeling.estimators.by_script import FeaturesByScript
from sentiment.modeling.estimators.topics import find_topics
from sentiment.ngrams.cleaning import CleanedTexts
from sentiment.ngrams.vectorizers import TfidfVectorizer

# Number of uncertain texts that are clustered per text to select.
SHORTLIST = 10
_TOPICS = 100
# With fewer texts per topic, topics are single texts, and no text is near another one.
_TEXTS_PER_TOPIC = 10
_TERMS = 50_000
_MAX_ITER = 50
# Weight of a text whose class the model is certain of.
_MIN_WEIGHT = 1e-6
# The limit of TypiClust; more clusters would be of a few texts each.
_MAX_CLUSTERS = 500


@dataclass(frozen=True)
class Batch:
    """Texts to label next.

    Attributes
    ----------
    rows : ndarray of int, of shape (n,)
        Rows of the candidates, the most useful one first.
    sizes : ndarray of int, of shape (n,)
        Number of texts in the cluster of each.
    """

    rows: np.ndarray
    sizes: np.ndarray


def find_text_topics(texts: Iterable[str], seed: int) -> np.ndarray:
    """Return the topics of texts, from the tf-idf of their words; see `find_topics`.

    Texts in a script without spaces between words are read as runs of characters.

    Parameters
    ----------
    texts : iterable of str
        Cleaned or not, of length n.
    seed : int
        Of the random projection.

    Returns
    -------
    ndarray of float32, of shape (n, n_topics)
    """
    texts = list(texts)
    word_vectorizer = TfidfVectorizer(
        min_df=2 if len(texts) > _TOPICS else 1, max_features=_TERMS, sublinear_tf=True
    )
    char_vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 2), max_features=_TERMS, sublinear_tf=True
    )
    features = FeaturesByScript(word_vectorizer, char_vectorizer)
    weights = features.fit(CleanedTexts(texts)).transform(CleanedTexts(texts))
    count = min(_TOPICS, max(2, len(texts) // _TEXTS_PER_TOPIC))
    return find_topics(weights, count, check_random_state(seed))


def choose_diverse(topics: np.ndarray, count: int, is_known: np.ndarray, seed: int) -> Batch:
    """Return the texts that are most typical of the largest clusters without a known text.

    Parameters
    ----------
    topics : ndarray of shape (n, n_topics)
        Of the candidates and of the known texts.
    count : int
        Number of texts to choose; fewer if there are fewer candidates.
    is_known : ndarray of bool, of shape (n,)
        Texts that are labelled, or chosen already.
    seed : int
        Of the clusters.

    References
    ----------
    Kang, Ryu and Kwon 2004, Using Cluster-based Sampling to Select Initial Training Set for Active
    Learning in Text Classification: the text that is nearest to the center of each k-means
    cluster. Hacohen, Dekel and Weinshall 2022, Active Learning on a Budget: one cluster for each
    known text and each text to choose, the largest cluster without a known text first.
    """
    count = min(count, int((~is_known).sum()))
    n_clusters = min(count + int(is_known.sum()), max(2 * count, _MAX_CLUSTERS), len(topics))
    kmeans = _cluster(topics, n_clusters, seed)
    known_counts = np.bincount(kmeans.labels_[is_known], minlength=kmeans.n_clusters)
    sizes = np.bincount(kmeans.labels_, minlength=kmeans.n_clusters)
    order = np.lexsort([-sizes, known_counts])
    return _take_nearest(topics, kmeans, order, count, is_known)


def choose_uncertain(topics: np.ndarray, margins: np.ndarray, count: int, seed: int) -> Batch:
    """Return uncertain texts that differ from each other, the most uncertain one first.

    Parameters
    ----------
    topics : ndarray of shape (n, n_topics)
        Of a shortlist of uncertain texts.
    margins : ndarray of shape (n,)
        See `measure_margins`.
    count : int
        Number of texts to choose; fewer if there are fewer texts.
    seed : int
        Of the clusters.

    References
    ----------
    Zhdanov 2019, Diverse mini-batch Active Learning: k-means makes `count` clusters of the most
    uncertain texts, weighted by their uncertainty; the text nearest to each center is chosen.
    """
    count = min(count, len(topics))
    weights = 1 - margins + _MIN_WEIGHT
    kmeans = _cluster(topics, count, seed, weights)
    is_known = np.zeros(len(topics), bool)
    batch = _take_nearest(topics, kmeans, np.arange(kmeans.n_clusters), count, is_known)
    order = np.argsort(margins[batch.rows], kind="stable")
    return Batch(batch.rows[order], batch.sizes[order])


def measure_margins(probabilities: np.ndarray, *, multilabel: bool = False) -> np.ndarray:
    """Return how sure a model is of each row: the smaller, the more informative its label.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of all classes.
    multilabel : bool, default=False
        Whether a row may have several labels, each with its own probability.

    Returns
    -------
    ndarray of shape (n,)
        The difference between the two largest probabilities. If a row may have several labels, the
        difference between the least certain label and its absence.

    Examples
    --------
    >>> measure_margins(np.array([[0.25, 0.75], [0.5, 0.5]])).tolist()
    [0.5, 0.0]
    """
    margins: np.ndarray
    if multilabel:
        margins = np.abs(2 * probabilities - 1).min(axis=1)
        return margins
    largest = np.partition(probabilities, -2, axis=1)[:, -2:]
    margins = largest[:, 1] - largest[:, 0]
    return margins


def _cluster(
    topics: np.ndarray, count: int, seed: int, weights: np.ndarray | None = None
) -> KMeans:
    with warnings.catch_warnings():
        # Raised if there are fewer distinct texts than clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(count, n_init=1, max_iter=_MAX_ITER, random_state=seed)
        return kmeans.fit(topics, sample_weight=weights)


def _take_nearest(
    topics: np.ndarray, kmeans: KMeans, order: np.ndarray, count: int, is_known: np.ndarray
) -> Batch:
    """Return the unknown texts nearest to the centers of the clusters in `order`.

    If there are fewer clusters than texts to choose, as with equal texts, the second nearest of
    each cluster follow, and so on.
    """
    distances = ((topics - kmeans.cluster_centers_[kmeans.labels_]) ** 2).sum(axis=1)
    sizes = np.bincount(kmeans.labels_, minlength=kmeans.n_clusters)
    cluster_ranks = np.empty(kmeans.n_clusters, np.int64)
    cluster_ranks[order] = np.arange(len(order))
    candidates = np.flatnonzero(~is_known)
    candidates = candidates[
        np.lexsort([distances[candidates], cluster_ranks[kmeans.labels_[candidates]]])
    ]
    # The first of each cluster, then the second of each, and so on.
    is_first = np.r_[True, np.diff(kmeans.labels_[candidates]) != 0]
    ranks = np.arange(len(candidates)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    rows = candidates[np.argsort(ranks, kind="stable")][:count]
    return Batch(rows, sizes[kmeans.labels_[rows]])
