"""Ahead-of-time compilation of the kernels of all packages."""

from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn.svm import LinearSVC

from sentiment.files import kernels
from sentiment.files.dialects import Dialect
from sentiment.files.records import Split
from sentiment.modeling.class_factors import find_factors
from sentiment.modeling.drift import compare_numbers, compute_p_values
from sentiment.modeling.estimators.calibrated_svm import CalibratedClassifierCV
from sentiment.modeling.estimators.document_vectors import find_vectors
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.estimators.topics import find_topics
from sentiment.modeling.estimators.union import make_union
from sentiment.modeling.explanation.rows import RowExplainer
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams.linear_scoring import LinearScorer
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

# Enough words for hash tables to grow.
_TEXTS = [f"a film of {year}" for year in range(1000, 5000)]


def compile_kernels() -> None:
    """Compile all kernels of training, searches and predictions."""
    with TemporaryDirectory() as folder:
        for analyzer in ("char_wb", "word"):
            for memory in (folder, None):
                vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 2), memory=memory)
                vectorizer.fit_transform(_TEXTS)
                vectorizer.transform(_TEXTS)
    scorer = LinearScorer.from_vectorizer(vectorizer, np.ones((1, len(vectorizer.idf_))))
    if scorer is not None:
        scorer.decision_function(_TEXTS)
    make_union({"words": CountVectorizer(), "weights": TfidfVectorizer()}).fit_transform(_TEXTS)
    frame = pd.DataFrame({"text": _TEXTS})
    codes = np.arange(len(frame)) % 2
    rows = TfidfVectorizer().fit_transform(_TEXTS)
    LogisticRegression(solver="auto", tol=0.01).fit(rows, np.arange(len(frame)) % 3)
    # For such a small tolerance, kernels are needed in single and in double precision.
    LogisticRegression(solver="auto", tol=1e-5).fit_labels(rows, codes[:, np.newaxis] == [0, 1])
    CalibratedClassifierCV(LinearSVC(tol=1e-5), cv=2, ensemble=False).fit(rows, codes)
    find_factors(np.full((len(codes), 3), 1 / 3), codes)
    find_topics(rows, 2, np.random.RandomState(0))
    find_vectors(rows, codes == 0, 2, 0)
    compare_numbers(np.zeros(1), np.zeros(1))
    compute_p_values(np.ones(1), np.ones(1), (1, 1))
    for features in (CountVectorizer(), TfidfVectorizer()):
        pipeline = make_pipeline(features, LogisticRegression(solver="auto")).fit(frame, codes)
        RowExplainer(pipeline).explain(frame, codes)
    _compile_tables()


def _compile_tables() -> None:
    for dialect in (Dialect(escape="\\"), Dialect()):
        split = Split(b'text\n"a ""good"" film"\n', dialect, 1, final=True, needed=[0])
        split.gather(0)
    out, ends = np.empty(len(split.data), np.uint8), np.zeros(split.count + 1, np.int64)
    kernels.join_rows(split.data, split.bounds, np.empty(0, np.uint8), ends, out)
