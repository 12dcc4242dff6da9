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
        gave the same label to all texts.
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
        Columns ``text``, ``label`` and ``labeler``. Rows with a missing value are ignored. If a
        person labelled a text more than once, the last label counts.

    Examples
    --------
    >>> rows = [(str(n), label, who) for who in ("ann", "bob") for n, label in enumerate("aabb")]
    >>> measure_agreement(pd.DataFrame(rows, columns=["text", "label", "labeler"]))[0].describe()
    "ann and bob: 100 % of 4 texts that both labelled, Cohen's kappa 1.00"
    """
    complete = rows.dropna(subset=["text", "label", "labeler"])
    table = complete.groupby(["text", "labeler"])["label"].last().unstack()
    agreements = []
    for first, second in combinations(sorted(map(str, table)), 2):
        pair = table[[first, second]].dropna()
        if pair.empty:
            continue
        first_labels, second_labels = pair[first].to_numpy(str), pair[second].to_numpy(str)
        # With a single label, kappa is 0 / 0, and scikit-learn warns.
        kappa = (
            cohen_kappa_score(first_labels, second_labels)
            if len({*first_labels, *second_labels}) > 1
            else float("nan")
        )
        share = float((first_labels == second_labels).mean())
        agreements.append(Agreement((first, second), len(pair), share, float(kappa)))
    return agreements
