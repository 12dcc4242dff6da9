"""A PostgreSQL server on this machine, for as long as tests need one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest
from ports import find_port

# Where Debian's package postgresql puts what is not on the path.
_DEBIAN = "/usr/lib/postgresql"
_USER = "postgres"
# Another user could not enter the folder of a test, nor that of the temporary files of all tests.
_FOLDER = tempfile.gettempdir()
# The server trusts everybody, but whoever is given its address has to keep this to himself.
PASSWORD = "in-no-record"


@dataclass(frozen=True)
class Database:
    """A database of a server that is running.

    Attributes
    ----------
    port : int
        Where the server listens, on 127.0.0.1 only.
    name : str
        Its name there.
    """

    port: int
    name: str

    @property
    def address(self) -> str:
        """The database, as SQLAlchemy has it."""
        return f"postgresql+psycopg://{_USER}:{PASSWORD}@127.0.0.1:{self.port}/{self.name}"


@dataclass(frozen=True)
class Server:
    """A server that is running."""

    port: int
    _names: Iterator[int] = field(default_factory=count)

    def create_database(self) -> Database:
        """Return a new database."""
        from sqlalchemy import create_engine

        made = Database(self.port, f"test{next(self._names)}")
        engine = create_engine(Database(self.port, _USER).address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {made.name}")
        engine.dispose()
        return made


def find_programs() -> Path | None:
    """Return the folder of the newest server that is installed."""
    found = sorted(Path(_DEBIAN).glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


def why_not() -> str:
    """Return why there can be no server here; nothing if there can be one."""
    if find_programs() is None:
        return "there is no PostgreSQL server here (Debian: apt-get install postgresql)"
    if find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'sentiment[postgresql]'"
    if os.getuid() == 0 and not shutil.which("setpriv"):
        return "PostgreSQL does not run as root, and there is no setpriv to become another user"
    return ""


@contextmanager
def serve() -> Iterator[Server]:
    """Run a server; skip the test if there can be none."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=_FOLDER))
    try:
        with _run_server(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _run_server(folder: Path) -> Iterator[Server]:
    """Run a server whose files are in the empty `folder`, and remove them in the end."""
    programs = find_programs()
    assert programs is not None
    port = find_port()
    # PostgreSQL refuses to run as root; Debian's package has a user for it.
    before: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, _USER, _USER)
        before = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
    data, log = folder / "data", folder / "log"

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*before, str(programs / program), "-D", str(data), *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{done.stdout}\n{log.read_text() if log.exists() else ''}"

    call("initdb", "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    # Its output would keep the pipe of pg_ctl open.
    call("pg_ctl", "start", "-w", "-l", str(log), "-o", options)
    try:
        yield Server(port)
    finally:
        call("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)
