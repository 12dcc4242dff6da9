"""Copies of texts: rows with the same text, and the choice of the row that stays."""

import re
from hashlib import blake2b
from unicodedata import normalize

import numpy as np
import pandas as pd

from sentiment.ngrams.cleaning import clean_text

# Invisible characters: Default_Ignorable_Code_Point of the Unicode Character Database, such as soft
# hyphens, zero-width spaces and joiners, byte order marks and variation selectors.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def fold_text(text: str) -> str:
    """Return the form of `text` in which copies are equal.

    HTML tags and entities, white space and invisible characters are removed. The rest is compared
    by the compatibility caseless match of the Unicode Standard (section 3.13, D146), which ignores
    case, composed or decomposed accents, and wide, narrow or joined forms of letters. All other
    differences count, NUL included.

    Examples
    --------
    >>> fold_text("Cafe\u0301<br />  &amp; BAR") == fold_text("caf\u00e9 & bar")
    True
    """
    text = clean_text(text)
    if text.isascii():
        return text.strip().lower()
    # ASCII is in normal form already, and no character combines across white space.
    words = [word if word.isascii() else _fold_word(word) for word in text.split()]
    return " ".join(filter(None, words)).lower()


def _fold_word(word: str) -> str:
    word = normalize("NFD", _INVISIBLE.sub("", word)).casefold()
    word = normalize("NFKC", normalize("NFKD", word).casefold())
    return " ".join(word.split())  # an accent alone becomes white space with an accent


def add_keys(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with the columns ``length`` and ``key``.

    Two rows share a ``key``, a number, if and only if `fold_text` returns the same for their
    texts; ``length`` is the number of characters of that form, 0 for a missing text.
    """
    digests, lengths = [], np.zeros(len(frame), np.int64)
    for row, text in enumerate(frame["text"].to_numpy(dtype=object)):
        folded = fold_text(text) if isinstance(text, str) else ""
        lengths[row] = len(folded)
        # Digests compare any characters exactly, and the folded texts need not stay in memory.
        digests.append(blake2b(folded.encode(errors="surrogatepass"), digest_size=16).digest())
    return frame.assign(key=pd.factorize(np.array(digests, dtype=object))[0], length=lengths)


def find_conflicts(frame: pd.DataFrame) -> pd.Series:
    """Return True for rows whose text also occurs with another label."""
    codes = pd.factorize(frame["label"], use_na_sentinel=False)[0]
    labels = pd.Series(codes, index=frame.index).groupby(frame["key"])
    return labels.transform("min") != labels.transform("max")


def find_copies(frame: pd.DataFrame) -> pd.Series:
    """Return True for rows that repeat the text of an earlier row."""
    return frame["key"].duplicated()


def find_surplus(frame: pd.DataFrame) -> pd.Series:
    """Return why each row is dropped as a surplus copy; "" for rows that stay.

    If the same text has two labels, all of its rows are dropped; otherwise, its first row stays. An
    official test split stays complete, and its texts are removed from the other splits; texts of an
    official validation split are removed from the training rows.

    Parameters
    ----------
    frame : DataFrame
        Columns ``key`` and ``label``, and ``split`` if the data have official splits.
    """
    splits = frame["split"].to_numpy(object) if "split" in frame else np.full(len(frame), "train")
    ranks = np.select([splits == "test", splits == "validation"], [0, 1], 2)
    by_priority = frame.iloc[np.argsort(ranks, kind="stable")]
    copies = find_copies(by_priority).reindex(frame.index)
    reasons = np.select([find_conflicts(frame), copies], ["conflicting_labels", "duplicates"], "")
    reasons[splits == "test"] = ""
    return pd.Series(reasons, index=frame.index, dtype="str")
