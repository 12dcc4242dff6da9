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
# Written into a .venv that this script has created; it never removes any other.
OWNED = VENV / ".made-by-install"
# Files that mark an installed set of packages, each with the digest of its sources.
READY = {"core": VENV / ".core", "all": VENV / ".ready"}
LOCKS = {"core": "requirements-core.lock", "all": "requirements.lock"}
COMPILE = "from sentiment.modeling.precompile import compile_kernels; compile_kernels()"
SECONDS_BETWEEN_LINES = 15


class InstallError(Exception):
    """The installation cannot begin or did not succeed."""


def main() -> None:
    """Create .venv, install missing packages, and compile the kernels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what tests and all extras need")
    package_set = "all" if parser.parse_args().all else "core"
    try:
        install(package_set)
    except InstallError as error:
        sys.exit(f"install: {error}")


def install(package_set: str) -> None:
    """Install the packages of `package_set`, "core" or "all", unless they are up to date."""
    interpreter = choose_interpreter()
    if READY[package_set].is_file() and READY[package_set].read_text() == describe(
        package_set, interpreter
    ):
        READY[package_set].touch()  # for make, which compares times
        return
    make_venv(interpreter)
    names = read_names(LOCKS[package_set])
    print(f"installing {len(names)} packages into .venv")
    options = ["--no-deps", "--require-hashes", "-r", LOCKS[package_set]]
    run_pip(options, names)
    run_pip(["--no-deps", "--no-build-isolation", "-e", "."], [])
    if subprocess.call([str(find_python(VENV)), "-c", COMPILE], cwd=str(ROOT)) != 0:
        raise InstallError("the kernels could not be compiled; see above.")
    for name in {package_set, "core"}:
        READY[name].write_text(describe(name, interpreter))


def choose_interpreter() -> Path:
    """Return the Python to install for: the one that PYTHON names, or else any supported one.

    Raises
    ------
    InstallError
        No supported Python was found.
    """
    if os.name == "nt":
        raise InstallError("Windows itself is not supported; use WSL, where all of it runs.")
    requested = os.environ.get("PYTHON")
    if requested:
        program = shutil.which(requested)
        version = read_version(program)
        if version not in SUPPORTED:
            raise InstallError(
                f"PYTHON={requested} is {format_version(version)}; expected {list_supported()}."
            )
        return Path(program)
    names = ["python{}.{}".format(*version) for version in reversed(SUPPORTED)]
    existing = [] if is_moved() else [str(find_python(VENV))]
    for program in [*existing, sys.executable, *map(shutil.which, names)]:
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
        output = subprocess.check_output([str(program), "-c", code], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(map(int, output.split()))


def format_version(version) -> str:
    """Return a version for people."""
    return "Python {}.{}".format(*version) if version else "not a Python that runs"


def list_supported() -> str:
    """Return the supported versions for people."""
    *others, last = ["{}.{}".format(*version) for version in SUPPORTED]
    return "Python {} or {}".format(", ".join(others), last)


def make_venv(interpreter: Path) -> None:
    """Create .venv for `interpreter`, replacing one that this script created for another Python.

    Raises
    ------
    InstallError
        The .venv of another program has another Python, or .venv could not be created.
    """
    version = read_version(interpreter)
    existing_version = read_version(find_python(VENV))
    if existing_version == version and not is_moved():
        # uv makes environments without pip.
        if not list(VENV.glob("lib/python*/site-packages/pip")):
            subprocess.check_call([str(find_python(VENV)), "-m", "ensurepip", "--default-pip"])
        return
    if VENV.exists() and not is_owned():
        raise InstallError(
            f"{VENV} is {format_version(existing_version)} and was not made by this script, so it "
            "is left alone. Remove it, or install into it yourself: docs/install.md."
        )
    print(f"making .venv with {format_version(version)}")
    VENV.mkdir(exist_ok=True)
    OWNED.write_text(str(VENV))  # first, so that the remains of a killed run can be removed
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        elif path != OWNED:
            path.unlink()
    if subprocess.call([str(interpreter), "-m", "venv", str(VENV)]) != 0:
        raise InstallError(
            "'{} -m venv' failed; see above. On Debian and Ubuntu, it needs the package "
            "python{}.{}-venv.".format(interpreter, *version)
        )


def is_owned() -> bool:
    """Return whether this script has created .venv."""
    return OWNED.is_file()


def is_moved() -> bool:
    """Return whether .venv was moved since its creation: its programs name the old path."""
    return is_owned() and OWNED.read_text() != str(VENV)


def find_python(venv: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return venv / "bin" / "python"


def run_pip(arguments, names) -> None:
    """Run ``pip install`` and show how many of the packages `names` are installed.

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
    """Show the progress of `pip`: a line that is updated, or a new one every 15 seconds."""
    start = last_shown = time.monotonic()
    is_terminal = sys.stdout.isatty()
    while pip.poll() is None:
        time.sleep(0.5)
        if not names or not (is_terminal or time.monotonic() - last_shown > SECONDS_BETWEEN_LINES):
            continue
        last_shown = time.monotonic()
        done = min(len(list(VENV.glob("lib/python*/site-packages/*.dist-info"))), len(names))
        status = "downloading" if done < 5 else f"{done} of {len(names)} installed"
        line = f"  {last_shown - start:3.0f} s  {status}"
        print(
            "\r" + line.ljust(60) if is_terminal else line,
            end="" if is_terminal else "\n",
            flush=True,
        )
    if names and is_terminal:
        print()


def read_names(lock: str):
    """Return the names of the packages in a lock file."""
    lines = (ROOT / lock).read_text().splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line]


def describe(package_set: str, interpreter: Path) -> str:
    """Return a digest of everything that an installation depends on."""
    digest = hashlib.sha256(repr((str(VENV), read_version(interpreter))).encode())
    for name in (LOCKS[package_set], "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
