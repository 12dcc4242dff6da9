"""Interface of all inputs."""

from collections.abc import Generator, Sequence
from typing import Protocol

from sentiment.files.batches import Batch, Limits, Position
from sentiment.files.origins import Origin


class Input(Protocol):
    """Rows that can be read once, from the beginning or from the end of a batch on.

    Attributes
    ----------
    kind : {"csv", "parquet", "jsonl"}
        The format of an output that copies the rows.
    columns : list of str
        Names of the columns, or of the fields of the first rows.
    origin : Origin
        Name, identity and location.
    """

    kind: str
    columns: list[str]
    origin: Origin

    @property
    def assumed(self) -> Sequence[str]:
        """Detected parts of its layout that are not certain."""

    @property
    def layout(self) -> object:
        """Layout of the rows: inputs with equal layouts can share one output."""

    @property
    def share(self) -> float:
        """Share of the input that has been read, from 0 to 1; 0 if unknown."""

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on."""
