"""Several files that are read as one input."""

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from sentiment.errors import ConfigError
from sentiment.files.batches import Batch, Limits, Position
from sentiment.files.inputs import Input
from sentiment.files.origins import Origin
from sentiment.files.values import show_value

# The column with the file that a row is from.
FILE = "file"


class Chain:
    """Files of the same columns, one after the other.

    Parameters
    ----------
    members : sequence of Input
        At least one, all of the same kind.
    folder : Path
        The folder that all are in.

    Attributes
    ----------
    kind, columns : str, list of str
        Those of all members.
    origin : Origin
        Where they are.
    assumed : list of str
        What was detected of the layout of each member.
    alike : bool
        True if lines of all members can be copied into one output as they are.

    Raises
    ------
    ConfigError
        They are of different kinds or have different columns.
    """

    def __init__(self, members: Sequence[Input], folder: Path) -> None:
        first = self.first = members[0]
        for other in members:
            same_types = other.kind != "parquet" or other.layout == first.layout
            if (other.kind, other.columns) != (first.kind, first.columns) or not same_types:
                raise ConfigError(
                    [
                        f"'{first.origin.name}' and '{other.origin.name}' do not fit into one "
                        f"output: {first.kind} of {_describe(first)}, and {other.kind} of "
                        f"{_describe(other)}. Set together=false."
                    ]
                )
        self.members = members
        # A name may hold bytes that are not UTF-8.
        self._names = [
            show_value(os.fsencode(one.origin.path.relative_to(folder)))
            for one in members
            if one.origin.path
        ]
        self.kind, self.columns = first.kind, first.columns
        self.origin = Origin(
            str(folder),
            {"input": [one.origin.identity for one in members]},
            folder.resolve(),
            first.origin.ending,
        )
        self.layout = first.layout
        self.assumed = [f"{one.origin.name}: {found}" for one in members for found in one.assumed]
        self.alike = all(one.layout == first.layout for one in members)
        self.share = 0.0

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on; rows and lines are counted in each file anew."""
        sizes = [one.origin.identity["size"] for one in self.members]
        for number, member in enumerate(self.members):
            if number < start.file:
                continue
            begin = replace(start, file=0) if number == start.file else Position()
            for batch in member.read(text_column, limits, begin):
                read = sum(sizes[:number]) + member.share * sizes[number]
                self.share = read / max(sum(sizes), 1)
                yield replace(
                    batch, end=replace(batch.end, file=number), file=self._names[number],
                    rejects=[replace(one, file=self._names[number]) for one in batch.rejects],
                )  # fmt: skip

    @staticmethod
    def add_file(batch: Batch, predictions: pa.RecordBatch) -> pa.RecordBatch:
        """Return `predictions` with a first column that names the file of their rows."""
        codes = pa.array([0] * predictions.num_rows, pa.int32())
        names = pa.DictionaryArray.from_arrays(codes, [batch.file])
        return predictions.add_column(0, FILE, names)


def _describe(member: Input) -> str:
    if member.kind == "parquet":
        return str(member.layout).replace("\n", ", ")
    return ", ".join(member.columns)
