"""Several labels in a row: training against scikit-learn's OneVsRestClassifier."""

import re
import time
from collections.abc import Callable
from functools import cache, partial
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from reviews import SEED, read_reviews
from sklearn import linear_model, svm
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction import text
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline as chain
from timing import OURS, Figure, Plan, compare

from sentiment.config import compose, make
from sentiment.data.label_sets import join_labels, make_indicators, stratify
from sentiment.modeling.evaluation import evaluate, score
from sentiment.modeling.pipeline import fit, make_pipeline

ROWS = 20_000
# Topics of reviews. Their words are removed from the texts, so that a model has to find each topic
# by the other words.
TOPICS = {
    words.split()[0]: words.split()
    for words in """
    acting actor actors actress performance
    animal animals dog dogs cat
    animation animated cartoon anime
    adaptation novel book author
    alien aliens space spaceship
    britain british england london
    camera cinematography photography shot
    car cars driving race
    child children kids kid
    christmas holiday holidays
    comedy funny comedies hilarious
    costume costumes sets makeup
    cop cops police detective
    crime criminal gangster mob
    dance dancing dancer ballet
    dialogue dialog lines
    directing director directed direction
    documentary documentaries interviews
    drama dramatic dramas
    drug drugs alcoholic drunk
    dvd video vhs tape
    effects cgi effect
    ending ends climax
    family father mother parents
    fight fighting kung martial
    france french paris
    friend friends friendship
    gay lesbian homosexual
    germany german nazi hitler
    ghost ghosts haunted supernatural
    gun guns shooting bullets
    history historical historic
    horror scary creepy frightening
    japan japanese tokyo samurai
    marriage married wife husband
    money rich millionaire bank
    monster monsters creature creatures
    murder murders murdered killer
    music soundtrack score
    musical song songs singing
    plot storyline
    politics political president government
    prison jail escape
    religion god religious church
    remake original sequel sequels
    romance romantic love
    school teacher students college
    television tv episode episodes
    vampire vampires zombie zombies
    war soldier soldiers army
    """.strip().splitlines()
}


@cache
def read_topics() -> pd.DataFrame:
    """Return reviews, labelled with the topics that they name, without the words of the topics."""
    texts = read_reviews()["text"].drop_duplicates().sample(ROWS, random_state=SEED)
    columns = {}
    for topic, words in TOPICS.items():
        pattern = re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)
        columns[topic] = texts.str.contains(pattern)
        texts = texts.str.replace(pattern, " ", regex=True)
    table = pd.DataFrame(columns)
    labels = [join_labels(table.columns[row], ";") for row in table.to_numpy()]
    return pd.DataFrame({"text": texts.to_numpy(), "label": labels})


def compare_label_sets(plan: Plan) -> dict[str, Figure]:
    """Compare fits of 50 labels with scikit-learn's, on features of the same kind."""
    frame, names = read_topics(), sorted(TOPICS)
    truth = make_indicators(frame["label"], names, ";")
    splits = stratify(truth, {"train": 0.8, "test": 0.2}, SEED)
    dense = truth.toarray().astype(int)
    is_train, is_test = splits == "train", splits == "test"
    vectorizer = text.TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True
    )
    theirs = {
        "logistic_regression": linear_model.LogisticRegression(C=10.0, max_iter=1000),
        "svm": CalibratedClassifierCV(
            svm.LinearSVC(C=0.3, random_state=SEED), cv=3, ensemble=False
        ),
    }
    figures = {}
    for name, classifier in theirs.items():
        cfg = compose("train", [f"model={name}", "memory=null"])
        ours = make_pipeline(make(cfg, "features"), make(cfg, "model"), ";")
        reference = chain(vectorizer, OneVsRestClassifier(classifier))
        fitted: dict[str, Any] = {}
        cpu: dict[str, list[float]] = {"ours": [], "theirs": []}

        def work_ours(ours: Any = ours, fitted: dict[str, Any] = fitted) -> None:
            fitted["ours"] = fit(clone(ours), frame[is_train])

        def work_theirs(reference: Any = reference, fitted: dict[str, Any] = fitted) -> None:
            fitted["theirs"] = clone(reference).fit(frame["text"][is_train], dense[is_train])

        works = {
            OURS: partial(_count_cpu, work_ours, cpu["ours"]),
            "scikit-learn": partial(_count_cpu, work_theirs, cpu["theirs"]),
        }
        figure = compare(
            f"training model={name}, {is_train.sum():,} reviews with {len(names)} labels", works,
            plan.slow_rounds, target=10, aim=30,
        )  # fmt: skip
        scores = score(evaluate(fitted["ours"], frame[is_test]))
        predicted = fitted["theirs"].predict(frame["text"][is_test])
        figure.more.update(
            {f"f1_{average}_ours": 100 * scores[f"f1_{average}"] for average in ("micro", "macro")}
            | {
                f"f1_{average}_scikit_learn": 100
                * float(f1_score(dense[is_test], predicted, average=average, zero_division=0))
                for average in ("micro", "macro")
            }
            | {"labels_per_row": float(np.mean(dense.sum(axis=1)))}
            # Of the counted rounds; other work on the machine affects these seconds less.
            | {f"cpu_seconds_{name}": median(durations[1:]) for name, durations in cpu.items()}
            | {"ratio_of_cpu_seconds": median(cpu["theirs"][1:]) / median(cpu["ours"][1:])}
        )
        figures[f"label_sets_{name}"] = figure
    return figures


def _count_cpu(work: Callable[[], None], seconds: list[float]) -> None:
    start = time.process_time()
    work()
    seconds.append(time.process_time() - start)
