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
# What reviews are about: the words that say so are taken out of the texts, so that a model has to
# find each topic by what else is said.
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
    """Return reviews with the topics that they name, whose words are no longer in them."""
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
    parts = stratify(truth, {"train": 0.8, "test": 0.2}, SEED)
    dense = truth.toarray().astype(int)
    learned, held_out = parts == "train", parts == "test"
    words = text.TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True
    )
    theirs = {
        "logistic_regression": linear_model.LogisticRegression(C=10.0, max_iter=1000),
        "svm": CalibratedClassifierCV(
            svm.LinearSVC(C=0.3, random_state=SEED), cv=3, ensemble=False
        ),
    }
    figures = {}
    for name, machine in theirs.items():
        cfg = compose("train", [f"model={name}", "memory=null"])
        ours = make_pipeline(make(cfg, "features"), make(cfg, "model"), ";")
        plain = chain(words, OneVsRestClassifier(machine))
        fitted: dict[str, Any] = {}
        cpu: dict[str, list[float]] = {"ours": [], "theirs": []}

        def work_ours(ours: Any = ours, fitted: dict[str, Any] = fitted) -> None:
            fitted["ours"] = fit(clone(ours), frame[learned])

        def work_theirs(plain: Any = plain, fitted: dict[str, Any] = fitted) -> None:
            fitted["theirs"] = clone(plain).fit(frame["text"][learned], dense[learned])

        works = {
            OURS: partial(_count_cpu, work_ours, cpu["ours"]),
            "scikit-learn": partial(_count_cpu, work_theirs, cpu["theirs"]),
        }
        figure = compare(
            f"training model={name}, {learned.sum():,} reviews with {len(names)} labels", works,
            plan.slow_rounds, target=10, aim=30,
        )  # fmt: skip
        found = score(evaluate(fitted["ours"], frame[held_out]))
        predicted = fitted["theirs"].predict(frame["text"][held_out])
        figure.more.update(
            {f"f1_{average}_ours": 100 * found[f"f1_{average}"] for average in ("micro", "macro")}
            | {
                f"f1_{average}_scikit_learn": 100
                * float(f1_score(dense[held_out], predicted, average=average, zero_division=0))
                for average in ("micro", "macro")
            }
            | {"labels_per_row": float(np.mean(dense.sum(axis=1)))}
            # Of the rounds that count; other work on the machine lengthens these seconds less.
            | {f"cpu_seconds_{name}": median(spent[1:]) for name, spent in cpu.items()}
            | {"ratio_of_cpu_seconds": median(cpu["theirs"][1:]) / median(cpu["ours"][1:])}
        )
        figures[f"label_sets_{name}"] = figure
    return figures


def _count_cpu(work: Callable[[], None], seconds: list[float]) -> None:
    start = time.process_time()
    work()
    seconds.append(time.process_time() - start)
