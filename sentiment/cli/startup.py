"""Imports that a command does without: modules that libraries import and seldom use.

scikit-learn imports all of ``scipy.stats`` for three functions, and skops lists all types that it
trusts by default, for which it imports whatever scikit-learn has, and pytest. Together they take as
long as half of all that the prediction of a few rows needs. Scripts call `defer_imports` first; for
a program that imports this package, libraries are as they always are.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from threading import Lock
from types import ModuleType
from typing import Any

# What scikit-learn, and MLflow from fastapi, import by name and seldom use.
_DEFERRED = {
    "fastapi": ("HTTPException",),
    "scipy.integrate": ("trapezoid",),
    "scipy.interpolate": ("BSpline",),
    "scipy.optimize": ("linear_sum_assignment", "linprog", "minimize", "minimize_scalar"),
    "scipy.optimize._linesearch": ("line_search_wolfe2", "scalar_search_wolfe1"),
    "scipy.stats": ("chi2", "gmean", "rankdata", "spearmanr"),
}
# The same functions of modules that are imported in any case.
_EQUIVALENTS = {"scipy.integrate.trapezoid": ModuleType("numpy")}
_SKOPS_DEFAULTS = "skops.io._trusted_types"
_lock = Lock()


def defer_imports() -> None:
    """Let modules of libraries that are seldom used be imported when they are first used.

    Those that are imported already stay as they are.
    """
    for name, members in _DEFERRED.items():
        if name not in sys.modules:
            sys.modules[name] = DeferredModule(name, members)
    if "skops" not in sys.modules:
        sys.modules[_SKOPS_DEFAULTS] = SkopsDefaults(_SKOPS_DEFAULTS)


class DeferredModule(ModuleType):
    """A module that is imported as soon as something of it is used.

    Parameters
    ----------
    name : str
        Full name of the module.
    members : sequence of str
        Functions and classes that can be imported from it by name without importing it.

    Examples
    --------
    >>> DeferredModule("colorsys", ["rgb_to_hsv"]).rgb_to_hsv(1.0, 1.0, 1.0)
    (0.0, 0.0, 1.0)
    """

    def __init__(self, name: str, members: Sequence[str] = ()) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.__path__ = _DeferredPath(self)
        for member in members:
            owner = _EQUIVALENTS.get(f"{name}.{member}", self)
            self.__dict__[member] = _DeferredMember(owner, member)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)  # programs such as debuggers look for it in all modules
        return getattr(_import(self), name)


class _DeferredPath(list[str]):
    """Folder of a module's submodules, which are imported after the module itself."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__()
        self._module = module

    def __iter__(self) -> Iterator[str]:
        return iter(_import(self._module).__path__)


class _DeferredMember:
    """A function or class of a `DeferredModule`."""

    def __init__(self, module: ModuleType, name: str) -> None:
        self._find: Callable[[], Any] = lambda: getattr(_import(module), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._find()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._find())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type]:
        return (self._find(),)


def _import(deferred: ModuleType) -> ModuleType:
    name = deferred.__name__
    with _lock:
        if sys.modules.get(name) is deferred:
            del sys.modules[name]
    return import_module(name)


class SkopsDefaults(ModuleType):
    """Stand-in for the types that skops trusts by default: those of plain Python, and no more.

    `sentiment.modeling.model_files` trusts no type because skops does: it passes a list of its own.
    """

    PRIMITIVES_TYPES = (int, float, str, bool)
    CONTAINER_TYPES = (list, set, map, tuple)
    PRIMITIVE_TYPE_NAMES = [f"builtins.{kind.__name__}" for kind in PRIMITIVES_TYPES]  # noqa: RUF012
    CONTAINER_TYPE_NAMES = [f"builtins.{kind.__name__}" for kind in CONTAINER_TYPES]  # noqa: RUF012

    def __getattr__(self, name: str) -> list[str]:
        if name.endswith("_TYPE_NAMES"):
            return []
        raise AttributeError(name)
