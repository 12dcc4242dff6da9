"""The house rules that a reader could not see at a glance."""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib import import_module
from importlib.metadata import requires
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import COLLECTED, ROOT
from packaging.requirements import Requirement

PACKAGE = ROOT / "sentiment"
SOURCES = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}

# Each room may import those below it, and itself.
FLOORS = [
    {"redaction", "ngrams"},
    {"errors"},
    {"files"},
    {"config"},
    {"data"},
    {"modeling"},
    {"tracking"},
    {"cli"},
    {"commands"},
    {"api"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Commands that a command may import; no other one.
PARTS = {
    "best": {"search", "train"},
    "explain": {"predict"},
    "finalize": {"train"},
    "flow": {"compare", "monitor", "predict", "promote", "search", "train"},
    "promote": {"compare"},
    "serve": {"predict"},
    "search": {"record", "train"},
    "suggest": {"predict"},
}
# The only folders or files where a big library may be imported.
ONLY_IN = {
    "mlflow": {"tracking"},
    "evidently": {"commands/monitor"},
    "hydra": {"cli", "config", "commands/search"},
    "optuna": {"commands/search/studies"},
    "prefect": {"commands/flow"},
    "uvicorn": {"commands/serve"},
    "msgspec": {"commands/serve"},
    "prometheus_client": {"commands/serve"},
    "distributed": {"commands/predict/distributed"},
    "sqlalchemy": {"files", "redaction", "commands/search/studies", "tracking"},
    "matplotlib": {
        *("commands/train/figures.py", "commands/train/fonts.py", "commands/search/studies"),
    },
    "rich": {"cli"},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Return the modules that a file imports, and whether when it is loaded."""
    tree = parse(path)
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in late) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            found += [(f"{node.module}.{alias.name}", id(node) not in late) for alias in node.names]
    return found


def test_imports_point_one_way() -> None:
    for path in SOURCES:
        room, inside = room_of(path), path.relative_to(PACKAGE)
        if room in ("__init__", "__main__"):
            continue
        for name, _ in imports_of(path):
            top, other = (*name.split("."), "")[:2]
            if top == "sentiment" and other in FLOOR and other != room:
                assert FLOOR[other] < FLOOR[room], f"{inside} imports {name}"
            assert top != "scripts", inside
            if top in ONLY_IN:
                views = top == "rich" and path.name == "view.py"
                allowed = views or any(inside.is_relative_to(one) for one in ONLY_IN[top])
                assert allowed, f"{inside} imports {name}"


def test_commands_import_only_those_that_they_consist_of() -> None:
    for path in SOURCES:
        room, command = (*path.relative_to(PACKAGE).parts, "")[:2]
        # What is typed as train may be a search.
        if room != "commands" or path.name in ("__init__.py", "command.py"):
            continue
        for name, _ in imports_of(path):
            if name.startswith("sentiment.commands."):
                other = name.split(".")[2]
                assert other in {command, *PARTS.get(command, ())}, f"{path} imports {name}"


def test_every_room_has_its_floor() -> None:
    assert {room_of(path) for path in SOURCES} - {"__init__", "__main__"} == set(FLOOR)


def test_the_library_neither_prints_nor_reads_the_command_line() -> None:
    for path in SOURCES:
        # The search of a flow is a process of its own, which begins in that file.
        is_library = room_of(path) != "cli" and path.name != "searching.py"
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", path
            if isinstance(node, ast.Attribute) and is_library:
                assert node.attr != "argv", path


def test_overrides_are_taken_apart_in_one_place() -> None:
    for path, source in SOURCES.items():
        # Redaction is below the configs, and looks for secrets in any text.
        if path.name == "overrides.py" or room_of(path) in ("redaction", "files"):
            continue
        for sign in ('partition("=")', 'split("=")', 'lstrip("+', "OverridesParser"):
            assert sign not in source, path


def test_files_are_short_enough_to_read() -> None:
    for path, source in SOURCES.items():
        assert len(source.splitlines()) <= 400, path


@pytest.mark.process
def test_the_library_is_loaded_without_the_heavy_ones() -> None:
    program = (
        "import sys, sentiment.commands.train.job, sentiment.commands.predict.job\n"
        "import sentiment.commands.monitor.job\n"
        "print([m for m in ('mlflow', 'matplotlib', 'evidently') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.process
def test_a_config_is_composed_without_scikit_learn() -> None:
    program = (
        "import sys; sys.path.insert(0, 'scripts'); import train\n"
        "print([m for m in ('sklearn', 'pandas', 'mlflow') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_files_of_tests_have_different_names() -> None:
    """pytest takes two of one name for the same module, and collects neither."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_room_has_tests_that_are_fast(pytestconfig: pytest.Config) -> None:
    """`make test-fast` sees each room and each command that has a folder of tests."""
    fast, files = set[Path](), set[Path]()
    for name, marks in pytestconfig.stash[COLLECTED].items():
        path = ROOT / name.partition("::")[0]
        files.add(path)
        if not marks:
            fast.add(path.parent)
    folders = [path for path in (ROOT / "tests").rglob("*") if path.is_dir()]
    for folder in folders:
        tests = set(folder.glob("test_*.py"))
        if tests and tests <= files:  # a run of single files says nothing about their folder
            assert folder in fast, f"all tests of {folder} are slow, or need processes or servers"


IMPORT_NAMES = {"scikit-learn": "sklearn", "hydra-core": "hydra"}


@pytest.mark.process
def test_every_dependency_can_be_imported() -> None:
    """pip check does not see a package that its own dependencies broke."""
    dependencies = [Requirement(line) for line in requires("sentiment") or []]
    names = [one.name for one in dependencies if one.marker is None]
    assert "mlflow" in names
    for name in names:
        if name in ("hydra-joblib-launcher", "hydra-optuna-sweeper"):
            plugin = name.replace("-", "_")
            import_module(f"hydra_plugins.{plugin}.{plugin.removeprefix('hydra_')}")
        else:
            import_module(IMPORT_NAMES.get(name, name.replace("-", "_")))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-core.lock"])
def test_locks_are_hashed_and_name_no_address(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    packages = [line for line in lines if "==" in line]
    assert len(packages) > 80
    for line in lines:
        assert "://" not in line
        assert not line.strip().startswith(("--index", "--extra", "--find", "-i", "-f"))
    for here, there in pairwise(lines):
        if "==" in here:
            assert there.strip().startswith("--hash=sha256:")
