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

# Uncertain texts that are clustered for each one that is chosen.
SHORTLIST = 10
_TOPICS = 100
# With fewer texts for each, topics are single texts, and no text is near another one.
_TEXTS_PER_TOPIC = 10
_TERMS = 50_000
_MAX_ITER = 50
# Of a text of which a model is certain.
_LEAST_WEIGHT = 1e-6
# More would be of a few texts each, however many are known; the limit is that of TypiClust.
_MAX_CLUSTERS = 500


@dataclass(frozen=True)
class Batch:
    """Texts to label next.

    Attributes
    ----------
    rows : ndarray of int, of shape (n,)
        Rows of the candidates, the most useful one first.
    sizes : ndarray of int, of shape (n,)
        Number of texts in the cluster of each, which it is typical of.
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
    words = TfidfVectorizer(
        min_df=2 if len(texts) > _TOPICS else 1, max_features=_TERMS, sublinear_tf=True
    )
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 2), max_features=_TERMS, sublinear_tf=True
    )
    features = FeaturesByScript(words, characters)
    rows = features.fit(CleanedTexts(texts)).transform(CleanedTexts(texts))
    count = min(_TOPICS, max(2, len(texts) // _TEXTS_PER_TOPIC))
    return find_topics(rows, count, check_random_state(seed))


def choose_diverse(topics: np.ndarray, count: int, known: np.ndarray, seed: int) -> Batch:
    """Return the texts that are most typical of the largest clusters without a known text.

    Parameters
    ----------
    topics : ndarray of shape (n, n_topics)
        Of the candidates and of the known texts.
    count : int
        Number of texts to choose; fewer if there are not so many candidates.
    known : ndarray of bool, of shape (n,)
        Texts that are labelled, or chosen already.
    seed : int
        Of the clusters.

    References
    ----------
    Kang, Ryu and Kwon 2004, Using Cluster-based Sampling to Select Initial Training Set for Active
    Learning in Text Classification: the text that is nearest to the center of each k-means
    cluster. Hacohen, Dekel and Weinshall 2022, Active Learning on a Budget: as many clusters as
    there are known and wanted texts, the largest without a known one first.
    """
    count = min(count, int((~known).sum()))
    clusters = min(count + int(known.sum()), max(2 * count, _MAX_CLUSTERS), len(topics))
    machine = _cluster(topics, clusters, seed)
    covered = np.bincount(machine.labels_[known], minlength=machine.n_clusters)
    sizes = np.bincount(machine.labels_, minlength=machine.n_clusters)
    order = np.lexsort([-sizes, covered])
    return _take_nearest(topics, machine, order, count, known)


def choose_uncertain(topics: np.ndarray, margins: np.ndarray, count: int, seed: int) -> Batch:
    """Return uncertain texts that differ from each other, the most uncertain one first.

    Parameters
    ----------
    topics : ndarray of shape (n, n_topics)
        Of a shortlist of uncertain texts.
    margins : ndarray of shape (n,)
        See `measure_margins`.
    count : int
        Number of texts to choose; fewer if there are not so many.
    seed : int
        Of the clusters.

    References
    ----------
    Zhdanov 2019, Diverse mini-batch Active Learning: the text that is nearest to the center of each
    of `count` k-means clusters of the most uncertain texts, which weigh the more the less certain
    they are.
    """
    count = min(count, len(topics))
    weights = 1 - margins + _LEAST_WEIGHT
    machine = _cluster(topics, count, seed, weights)
    nobody = np.zeros(len(topics), bool)
    found = _take_nearest(topics, machine, np.arange(machine.n_clusters), count, nobody)
    order = np.argsort(margins[found.rows], kind="stable")
    return Batch(found.rows[order], found.sizes[order])


def measure_margins(probabilities: np.ndarray, *, multilabel: bool = False) -> np.ndarray:
    """Return how sure a model is of each row: the smaller, the more informative is its label.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of all classes.
    multilabel : bool, default=False
        Whether a row may have several labels, each with a probability of its own.

    Returns
    -------
    ndarray of shape (n,)
        The difference between the two largest probabilities; of several labels, that between the
        least certain one and its absence.

    Examples
    --------
    >>> measure_margins(np.array([[0.25, 0.75], [0.5, 0.5]])).tolist()
    [0.5, 0.0]
    """
    margins: np.ndarray
    if multilabel:
        margins = np.abs(2 * probabilities - 1).min(axis=1)
        return margins
    most = np.partition(probabilities, -2, axis=1)[:, -2:]
    margins = most[:, 1] - most[:, 0]
    return margins


def _cluster(
    topics: np.ndarray, count: int, seed: int, weights: np.ndarray | None = None
) -> KMeans:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # there are fewer different texts
        machine = KMeans(count, n_init=1, max_iter=_MAX_ITER, random_state=seed)
        return machine.fit(topics, sample_weight=weights)


def _take_nearest(
    topics: np.ndarray, machine: KMeans, order: np.ndarray, count: int, known: np.ndarray
) -> Batch:
    """Return the texts nearest to the centers of the clusters in `order`, none that is known.

    Where there are fewer clusters than wanted texts, such as of equal ones, the next nearest
    follow.
    """
    distances = ((topics - machine.cluster_centers_[machine.labels_]) ** 2).sum(axis=1)
    sizes = np.bincount(machine.labels_, minlength=machine.n_clusters)
    places = np.empty(machine.n_clusters, np.int64)
    places[order] = np.arange(len(order))
    free = np.flatnonzero(~known)
    free = free[np.lexsort([distances[free], places[machine.labels_[free]]])]
    # The first of each cluster, then the second of each, and so on.
    starts = np.r_[True, np.diff(machine.labels_[free]) != 0]
    position = np.arange(len(free)) - np.flatnonzero(starts)[np.cumsum(starts) - 1]
    chosen = free[np.argsort(position, kind="stable")][:count]
    return Batch(chosen, sizes[machine.labels_[chosen]])
