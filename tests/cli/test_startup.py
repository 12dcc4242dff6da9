"""Imports that commands avoid, and their deferred replacements."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from sentiment.cli.startup import DeferredModule, SkopsDefaults
from sentiment.commands.train.job import TrainingResult
from sentiment.modeling.model_files import save_model

# What libraries import and a short command seldom uses.
DEFERRED = [
    "fastapi.routing",
    "scipy.stats._stats_py",
    "scipy.interpolate._bsplines",
    "scipy.optimize._optimize",
    "scipy.integrate._quadrature",
]
OTHERS = ["mlflow", "sqlalchemy", "matplotlib", "evidently", "prefect", "dask", "pytest"]
HEAVY = ["sklearn", "pandas", "numba", "scipy", "skops", "pyarrow"]
PROGRAM = """
import json, os, runpy, sys
names, sys.argv, code = json.loads(sys.argv[1]), sys.argv[2:], 0
sys.path.insert(0, os.path.dirname(sys.argv[0]))
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = int(end.code or 0)
print(json.dumps([code, [name for name in names if name in sys.modules]]), file=sys.stderr)
"""


def run_command(folder: Path, names: list[str], script: str, *arguments: str) -> Any:
    """Run a script; return its exit code and which of the modules `names` it has imported."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM, json.dumps(names)),
            *(str(ROOT / "scripts" / f"{script}.py"), *arguments),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "arguments", "code"),
    [
        ("train", ["--help"], 0),
        ("predict", ["--help"], 0),
        ("train", ["modle=svm"], 2),
        ("train", ["model=svn"], 2),
        ("predict", ["input=a.csv", "deplay.threshold=1"], 2),
    ],
)
def test_help_and_a_mistyped_name_import_nothing_heavy(
    script: str, arguments: list[str], code: int, tmp_path: Path
) -> None:
    assert run_command(tmp_path, [*HEAVY, *OTHERS], script, *arguments) == [code, []]


@pytest.fixture
def reviews_file(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text("text\na wonderful film\na waste of time\n")
    return path


@pytest.mark.process
@pytest.mark.parametrize("expected", ["in a store", "in a file"])
def test_a_prediction_imports_only_what_it_needs(
    expected: str,
    train_quickly: Callable[..., TrainingResult],
    store: Path,
    tmp_path: Path,
    reviews_file: Path,
) -> None:
    result = train_quickly()
    where = [f"outputs={store}", f"tracking.experiment={tmp_path.name}"]
    if expected == "in a file":
        save_model(result.pipeline, tmp_path / "model.skops")
        where = [f"deploy.run={tmp_path}/model.skops"]
    overrides = [f"input={reviews_file}", *where]
    assert run_command(tmp_path, [*DEFERRED, *OTHERS], "predict", *overrides) == [0, []]
    assert len((tmp_path / "reviews.predictions.csv").read_text().splitlines()) == 3


def run_python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"from sentiment.cli.startup import *\n{program}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.process
def test_deferred_modules_are_imported_on_use() -> None:
    """Names that scikit-learn imports are those of scipy, however they are reached."""
    program = """
import sys
defer_imports()
from sklearn.isotonic import IsotonicRegression, spearmanr
from sklearn.preprocessing import SplineTransformer
import scipy
import scipy.stats
from scipy import optimize
assert not [n for n in sys.modules if n.startswith(("scipy.stats.", "scipy.interpolate."))]
assert round(spearmanr([1, 2, 3], [1, 2, 4]).statistic, 6) == 1
assert "scipy.stats._stats_py" in sys.modules
import scipy.stats.mstats, scipy.stats.qmc
from scipy.stats import norm, rankdata as ranks, rv_continuous
assert scipy.stats is sys.modules["scipy.stats"] and scipy.stats.norm is norm
assert scipy.stats.qmc is sys.modules["scipy.stats.qmc"]
assert ranks is scipy.stats.rankdata
assert optimize.minimize(lambda x: (x - 3) ** 2, 0.0).x.round(3) == 3
SplineTransformer(n_knots=3).fit_transform([[1.0], [2.0], [3.0]])
IsotonicRegression().fit([1, 2, 3], [1, 3, 2]).predict([2.5])
print("fine")
"""
    assert run_python(program) == "fine\n"


@pytest.mark.process
def test_the_area_under_a_curve_needs_no_scipy_integrate() -> None:
    """NumPy's trapezoids are those of SciPy to the last bit."""
    program = """
import sys
defer_imports()
import numpy as np
from sklearn.metrics import roc_auc_score
rng = np.random.default_rng(0)
curves = [(rng.normal(size=n), np.sort(rng.normal(size=n))) for n in range(2, 200)]
from scipy.integrate import trapezoid
found = [trapezoid(y, x) for y, x in curves]
areas = [roc_auc_score(y > np.median(y), x) for y, x in curves]
assert not [n for n in sys.modules if n.startswith("scipy.integrate.")]
import scipy.integrate
assert found == [scipy.integrate.trapezoid(y, x) for y, x in curves]
print("fine")
"""
    assert run_python(program) == "fine\n"


@pytest.mark.process
def test_a_submodule_of_a_deferred_module_is_imported_after_it() -> None:
    program = """
import sys
defer_imports()
from scipy.stats.distributions import norm
import scipy.stats
assert scipy.stats.norm is norm
import scipy.optimize._linesearch as search
assert search.line_search_wolfe1 is scipy.optimize._linesearch.line_search_wolfe1
print("fine")
"""
    assert run_python(program) == "fine\n"


@pytest.mark.process
def test_threads_import_a_deferred_module_once() -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
defer_imports()
from scipy.stats import rankdata
import scipy.stats
with ThreadPoolExecutor(8) as pool:
    ranks = list(pool.map(lambda i: tuple(rankdata([i, 3, 2])), range(8)))
    found = set(pool.map(lambda i: id(scipy.stats.norm), range(8)))
assert ranks[7] == (3, 2, 1), ranks
assert len(found) == 1
print("fine")
"""
    assert run_python(program) == "fine\n"


def test_a_class_of_a_deferred_module_is_one() -> None:
    module: Any = DeferredModule("fractions", ["Fraction"])
    from fractions import Fraction

    assert isinstance(Fraction(1, 2), module.Fraction)

    class Half(module.Fraction):  # type: ignore[misc]
        pass

    assert issubclass(Half, Fraction)
    assert module.Fraction.from_float(0.5) == Fraction(1, 2)
    assert module.Decimal is sys.modules["fractions"].Decimal  # type: ignore[attr-defined]
    assert not hasattr(module, "__wrapped__")
    with pytest.raises(AttributeError, match="no_such"):
        _ = module.no_such


@pytest.mark.process
def test_modules_that_are_imported_stay() -> None:
    program = """
import sys
from scipy import stats
from skops.io import _trusted_types as types
defer_imports()
assert sys.modules["scipy.stats"] is stats
assert sys.modules["skops.io._trusted_types"] is types
assert not isinstance(types, SkopsDefaults)
print("fine")
"""
    assert run_python(program) == "fine\n"


@pytest.mark.process
def test_the_types_that_skops_trusts_are_those_of_python() -> None:
    """skops has the same names, or it would not be imported."""
    program = """
from types import ModuleType
from skops.io import _trusted_types as theirs
ours = SkopsDefaults("stand-in")
names = [name for name in vars(theirs) if name.endswith("_TYPE_NAMES") and name[0] != "_"]
assert "SKLEARN_ESTIMATOR_TYPE_NAMES" in names
for name in names:
    assert set(getattr(ours, name)) <= set(getattr(theirs, name))
assert ours.PRIMITIVE_TYPE_NAMES == theirs.PRIMITIVE_TYPE_NAMES
assert ours.CONTAINER_TYPE_NAMES == theirs.CONTAINER_TYPE_NAMES
assert isinstance(ours, ModuleType)
print("fine")
"""
    assert run_python(program) == "fine\n"


def test_other_tests_load_models_as_commands_do() -> None:
    assert isinstance(sys.modules["skops.io._trusted_types"], SkopsDefaults)
