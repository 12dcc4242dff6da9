"""Shortcuts past slow work that most tests repeat and never look at.

Training a small model in a new folder takes seconds, most of which go into the tables of a new
tracking store, nine figures, parsing 33,530 embedded reviews to use 300 of them, and parsing and
merging the same configs again. With the shortcuts, the tables of a process's first store are copied
for its later ones, which versions of packages and of MLflow's tables there are is read once,
embedded reviews are parsed and searched for copies once in a process, config files and the grammar
of interpolations are parsed once, the same files are found and merged once, databases of sqlite
leave it to the system when it writes to the disk, which only the loss of power could show, a study
has one figure in place of ten, and figures and reports of Evidently are blank.
Scripts that run as plain processes take no shortcut, and tests of figures and reports use
`real_figures` and `real_reports`.
"""

from __future__ import annotations

import functools
import io
import pickle
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# One transparent pixel.
BLANK = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000b"
    "4944415478da636000020000050001e9fadcd80000000049454e44ae426082"
)
# The repository's, which no test changes.
_CONFIGS = str(Path(__file__).resolve().parents[2] / "conf")
_REPORTS = "sentiment.commands.monitor.reports"
Function = Callable[..., Any]
in_full: set[str] = set()


def install() -> None:
    """Take the shortcuts in all modules that are imported by now."""
    _replace("mlflow.store.db.utils", None, "_initialize_tables", _copy_tables)
    _replace("mlflow.store.db.utils", None, "_get_latest_schema_revision", functools.cache)
    _replace("sentiment.tracking.provenance", None, "version", functools.cache)
    _replace("matplotlib.figure", "Figure", "savefig", _save_blank)
    _replace("sentiment.commands.train.drawing", None, "draw_all", _draw_blank)
    _replace("sentiment.commands.search.search", None, "save_study_figures", _save_blank_study)
    if "reports" not in in_full:
        sys.modules.setdefault(_REPORTS, _BlankReports(_REPORTS))
    _replace("sentiment.data.datasets", "EmbeddedReviews", "read", _read_once)
    _replace("sentiment.data.preparation", None, "add_keys", _add_known_keys)
    source = "hydra._internal.core_plugins.file_config_source"
    _replace(source, "FileConfigSource", "load_config", _load_once)
    loader = "hydra._internal.config_loader_impl"
    _replace(loader, None, "create_defaults_list", _list_once)
    _replace(loader, "ConfigLoaderImpl", "_compose_config_from_defaults_list", _merge_once)
    _replace("sqlalchemy.engine.default", "DefaultDialect", "connect", _connect_quickly)
    for module in ("omegaconf.base", "omegaconf._utils"):
        _replace(module, None, "parse", functools.lru_cache(4096))


@contextmanager
def real_figures() -> Iterator[None]:
    """Draw figures in full."""
    in_full.add("figures")
    try:
        yield
    finally:
        in_full.remove("figures")


@contextmanager
def real_reports() -> Iterator[None]:
    """Let Evidently make its reports."""
    use_real_reports()
    try:
        yield
    finally:
        in_full.remove("reports")
        sys.modules[_REPORTS] = _BlankReports(_REPORTS)


@contextmanager
def blank_reports() -> Iterator[None]:
    """Take the shortcut past the reports of Evidently where others are made in full."""
    real = sys.modules.get(_REPORTS)
    sys.modules[_REPORTS] = _BlankReports(_REPORTS)
    try:
        yield
    finally:
        del sys.modules[_REPORTS]
        if real is not None:
            sys.modules[_REPORTS] = real


def use_real_reports() -> None:
    """Let Evidently make its reports from now on."""
    in_full.add("reports")
    sys.modules.pop(_REPORTS, None)


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
        utils._verify_schema(engine)
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
        if "figures" in in_full or not isinstance(path, Path) or path.suffix != ".png":
            save(figure, path, **options)
        else:
            path.write_bytes(BLANK)

    return write


def _draw_blank(draw: Function) -> Function:
    """Return a function that writes one pixel in place of each figure of a training."""

    def write(drawings: Any) -> Any:
        if "figures" in in_full:
            return draw(drawings)
        for *_, path in drawings:
            path.write_bytes(BLANK)
        return set()

    return write


def _save_blank_study(save: Function) -> Function:
    """Return a function that writes one pixel in place of all figures of a study."""

    def write(study: Any, objectives: Any, folder: Path) -> list[str]:
        if "figures" in in_full:
            names: list[str] = save(study, objectives, folder)
            return names
        folder.mkdir(parents=True, exist_ok=True)
        name = "optimization_history.png"
        (folder / name).write_bytes(BLANK)
        return [name]

    return write


class _BlankReport:
    """In place of a report of Evidently."""

    def save_json(self, path: str) -> None:
        Path(path).write_text("{}")


class _BlankReports(ModuleType):
    """In place of the module that makes reports, which takes seconds to import Evidently."""

    @staticmethod
    def make_report(*facts: Any, **more: Any) -> _BlankReport:
        return _BlankReport()

    @staticmethod
    def save_page(report: _BlankReport, path: Path) -> None:
        path.write_text("<html></html>")

    @staticmethod
    def add_to_workspace(*facts: Any) -> None:
        """Add nothing."""


def _read_once(read: Function) -> Function:
    """Return a function that parses the embedded reviews of a source once."""
    frames: dict[str, pd.DataFrame] = {}

    def recall(dataset: Any) -> pd.DataFrame:
        if dataset.source not in frames:
            frames[dataset.source] = read(dataset)
        return frames[dataset.source].copy()

    return recall


def _add_known_keys(add: Function) -> Function:
    """Return a function that folds all reviews of an embedded source once."""
    known: list[tuple[pd.Series, pd.DataFrame]] = []

    def recall(frame: pd.DataFrame) -> pd.DataFrame:
        for texts, keys in known:
            if len(texts) == len(frame) and texts.equals(frame["text"]):
                return frame.assign(**{name: keys[name].to_numpy() for name in keys})
        found: pd.DataFrame = add(frame)
        if len(frame) > 5000:
            known.append((found["text"], found[["key", "length"]]))
        return found

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


class _Pickler(pickle.Pickler):
    """Leaves classes out, and keeps them in a list."""

    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.classes: list[type] = []

    def persistent_id(self, one: Any) -> int | None:
        if not isinstance(one, type):
            return None
        self.classes.append(one)
        return len(self.classes) - 1


class _Unpickler(pickle.Unpickler):
    """Takes classes from a list."""

    def __init__(self, content: bytes, classes: list[type]) -> None:
        super().__init__(io.BytesIO(content))
        self._classes = classes

    def persistent_load(self, number: int) -> type:
        return self._classes[number]


class _Frozen:
    """A config to be copied, which pickle does in a third of the time of `copy.deepcopy`.

    Parameters
    ----------
    config : DictConfig
        Its schemas are classes that no module has, so that pickle could not find them by name.
    """

    def __init__(self, config: Any) -> None:
        buffer = io.BytesIO()
        pickler = _Pickler(buffer)
        pickler.dump(config)
        self._content, self._classes = buffer.getvalue(), pickler.classes

    def thaw(self) -> Any:
        """Return a copy."""
        return _Unpickler(self._content, self._classes).load()


def _has_no_other_configs(repo: Any) -> bool:
    """Return whether all config files come from the repository."""
    return {one.path for one in repo.get_sources() if one.scheme() == "file"} == {_CONFIGS}


def _list_once(create: Function) -> Function:
    """Return a function that finds the files of the same choices once."""
    made: dict[tuple[Any, ...], Any] = {}

    def recall(*, repo: Any, overrides_list: list[Any], skip_missing: bool, **options: Any) -> Any:
        from hydra._internal.defaults_list import Overrides

        def make() -> Any:
            return create(
                repo=repo, overrides_list=overrides_list, skip_missing=skip_missing, **options
            )

        if not _has_no_other_configs(repo):
            return make()
        settings = Overrides(repo=repo, overrides_list=overrides_list).config_overrides
        others = {id(one) for one in settings}
        key = tuple(one.input_line for one in overrides_list if id(one) not in others)
        key += (*options.items(),)
        if (skip_missing, key) not in made:
            # Where none is missing, none is skipped either.
            made[skip_missing, key] = made[True, key] = make()
        return replace(made[skip_missing, key], config_overrides=settings)

    return recall


def _merge_once(merge: Function) -> Function:
    """Return a function that merges the same files of the repository's configs once."""
    made: dict[tuple[str, ...], _Frozen] = {}

    def recall(loader: Any, *, defaults: list[Any], repo: Any) -> Any:
        if not _has_no_other_configs(repo):
            return merge(loader, defaults=defaults, repo=repo)
        key = tuple(map(repr, defaults))
        if key not in made:
            made[key] = _Frozen(merge(loader, defaults=defaults, repo=repo))
        return made[key].thaw()

    return recall


def _connect_quickly(connect: Function) -> Function:
    """Return a function whose connections to sqlite do not wait for the disk."""

    def hurry(*arguments: Any, **options: Any) -> Any:
        connection = connect(*arguments, **options)
        if isinstance(connection, sqlite3.Connection):
            try:
                connection.execute("PRAGMA synchronous=OFF")
            except sqlite3.Error:  # of a damaged file
                connection.close()
                raise
        return connection

    return hurry
