"""Detection of texts in scripts without spaces between words, and of texts without a word."""

import re
from collections.abc import Iterable, Iterator, Sequence

# Characters of Japanese and Chinese, and of Thai and Lao, Tibetan, Burmese, Khmer.
_IDEOGRAPHIC = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ALPHABETIC = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
UNSPACED = _IDEOGRAPHIC + _ALPHABETIC
_UNSPACED = re.compile(f"([{_IDEOGRAPHIC}]+)|([{_ALPHABETIC}]+)")
_WORD = re.compile(r"\w\w")  # as in the default token pattern
# Their words have 1.5 to 2 and about 5 characters; runs that are longer on average are phrases or
# sentences. Texts with separated words have shorter runs: 0.2 % of Chinese reviews have longer runs
# after jieba has separated their words, and 98 % before.
_LONGEST_IDEOGRAPHIC, _LONGEST_ALPHABETIC = 3, 6
# Smallest number of texts in the sample: the standard error of a share is at most 1.6 %.
_SAMPLE_SIZE = 1000


def measure_unspaced(texts: Sequence[str]) -> float:
    """Return the share of `texts` that `find_unspaced` yields, estimated from a sample."""
    sample = texts[:: max(len(texts) // _SAMPLE_SIZE, 1)]
    return sum(map(_is_unspaced, sample)) / len(sample) if len(sample) else 0.0


def find_unspaced(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts in a script without spaces, or without a word, such as emoji."""
    return filter(_is_unspaced, texts)


def _is_unspaced(text: str) -> bool:
    """Return whether `text` has no word, or mostly long runs of a script without spaces."""
    if not _WORD.search(text):
        return bool(text.strip())
    if text.isascii():
        return False
    size = max_size = 0
    for ideographic, alphabetic in _UNSPACED.findall(text):
        size += len(ideographic or alphabetic)
        max_size += _LONGEST_IDEOGRAPHIC if ideographic else _LONGEST_ALPHABETIC
    return size > max_size and 2 * size > sum(map(str.isalpha, text))
