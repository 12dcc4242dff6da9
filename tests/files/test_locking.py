import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from sentiment.files.locking import hold_lock

HOLDER = """
import sys, time
from pathlib import Path
from sentiment.files.locking import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_exclusive_and_released_by_dead_processes(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with Popen([sys.executable, "-c", HOLDER, str(path)], stdout=PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError), hold_lock(path, wait=False):
            pass
        os.kill(other.pid, signal.SIGKILL)
    with hold_lock(path):
        pass
    assert path.exists()
