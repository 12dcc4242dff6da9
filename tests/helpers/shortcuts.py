"""Shortcuts past slow work that most tests repeat and never look at.

Training a small model in a new folder takes seconds, most of which go into the tables of a new
tracking store, nine figures, parsing 33,530 embedded reviews to use 300 of them, and parsing the
same configs again. With the shortcuts, the tables of a process's first store are copied for its
later ones, reviews, config files and the grammar of interpolations are parsed once in a process,
and figures are blank. Scripts that run as plain processes take no shortcut, and tests of figures
use `real_figures`.
"""

import functools
import pickle
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

# One transparent pixel.
BLANK = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000b"
    "4944415478da636000020000050001e9fadcd80000000049454e44ae426082"
)
Function = Callable[..., Any]
_in_full = False


def install() -> None:
    """Take the shortcuts in all modules that are imported by now."""
    _replace("mlflow.store.db.utils", None, "_initialize_tables", _copy_tables)
    _replace("matplotlib.figure", "Figure", "savefig", _save_blank)
    _replace("sentiment.commands.train.drawing", None, "draw_all", _draw_blank)
    _replace("sentiment.data.datasets", "EmbeddedReviews", "read", _read_once)
    source = "hydra._internal.core_plugins.file_config_source"
    _replace(source, "FileConfigSource", "load_config", _load_once)
    for module in ("omegaconf.base", "omegaconf._utils"):
        _replace(module, None, "parse", functools.lru_cache(4096))


@contextmanager
def real_figures() -> Iterator[None]:
    """Draw figures in full."""
    global _in_full
    _in_full = True
    try:
        yield
    finally:
        _in_full = False


def _replace(
    module: str, member: str | None, name: str, make: Callable[[Function], Function]
) -> None:
    """Replace a function by what `make` returns for it, once its module is imported."""
    owner: Any = sys.modules.get(module)
    if owner is not None and member is not None:
        owner = getattr(owner, member)
    if owner is not None and not hasattr(getattr(owner, name), "__wrapped__"):
        real = getattr(owner, name)
        setattr(owner, name, functools.wraps(real)(make(real)))


def make_tables() -> None:
    """Make the tables that are copied; processes that are forked from this one have them too."""
    from mlflow.store.db import utils
    from sqlalchemy import create_engine

    with TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/empty.db")
        utils._initialize_tables(engine)
        engine.dispose()


def _copy_tables(create: Function) -> Function:
    """Return a function that copies the tables of an empty store into a new one of sqlite."""
    made: list[bytes] = []

    def copy(engine: Any) -> None:
        path = engine.url.database
        if engine.dialect.name != "sqlite" or path in (None, "", ":memory:"):
            create(engine)
        elif not made:
            create(engine)
            with closing(sqlite3.connect(path)) as database:
                made.append(database.serialize())
        else:
            memory, database = sqlite3.connect(":memory:"), sqlite3.connect(path)
            with closing(memory), closing(database):
                memory.deserialize(made[0])
                memory.backup(database)

    return copy


def _save_blank(save: Function) -> Function:
    """Return a function that writes one pixel in place of a figure."""

    def write(figure: Any, path: Any, **options: Any) -> None:
        if _in_full or not isinstance(path, Path) or path.suffix != ".png":
            save(figure, path, **options)
        else:
            path.write_bytes(BLANK)

    return write


def _draw_blank(draw: Function) -> Function:
    """Return a function that writes one pixel in place of each figure of a training."""

    def write(drawings: Any) -> None:
        if _in_full:
            draw(drawings)
        else:
            for *_, path in drawings:
                path.write_bytes(BLANK)

    return write


def _read_once(read: Function) -> Function:
    """Return a function that parses the embedded reviews of a source once."""
    frames: dict[str, pd.DataFrame] = {}

    def recall(dataset: Any) -> pd.DataFrame:
        if dataset.source not in frames:
            frames[dataset.source] = read(dataset)
        return frames[dataset.source].copy()

    return recall


def _load_once(load: Function) -> Function:
    """Return a function that parses a config file once, until it changes."""
    made: dict[tuple[Any, ...], bytes] = {}

    def recall(source: Any, config_path: str) -> Any:
        try:
            state = Path(source.path, source._normalize_file_name(config_path)).stat()
        except OSError:
            return load(source, config_path)
        changed = (state.st_mtime_ns, state.st_size, state.st_ino)
        key = (source.provider, source.path, config_path, *changed)
        if key not in made:
            made[key] = pickle.dumps(load(source, config_path))
        return pickle.loads(made[key])

    return recall
