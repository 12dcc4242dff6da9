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

# The column with the file of a row.
FILE = "file"


class Chain:
    """Files with the same columns that are read as one input.

    Parameters
    ----------
    members : sequence of Input
        At least one, all of the same kind.
    folder : Path
        The folder that contains all of them.

    Attributes
    ----------
    kind, columns : str, list of str
        Kind and columns of all members.
    origin : Origin
        The origin of the files.
    assumed : list of str
        Detected parts of the layout of each member.
    is_uniform : bool
        True if lines of all members can be copied into one output unchanged.

    Raises
    ------
    ConfigError
        They are of different kinds or have different columns.
    """

    def __init__(self, members: Sequence[Input], folder: Path) -> None:
        first_member = self.first = members[0]
        for member in members:
            same_types = member.kind != "parquet" or member.layout == first_member.layout
            if (member.kind, member.columns) != (
                first_member.kind,
                first_member.columns,
            ) or not same_types:
                raise ConfigError(
                    [
                        f"'{first_member.origin.name}' and '{member.origin.name}' do not fit into "
                        f"one output: {first_member.kind} of {_describe(first_member)}, and "
                        f"{member.kind} of {_describe(member)}. Set together=false."
                    ]
                )
        self.members = members
        # A name may contain bytes that are not UTF-8.
        self._names = [
            show_value(os.fsencode(member.origin.path.relative_to(folder)))
            for member in members
            if member.origin.path
        ]
        self.kind, self.columns = first_member.kind, first_member.columns
        self.origin = Origin(
            str(folder),
            {"input": [member.origin.identity for member in members]},
            folder.resolve(),
            first_member.origin.ending,
        )
        self.layout = first_member.layout
        self.assumed = [
            f"{member.origin.name}: {assumption}"
            for member in members
            for assumption in member.assumed
        ]
        self.is_uniform = all(member.layout == first_member.layout for member in members)
        self.share = 0.0

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on; rows and lines are counted per file."""
        sizes = [reject.origin.identity["size"] for reject in self.members]
        for number, member in enumerate(self.members):
            if number < start.file:
                continue
            member_start = replace(start, file=0) if number == start.file else Position()
            for batch in member.read(text_column, limits, member_start):
                bytes_read = sum(sizes[:number]) + member.share * sizes[number]
                self.share = bytes_read / max(sum(sizes), 1)
                yield replace(
                    batch, end=replace(batch.end, file=number), file=self._names[number],
                    rejects=[replace(reject, file=self._names[number]) for reject in batch.rejects],
                )  # fmt: skip

    @staticmethod
    def add_file(batch: Batch, predictions: pa.RecordBatch) -> pa.RecordBatch:
        """Return `predictions` with a first column that names the file of the rows."""
        codes = pa.array([0] * predictions.num_rows, pa.int32())
        names = pa.DictionaryArray.from_arrays(codes, [batch.file])
        return predictions.add_column(0, FILE, names)


def _describe(member: Input) -> str:
    if member.kind == "parquet":
        return str(member.layout).replace("\n", ", ")
    return ", ".join(member.columns)
