"""Errors of data and settings of training."""

from collections.abc import Mapping, Sequence

from sentiment.errors.base import LISTED, SentimentError, list_first, quote_name


class BadRowsError(SentimentError, ValueError):
    """There are unusable rows, and the configuration forbids to drop them."""

    def __init__(self, counts: dict[str, int], rows: int, faults: Sequence[str] = ()) -> None:
        reasons = ", ".join(f"{reason.replace('_', ' ')}: {n:,}" for reason, n in counts.items())
        first_fault = f" The first that cannot be read is in {faults[0]}." if faults else ""
        super().__init__(
            f"{sum(counts.values()):,} of {rows:,} rows cannot be used ({reasons}) and "
            f"data.on_bad_rows=error.{first_fault} Correct them, or drop them with "
            "data.on_bad_rows=drop."
        )


class TooFewClassesError(SentimentError, ValueError):
    """There are fewer than two classes."""

    def __init__(self, counts: Mapping[str, int], where: str, left_out: str) -> None:
        class_counts = f" ({list_counts(counts)})" if counts else ""
        super().__init__(
            f"{where} has {len(counts)} class{'es' * (len(counts) != 1)}{class_counts}; expected "
            f"two or more. {left_out}{' ' * bool(left_out)}Check that the label column is the "
            "right one, that every class has a label, and that the file is not cut behind its "
            "first class."
        )


class TooFewRowsError(SentimentError, ValueError):
    """Classes have too few rows; the message lists all of them."""

    def __init__(
        self, small: Mapping[str, int], classes: int, needed: int, purpose: str,
        left_out: str = "", remedy: str = "", min_per_class: int | None = None,
    ) -> None:  # fmt: skip
        advice = (
            "; a larger data.min_per_class merges more of them"
            if min_per_class is None
            else f", with data.min_per_class={min_per_class}"
        )
        # Two classes have to remain, one of which may be the merged class.
        n_remaining = classes - len(small)
        if n_remaining > 1:
            rare = (
                ", leave small classes out or merge them (data.rare=drop or "
                f"data.rare=merge{advice})"
            )
        else:
            joint = "," if remedy else " or"
            rare = f"{joint} merge small classes (data.rare=merge{advice})"
            rare *= bool(n_remaining and len(small) > 1)
        right = " Is the label column the right one?" * (len(small) > LISTED)
        super().__init__(
            f"{len(small):,} of {classes:,} classes {'is' if len(small) == 1 else 'are'} too "
            f"small ({list_counts(small)}), but {purpose} needs at least {needed:,} different "
            f"texts of each class. {left_out}{' ' * bool(left_out)}Add rows{rare}"
            f"{f', or {remedy}' * bool(remedy)}.{right}"
        )


def list_counts(counts: Mapping[str, int]) -> str:
    """Return labels with their counts, ``'a': 3, 'b': 2 and 4 more``."""
    return list_first([f"{quote_name(label)}: {rows:,}" for label, rows in counts.items()], LISTED)


def list_classes(rows: Mapping[str, int]) -> str:
    """Return the classes and their rows in words; if there are many, the largest ones."""
    many = len(rows) > LISTED
    ordered = sorted(rows, key=lambda label: -rows[label]) if many else rows
    return list_first([f"{rows[label]:,} {quote_name(label)}" for label in ordered], LISTED)


class UnknownSplitsError(SentimentError, ValueError):
    """A column of splits has values that name no split."""

    def __init__(self, column: str, counts: Mapping[str, int]) -> None:
        super().__init__(
            f"the column {column!r} (data.split_column) has {sum(counts.values()):,} rows whose "
            f"value names no split ({list_counts(counts)}); expected train, validation (or valid, "
            "val, dev) or test, in capitals or not. Correct them, or name another column."
        )


class EmptySplitError(SentimentError, ValueError):
    """An official split has no rows."""

    def __init__(self, split: str, official: Sequence[str], left_out: str, remedy: str) -> None:
        official_splits = f"the data bring the official splits {', '.join(official)}"
        super().__init__(
            f"{official_splits}, but no {split} rows are left. {left_out}{' ' * bool(left_out)}"
            f"Texts of the test split leave the others, so check that its rows are not the same"
            f"{f', or {remedy}' * bool(remedy)}."
        )


class UnlearnedClassesError(SentimentError, ValueError):
    """Classes occur only in official validation or test rows."""

    def __init__(self, counts: Mapping[str, int], classes: int, left_out: str = "") -> None:
        is_single = len(counts) == 1
        super().__init__(
            f"{len(counts):,} of {classes:,} classes {'is' if is_single else 'are'} not in the "
            f"training rows, but in other splits ({list_counts(counts)}), so no model can learn "
            f"{'it' if is_single else 'them'}. {left_out}{' ' * bool(left_out)}Add training rows, "
            f"correct {'its' if is_single else 'their'} rows, or leave them out (data.rare=drop)."
        )


class FitError(SentimentError, ValueError):
    """An estimator failed on the data or the settings.

    Parameters
    ----------
    reason : str
        Its error.
    action : {"fit", "evaluate"}
        The action that failed.
    location : str
        File and line of the user's code that raised it; empty if it is not the user's code.
    """

    def __init__(self, reason: str, action: str = "fit", location: str = "") -> None:
        details = ", in ".join(part for part in (reason.strip().rstrip(":."), location) if part)
        super().__init__(
            f"scikit-learn could not {action} the pipeline: {details}. "
            "Change the features or model settings named there, or look at the data they meet."
        )


def _show_size(megabytes: float) -> str:
    return f"{megabytes:,.0f}" if megabytes >= 1 else f"{megabytes:.2g}"


class DenseRowsError(SentimentError, ValueError):
    """Rows are too large to be converted to dense rows for an estimator."""

    def __init__(self, estimator: str, rows: int, columns: int, size: float, limit: float) -> None:
        fitting = int(columns * limit / size)
        super().__init__(
            f"{estimator} takes dense rows only, and {rows:,} rows of {columns:,} features take "
            f"{_show_size(size)} MB; the limit is {_show_size(limit)} MB. Use fewer features, such "
            f"as features.max_features={fitting} or features=lsa, or another model."
        )
