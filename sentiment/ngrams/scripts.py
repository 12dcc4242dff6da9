"""Detection of texts in scripts without spaces between words."""

import re
from collections.abc import Iterable, Iterator, Sequence

# Thai and Lao, Tibetan, Burmese, Khmer, Japanese and Chinese.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
# Their words have 1.5 (Chinese) to 5 (Thai) characters; longer runs are phrases or sentences. Texts
# whose words were separated before have shorter runs.
_LONGEST_WORD = 6
# Least number of texts in the sample: the standard error of a share is at most 1.6 %.
_LOOKED_AT = 1000


def measure_unspaced(texts: Sequence[str]) -> float:
    """Return the share of `texts` in a script without spaces, estimated from a sample."""
    chosen = texts[:: max(len(texts) // _LOOKED_AT, 1)]
    return sum(map(_is_unspaced, chosen)) / len(chosen) if len(chosen) else 0.0


def find_unspaced(texts: Iterable[str]) -> Iterator[str]:
    """Yield those of `texts` that are in a script without spaces between words."""
    return filter(_is_unspaced, texts)


def _is_unspaced(text: str) -> bool:
    """Return whether most letters of `text` are in long runs of a script without spaces."""
    if text.isascii():
        return False
    runs = [len(run) for run in _UNSPACED.findall(text)]
    letters = sum(map(str.isalpha, text))
    return 2 * sum(runs) > letters and sum(runs) > _LONGEST_WORD * len(runs)
