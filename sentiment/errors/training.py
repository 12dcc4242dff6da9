"""What may be wrong with the data and the settings of a training."""

from collections.abc import Sequence

from sentiment.errors.base import SentimentError, quote_list


class BadRowsError(SentimentError, ValueError):
    """Rows cannot be used and the configuration says not to drop them."""

    def __init__(self, counts: dict[str, int], rows: int, faults: Sequence[str] = ()) -> None:
        listed = ", ".join(f"{reason.replace('_', ' ')}: {n:,}" for reason, n in counts.items())
        first = f" The first that cannot be read is in {faults[0]}." if faults else ""
        super().__init__(
            f"{sum(counts.values()):,} of {rows:,} rows cannot be used ({listed}) and "
            f"data.on_bad_rows=error.{first} Mend them, or drop them with data.on_bad_rows=drop."
        )


class TooFewClassesError(SentimentError, ValueError):
    """Classification needs two classes at least."""

    def __init__(self, classes: Sequence[str], where: str) -> None:
        super().__init__(
            f"{where} has {len(classes)} class{'es' * (len(classes) != 1)} "
            f"({quote_list(classes)}); expected two or more. "
            "Check that the label column is the right one and that the file is not sorted and cut."
        )


class TooFewRowsError(SentimentError, ValueError):
    """A class, or the whole data set, is too small to be split."""

    def __init__(self, label: str, rows: int, needed: int, purpose: str) -> None:
        super().__init__(
            f"class {label!r} has {rows:,} row{'s' * (rows != 1)}, but {purpose} needs at least "
            f"{needed:,} of each class. Add rows, merge or remove rare classes, or raise "
            "data.limit."
        )


class FitError(SentimentError, ValueError):
    """scikit-learn refused the data or the settings while fitting."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"scikit-learn could not fit the pipeline: {reason.strip().rstrip('.')}. "
            "Change the features or model settings named there, or look at the data they meet."
        )


class UnsavableModelError(SentimentError, TypeError):
    """A fitted model holds something that would not be loaded again."""

    def __init__(self, model: str, strangers: Sequence[str]) -> None:
        super().__init__(
            f"the fitted {model} holds {quote_list(strangers)}, which this project does not load "
            "from a file, so it was not saved. Choose another model or another setting of it."
        )
