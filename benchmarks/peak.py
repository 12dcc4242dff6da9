"""Print the peak memory, in MB, of a process that fits a file: peak.py FILE LONGEST_NGRAM."""

import sys
from pathlib import Path

from vectorizing import WORDS

from sentiment.data.datasets import TableFile
from sentiment.ngrams.vectorizers import TfidfVectorizer


def read_peak() -> float:
    """Return the high-water mark of this process in MB, as Linux keeps it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    """Read a file of the Kaggle shape and fit a vectorizer on its texts."""
    path, longest = sys.argv[1:]
    dataset = TableFile(name="kaggle", path=path, text_column="review", label_column="sentiment")
    texts = dataset.read()["text"]
    TfidfVectorizer(**WORDS, ngram_range=(1, int(longest))).fit_transform(texts)
    print(read_peak())


if __name__ == "__main__":
    main()
