import resource
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest

from sentiment.tracking.stages import Stage, Stages, release_libraries


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def on_start(self, name: str) -> None:
        self.heard.append(("start", name))

    def on_progress(self, done: int, total: int | None, unit: str) -> None: ...

    def on_end(self, stage: Stage) -> None:
        self.heard.append(("end", stage.name))


def test_stages_are_timed_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    stages = Stages(listener)
    clock = time.perf_counter()
    monkeypatch.setattr(time, "perf_counter", lambda: clock)
    with stages("sleep"):
        clock += 7.5
    with pytest.raises(ValueError, match="no"), stages("fail"):
        raise ValueError("no")
    assert listener.heard == [
        ("start", "sleep"),
        ("end", "sleep"),
        ("start", "fail"),
        ("end", "fail"),
    ]
    assert [stage.name for stage in stages.done] == ["sleep"]
    assert stages.done[0].seconds == pytest.approx(7.5)


@pytest.mark.slow
def test_the_peak_is_that_of_the_stage() -> None:
    stages = Stages()
    with stages("large"):
        block = np.ones(40 * 2**20)  # 320 MB
        del block
    with stages("small"):
        pass
    large, small = stages.done
    assert large.peak_mb - small.peak_mb > 200


def test_freed_memory_is_returned_at_the_end_of_a_stage() -> None:
    """Memory that Arrow and the C library keep would add to that of the next stage."""

    def read_resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    stages = Stages()
    size_before = read_resident()
    with stages("large"):
        pieces = [pa.array(np.full(2**14, n)) for n in range(2000)]  # 250 MB in small pieces
        assert read_resident() - size_before > 200e6
        del pieces
    assert read_resident() - size_before < 100e6


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has such a call")
def test_pages_of_libraries_are_returned_and_read_again() -> None:
    def read_mapped() -> int:
        return int(Path("/proc/self/statm").read_text().split()[2]) * resource.getpagesize()

    values = np.random.default_rng(0).permutation(10**5)
    expected = pa.compute.sum(pa.array(values)).as_py(), np.linalg.norm(values)
    size_before = read_mapped()
    release_libraries()
    assert read_mapped() < 0.7 * size_before
    assert (pa.compute.sum(pa.array(values)).as_py(), np.linalg.norm(values)) == expected
