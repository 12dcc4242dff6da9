"""Agreement between people who have labelled the same texts."""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd
from sklearn.metrics import cohen_kappa_score

from sentiment.errors import count_of, show_share
from sentiment.redaction.printable import show_name


@dataclass(frozen=True)
class Agreement:
    """Agreement of two people.

    Attributes
    ----------
    labelers : (str, str)
        Their names.
    texts : int
        Number of texts that both have labelled.
    share : float
        Share of these texts with the same label.
    kappa : float
        Cohen's kappa, the agreement beyond chance: 0 for chance, 1 for full agreement; NaN if both
        used one and the same label only.
    """

    labelers: tuple[str, str]
    texts: int
    share: float
    kappa: float

    def describe(self) -> str:
        """Return the agreement in words."""
        first, second = map(show_name, self.labelers)
        kappa = "" if self.kappa != self.kappa else f", Cohen's kappa {self.kappa:.2f}"
        return (
            f"{first} and {second}: {show_share(self.share)} of {count_of(self.texts, 'text')} "
            f"that both labelled{kappa}"
        )


def measure_agreement(rows: pd.DataFrame) -> list[Agreement]:
    """Return the agreement of each pair of people with texts in common.

    Parameters
    ----------
    rows : DataFrame
        Columns ``text``, ``label`` and ``labeler``; rows without one of these do not count, and of
        several by one person on one text, the last does.

    Examples
    --------
    >>> rows = [(str(n), label, who) for who in ("ann", "bob") for n, label in enumerate("aabb")]
    >>> measure_agreement(pd.DataFrame(rows, columns=["text", "label", "labeler"]))[0].describe()
    "ann and bob: 100 % of 4 texts that both labelled, Cohen's kappa 1.00"
    """
    known = rows.dropna(subset=["text", "label", "labeler"])
    table = known.groupby(["text", "labeler"])["label"].last().unstack()
    found = []
    for first, second in combinations(sorted(map(str, table)), 2):
        both = table[[first, second]].dropna()
        if both.empty:
            continue
        a, b = both[first].to_numpy(str), both[second].to_numpy(str)
        # Otherwise it is 0 / 0, and scikit-learn warns.
        kappa = cohen_kappa_score(a, b) if len({*a, *b}) > 1 else float("nan")
        share = float((a == b).mean())
        found.append(Agreement((first, second), len(both), share, float(kappa)))
    return found
