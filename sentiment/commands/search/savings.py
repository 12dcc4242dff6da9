"""Time saved by counting texts once."""

from collections.abc import Iterable

from sentiment.commands.search.results import JobResult

_STAGE = "stage/count_texts_seconds"
# Settings that change what is counted; all others cut from the same counts.
_COUNTED = ("analyzer", "lowercase", "ngram_range", "stop_words", "strip_accents", "token_pattern")


def estimate_savings(results: Iterable[JobResult]) -> tuple[int, float]:
    """Return how many jobs found their counts made, and the seconds that this saved at least.

    Of jobs that count alike, the slowest made the counts. If even that one found them, from an
    earlier sweep or in those of longer n-grams, there is nothing to compare with, and its like
    add nothing.
    """
    groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for result in results:
        if _STAGE in result.metrics:
            parts = sorted(result.settings.items())
            key = tuple(part for part in parts if part[0].rpartition(".")[2] in _COUNTED)
            groups.setdefault(key, []).append(result.metrics[_STAGE])
    found = sum(len(seconds) - 1 for seconds in groups.values())
    saved = sum(max(seconds) * len(seconds) - sum(seconds) for seconds in groups.values())
    return found, saved
