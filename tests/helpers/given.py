"""Data sets of rows that a test lists."""

from dataclasses import dataclass, field

import pandas as pd

from sentiment.data.datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class Given(Dataset):
    """A data set from a list of rows and a list of texts.

    Parameters
    ----------
    rows : list of tuple
        Text and label of each row and, if it is given, its split.
    more : list of str
        Texts without a label.
    """

    rows: list[tuple[str | None, ...]]
    more: list[str | None] = field(default_factory=list)

    def read(self) -> pd.DataFrame:
        columns = ["text", "label", "split"][: max(map(len, self.rows), default=2)]
        return pd.DataFrame(self.rows, columns=columns, dtype="str")

    def read_unlabelled(self) -> pd.Series:
        return pd.Series(self.more, dtype="str")
