"""Install the locked packages into .venv: python scripts/install.py, or with --all what tests need.

It runs before anything is installed and with any Python 3, so it uses the standard library alone
and no syntax newer than Python 3.6.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SUPPORTED = [(3, 11), (3, 12), (3, 13)]
# Written into a .venv that was made here; no other one is ever removed.
OWNED = VENV / ".made-by-install"
# What is installed, by the digest of what it was installed from.
READY = {"core": VENV / ".core", "all": VENV / ".ready"}
LOCKS = {"core": "requirements-core.lock", "all": "requirements.lock"}
COMPILE = "from sentiment.modeling.precompile import compile_kernels; compile_kernels()"
SECONDS_BETWEEN_LINES = 15


class InstallError(Exception):
    """The installation cannot begin or did not succeed."""


def main() -> None:
    """Make .venv, install what is missing, and compile the kernels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what tests and all extras need")
    wanted = "all" if parser.parse_args().all else "core"
    try:
        install(wanted)
    except InstallError as error:
        sys.exit(f"install: {error}")


def install(wanted: str) -> None:
    """Install the packages `wanted`, "core" or "all", unless they are there."""
    interpreter = choose_interpreter()
    if READY[wanted].is_file() and READY[wanted].read_text() == describe(wanted, interpreter):
        READY[wanted].touch()  # for make, which compares times
        return
    make_venv(interpreter)
    names = read_names(LOCKS[wanted])
    print(f"installing {len(names)} packages into .venv")
    lock = ["--no-deps", "--require-hashes", "-r", LOCKS[wanted]]
    run_pip(lock, names)
    run_pip(["--no-deps", "--no-build-isolation", "-e", "."], [])
    if subprocess.call([str(find_python(VENV)), "-c", COMPILE], cwd=str(ROOT)) != 0:
        raise InstallError("the kernels could not be compiled; see above.")
    for name in {wanted, "core"}:
        READY[name].write_text(describe(name, interpreter))


def choose_interpreter() -> Path:
    """Return the Python to install for: the one that PYTHON names, or else any that is supported.

    Raises
    ------
    InstallError
        No supported Python was found.
    """
    if os.name == "nt":
        raise InstallError("Windows itself is not supported; use WSL, where all of it runs.")
    named = os.environ.get("PYTHON")
    if named:
        program = shutil.which(named)
        version = read_version(program)
        if version not in SUPPORTED:
            raise InstallError(
                f"PYTHON={named} is {format_version(version)}; expected {list_supported()}."
            )
        return Path(program)
    names = ["python{}.{}".format(*version) for version in reversed(SUPPORTED)]
    there = [] if is_moved() else [str(find_python(VENV))]
    for program in [*there, sys.executable, *map(shutil.which, names)]:
        if read_version(program) in SUPPORTED:
            return Path(program)
    raise InstallError(
        f"this is {format_version(sys.version_info[:2])}; expected {list_supported()}. "
        "Install one, and name it if it is not found: make setup PYTHON=python3.12"
    )


def read_version(program):
    """Return the version of an interpreter, such as (3, 12), or None if it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        found = subprocess.check_output([str(program), "-c", code], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(map(int, found.split()))


def format_version(version) -> str:
    """Return a version for people."""
    return "Python {}.{}".format(*version) if version else "not a Python that runs"


def list_supported() -> str:
    """Return the supported versions for people."""
    *most, last = ["{}.{}".format(*version) for version in SUPPORTED]
    return "Python {} or {}".format(", ".join(most), last)


def make_venv(interpreter: Path) -> None:
    """Make .venv for `interpreter`; one that was made here for another Python is made anew.

    Raises
    ------
    InstallError
        A .venv that somebody else made does not fit, or it could not be made.
    """
    version = read_version(interpreter)
    there = read_version(find_python(VENV))
    if there == version and not is_moved():
        # uv makes environments without pip.
        if not list(VENV.glob("lib/python*/site-packages/pip")):
            subprocess.check_call([str(find_python(VENV)), "-m", "ensurepip", "--default-pip"])
        return
    if VENV.exists() and not is_owned():
        raise InstallError(
            f"{VENV} is {format_version(there)} and was not made by this script, so it is left "
            "alone. Remove it, or install into it yourself: docs/install.md."
        )
    print(f"making .venv with {format_version(version)}")
    VENV.mkdir(exist_ok=True)
    OWNED.write_text(str(VENV))  # first, so that what a killed run leaves can be removed
    for old in VENV.iterdir():
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(str(old))
        elif old != OWNED:
            old.unlink()
    if subprocess.call([str(interpreter), "-m", "venv", str(VENV)]) != 0:
        raise InstallError(
            "'{} -m venv' failed; see above. On Debian and Ubuntu, it needs the package "
            "python{}.{}-venv.".format(interpreter, *version)
        )


def is_owned() -> bool:
    """Return whether .venv was made here."""
    return OWNED.is_file()


def is_moved() -> bool:
    """Return whether .venv was made under another path, which its programs still name."""
    return is_owned() and OWNED.read_text() != str(VENV)


def find_python(venv: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return venv / "bin" / "python"


def run_pip(arguments, names) -> None:
    """Run ``pip install`` and show how many of the packages `names` are there.

    Raises
    ------
    InstallError
        pip failed.
    """
    command = [str(find_python(VENV)), "-m", "pip", "install", "--disable-pip-version-check"]
    with tempfile.TemporaryFile() as log:
        pip = subprocess.Popen([*command, *arguments], cwd=str(ROOT), stdout=log, stderr=log)
        show_progress(pip, names)
        if pip.returncode != 0:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()
            reasons = [line for line in lines if line.startswith("ERROR")] or lines[-5:]
            raise InstallError("pip failed.\n{}".format("\n".join(reasons)))


def show_progress(pip, names) -> None:
    """Show the progress of `pip` until it ends: a line that changes, or one every 15 seconds."""
    start = shown = time.monotonic()
    terminal = sys.stdout.isatty()
    while pip.poll() is None:
        time.sleep(0.5)
        if not names or not (terminal or time.monotonic() - shown > SECONDS_BETWEEN_LINES):
            continue
        shown = time.monotonic()
        done = min(len(list(VENV.glob("lib/python*/site-packages/*.dist-info"))), len(names))
        what = "downloading" if done < 5 else f"{done} of {len(names)} installed"
        line = f"  {shown - start:3.0f} s  {what}"
        print("\r" + line.ljust(60) if terminal else line, end="" if terminal else "\n", flush=True)
    if names and terminal:
        print()


def read_names(lock: str):
    """Return the packages that a lock names."""
    lines = (ROOT / lock).read_text().splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line]


def describe(wanted: str, interpreter: Path) -> str:
    """Return a digest of all that an installation depends on."""
    digest = hashlib.sha256(repr((str(VENV), read_version(interpreter))).encode())
    for name in (LOCKS[wanted], "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
