"""The user's project: its code, which configs may name, its metrics and its configs.

Only the user decides which code is trusted: by ``[tool.sentiment]`` in the pyproject.toml of the
working folder, and by the typed setting ``trusted``. Settings from a store, a server or a file
never add to it: only `trust` does.
"""

import logging
import sys
import traceback
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from sentiment.config.conf_folder import CONF, IS_INSTALLED
from sentiment.config.overrides import find_option
from sentiment.errors import ProjectFileError, UserCodeError, suggest

PROJECT_FILE = "pyproject.toml"
EXPECTED = "a class or function, such as my_package.Model, or a whole package, my_package.*"
_KEYS = ("trusted", "metrics")
# Classes that scikit-learn hides until one of its modules is imported.
_EXPERIMENTAL = {
    "sklearn.impute.IterativeImputer": "enable_iterative_imputer",
    "sklearn.model_selection.HalvingGridSearchCV": "enable_halving_search_cv",
    "sklearn.model_selection.HalvingRandomSearchCV": "enable_halving_search_cv",
}
_typed_patterns: dict[str, None] = {}
_config_dirs: list[Path] = []

log = logging.getLogger(__name__)


def trust(patterns: Iterable[str]) -> None:
    """Trust classes and functions that match `patterns`, in configs and in models of the user."""
    _typed_patterns.update(dict.fromkeys(patterns))


def list_trusted() -> list[str]:
    """Return the trusted patterns: of the project in the working folder, and of `trust`.

    Raises
    ------
    ProjectFileError
        The pyproject.toml cannot be read, or its ``[tool.sentiment]`` is not as expected.
    """
    settings = read_project() or {}
    return list(dict.fromkeys([*settings.get("trusted", ()), *_typed_patterns]))


def is_trusted(name: str) -> bool:
    """Return whether the dotted `name` matches a trusted pattern."""
    return matches(name, list_trusted())


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether the dotted `name` is one of `patterns`, or below one that ends with ``.*``.

    Examples
    --------
    >>> [matches(name, ["mine.*"]) for name in ("mine.models.Model", "mine", "miner.Model")]
    [True, False, False]
    """
    return any(
        name == pattern or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
        for pattern in patterns
    )


def is_class_pattern(text: str) -> bool:
    """Return whether `text` is a dotted name, or a package and ``.*``.

    Examples
    --------
    >>> [is_class_pattern(text) for text in ("a.b", "a.*", "a", "*", "a.*.b", "")]
    [True, True, False, False, False, False]
    """
    names = text.removesuffix(".*").split(".")
    return all(name.isidentifier() for name in names) and (len(names) > 1 or text.endswith(".*"))


def remember_config_dir(arguments: Sequence[str]) -> None:
    """Remember the folder of ``--config-dir`` in a command line."""
    folder = find_option(arguments, "--config-dir", "-cd")
    _config_dirs[:] = [Path(folder).absolute()] if folder else []


def list_named_conf() -> list[Path]:
    """Return the folder of ``--config-dir``, if it was typed."""
    return [*_config_dirs]


def list_user_conf() -> list[Path]:
    """Return the user's folders of configs, in search order.

    They are ``conf`` of the project in the working folder, and what ``--config-dir`` names.
    """
    project = [Path.cwd() / "conf"] if read_project() is not None else []
    return [folder for folder in dict.fromkeys([*project, *_config_dirs]) if folder.is_dir()]


def list_conf() -> list[Path]:
    """Return all folders of configs; the first one with a file of a name takes precedence."""
    return [CONF, *list_user_conf()]


def choose_conf() -> Path | None:
    """Return the folder for a new config: the user's own or that of a checkout, else None."""
    if _config_dirs:
        return _config_dirs[-1]
    if read_project() is not None:
        return Path.cwd() / "conf"
    return None if IS_INSTALLED else CONF


def read_project() -> dict[str, Any] | None:
    """Return ``[tool.sentiment]`` of the pyproject.toml of the working folder, or None.

    Raises
    ------
    ProjectFileError
        It cannot be read, or is not as expected.
    """
    path = Path(PROJECT_FILE)
    try:
        path = Path.cwd() / path  # the working folder may have been removed
        modified = path.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ProjectFileError(path, str(error.strerror)) from error
    return _read(path, modified)


@lru_cache(maxsize=4)
def _read(path: Path, modified: int) -> dict[str, Any] | None:
    import tomllib

    try:
        content = path.read_bytes()
        if b"sentiment" not in content:
            return None  # it concerns other programs only
        project = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise ProjectFileError(path, str(error.strerror)) from error
    except ValueError as error:  # of TOML or of UTF-8
        raise ProjectFileError(path, f"it is not valid TOML: {error}") from error
    tool = project.get("tool", {})
    settings = tool.get("sentiment") if isinstance(tool, dict) else None
    if settings is not None:
        _check_settings(path, settings)
    return settings


def _check_settings(path: Path, settings: Any) -> None:
    if not isinstance(settings, dict):
        raise ProjectFileError(path, f"tool.sentiment is {settings!r}; expected a table")
    for key in settings:
        if key not in _KEYS:
            remedy = f"{suggest(key, _KEYS)} Known: {', '.join(_KEYS)}"
            raise ProjectFileError(path, f"[tool.sentiment] has no setting {key!r}.{remedy}")
    trusted = settings.get("trusted", [])
    patterns = trusted if isinstance(trusted, list) else [None]
    if not all(isinstance(pattern, str) and is_class_pattern(pattern) for pattern in patterns):
        raise ProjectFileError(
            path, f"[tool.sentiment] trusted is {trusted!r}; expected a list, each {EXPECTED}"
        )


def enter_project() -> None:
    """Make packages in the working folder importable, if the user trusts any.

    Neither a script nor an installed program has that folder on its path. It is added as the last
    one, so that none of its files hides a library.
    """
    if list_trusted() and (working_folder := str(Path.cwd())) not in sys.path:
        sys.path.append(working_folder)


def import_object(name: str) -> Any:
    """Return the object behind the dotted `name`, which is allowed.

    The package of a trusted name may be in the working folder; see `enter_project`.

    Raises
    ------
    ImportError, AttributeError
        There is no such object.
    UserCodeError
        Its module raises an error.
    """
    module, _, attribute = name.rpartition(".")
    if not is_trusted(name):
        if name in _EXPERIMENTAL:
            import_module(f"sklearn.experimental.{_EXPERIMENTAL[name]}")
        return getattr(import_module(module), attribute)
    return getattr(_import_trusted(module), attribute)


def _import_trusted(module: str) -> Any:
    enter_project()
    try:
        imported = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise
        raise UserCodeError(module, *describe_failure(error, module)) from error
    except (Exception, SystemExit) as error:
        raise UserCodeError(module, *describe_failure(error, module)) from error
    _warn_of_other_copy(module)
    return imported


def find_user_code_error(error: BaseException) -> UserCodeError | None:
    """Return an error that names the line of the user's code that raised `error`, or None."""
    module = _find_user_module(error)
    return UserCodeError(module, *describe_failure(error, module)) if module else None


def find_user_code_location(error: BaseException) -> str:
    """Return file and line of the user's code that raised `error`, or ""."""
    module = _find_user_module(error)
    return describe_failure(error, module)[1] if module else ""


def _find_user_module(error: BaseException) -> str:
    patterns = list_trusted()
    modules = [module for module, _, _ in _list_frames(error) if _is_user_module(module, patterns)]
    return modules[-1] if modules else ""


def _is_user_module(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a trusted pattern is the module `name`, something in it, or around it.

    Examples
    --------
    >>> [_is_user_module(name, ["mine.*", "yours.Model"]) for name in ("mine", "yours", "theirs")]
    [True, True, False]
    """
    return matches(name, patterns) or any(pattern.startswith(f"{name}.") for pattern in patterns)


def describe_failure(error: BaseException, name: str) -> tuple[str, str]:
    """Return an error with its class, and the file and line of the package that raised it.

    Parameters
    ----------
    error : Exception
        Caught.
    name : str
        Dotted name of the object of that package that was called or imported.
    """
    frames, top = _list_frames(error), name.partition(".")[0]
    own_frames = [frame for frame in frames if frame[0].partition(".")[0] == top] or frames
    _, file, line = own_frames[-1]
    reason = str(error)
    if isinstance(error, SyntaxError) and error.filename:
        file, line, reason = error.filename, error.lineno or 0, error.msg
    path, working_folder = Path(file), Path.cwd()
    displayed = path.relative_to(working_folder) if path.is_relative_to(working_folder) else path
    return f"{type(error).__name__}: {reason}", f"{displayed}, line {line}"


def _list_frames(error: BaseException) -> list[tuple[str, str, int]]:
    """Return module, file and line of each call in the traceback of `error`."""
    return [
        (str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]


@lru_cache
def _warn_of_other_copy(module: str) -> None:
    """Log that an installed package hides the one of the same name in the working folder."""
    top = module.partition(".")[0]
    working_folder = Path.cwd()
    package_folders = [Path(path).resolve() for path in getattr(sys.modules[top], "__path__", ())]
    if (
        (working_folder / top).is_dir()
        and package_folders
        and working_folder.resolve() / top not in package_folders
    ):
        log.warning(
            "%s is the installed package '%s', not the folder '%s'", top, package_folders[0], top
        )
