"""Interface of all inputs."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from sentiment.files.batches import Batch, Limits, Position
from sentiment.files.origins import Origin


class Input(Protocol):
    """Rows that are read once, from the beginning or from a place behind a batch on.

    Attributes
    ----------
    kind : {"csv", "parquet", "jsonl"}
        The format of an output that is like it.
    columns : list of str
        Names of the columns, or those of the fields that the first rows have.
    origin : Origin
        Where it is.
    """

    kind: str
    columns: list[str]
    origin: Origin

    @property
    def assumed(self) -> Sequence[str]:
        """Detected parts of its layout that are not certain."""

    @property
    def layout(self) -> object:
        """Equal for inputs whose rows can share one output."""

    @property
    def share(self) -> float:
        """Share that has been read, from 0 to 1; 0 where that is not known."""

    def read(self, text_column: str, limits: Limits, start: Position) -> Iterator[Batch]:
        """Yield the rows from `start` on."""
