"""Deferred imports of modules that libraries import at start but seldom use.

scikit-learn imports all of ``scipy.stats`` for three functions. skops lists all types that it
trusts by default, for which it imports all of scikit-learn, and pytest. Together these imports take
half of the time to predict a few rows. Commands call `defer_imports` first; programs that import
this package get the libraries unchanged.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from threading import Lock
from types import ModuleType
from typing import Any

# Names that scikit-learn (from scipy) and MLflow (from fastapi) import but seldom use.
_DEFERRED = {
    "fastapi": ("HTTPException",),
    "scipy.integrate": ("trapezoid",),
    "scipy.interpolate": ("BSpline",),
    "scipy.optimize": ("linear_sum_assignment", "linprog", "minimize", "minimize_scalar"),
    "scipy.optimize._linesearch": ("line_search_wolfe2", "scalar_search_wolfe1"),
    "scipy.stats": ("chi2", "gmean", "rankdata", "spearmanr"),
}
# Equivalent functions of modules that are imported in any case.
_EQUIVALENTS = {"scipy.integrate.trapezoid": ModuleType("numpy")}
_SKOPS_DEFAULTS = "skops.io._trusted_types"
_lock = Lock()


def defer_imports() -> None:
    """Defer the import of seldom used modules to their first use.

    Modules that are imported already are not changed.
    """
    for name, members in _DEFERRED.items():
        if name not in sys.modules:
            sys.modules[name] = DeferredModule(name, members)
    trust_no_skops_defaults()


def trust_no_skops_defaults() -> None:
    """Replace the types that skops trusts with `SkopsDefaults`, unless skops is imported."""
    if "skops" not in sys.modules:
        sys.modules[_SKOPS_DEFAULTS] = SkopsDefaults(_SKOPS_DEFAULTS)


class DeferredModule(ModuleType):
    """A module that is imported on its first use.

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

    def __init__(self, name: str, members: Sequence[str]) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.__path__ = _DeferredPath(self)
        for member in members:
            owner = _EQUIVALENTS.get(f"{name}.{member}", self)
            self.__dict__[member] = _DeferredMember(owner, member)

    def __getattr__(self, name: str) -> Any:
        # Debuggers and other programs look up such names in all modules.
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        return getattr(_import(self), name)


class _DeferredPath(list[str]):
    """The ``__path__`` of a `DeferredModule`, which imports it when a submodule is looked up."""

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
    """Replacement for the types that skops trusts by default, with those of plain Python only.

    `sentiment.modeling.model_files` does not depend on the defaults: it passes its own list.
    """

    PRIMITIVES_TYPES = (int, float, str, bool)
    CONTAINER_TYPES = (list, set, map, tuple)
    PRIMITIVE_TYPE_NAMES = [f"builtins.{kind.__name__}" for kind in PRIMITIVES_TYPES]  # noqa: RUF012
    CONTAINER_TYPE_NAMES = [f"builtins.{kind.__name__}" for kind in CONTAINER_TYPES]  # noqa: RUF012

    def __getattr__(self, name: str) -> list[str]:
        if name.endswith("_TYPE_NAMES"):
            return []
        raise AttributeError(name)
