"""Files with one pollution each: no record is lost silently or written wrongly."""

from pathlib import Path

import pytest
from pollution import (
    Found,
    Polluted,
    Score,
    count_faults,
    measure,
    pollute,
    read_ours,
    read_pandas,
    score,
)

# As many as rows are needed to see what a column holds; `benchmarks/bench.py pollution` has more.
_ROWS = 9
_ERRORS = {"no_payload", "header_only"}


@pytest.fixture(scope="module")
def files() -> list[Polluted]:
    return list(pollute(_ROWS))


@pytest.mark.slow
def test_no_record_is_lost_or_wrong(files: list[Polluted], tmp_path: Path) -> None:
    faults, errors = {}, set()

    def look(file: Polluted, found: Found) -> None:
        if any(counts := count_faults(file, found)):
            faults[file.name] = counts
        if found.error:
            errors.add(file.name)

    total = measure(read_ours, files, tmp_path, look)
    assert faults == {}
    assert errors == _ERRORS
    assert total.files > 280
    assert total.precision == 1
    # Most files have one record of nine that fits no column.
    assert total.f1 > 0.95


@pytest.mark.slow
def test_more_records_are_right_than_with_pandas(files: list[Polluted], tmp_path: Path) -> None:
    ours, theirs = measure(read_ours, files, tmp_path), measure(read_pandas, files, tmp_path)
    assert ours.f1 > theirs.f1
    assert theirs.wrong > 0


def test_the_measurement_detects_lost_and_wrong_records() -> None:
    file = Polluted("x", b"", [("a", "b"), ("c", "d"), ("c", "d")], [])
    assert count_faults(file, Found([("a", "b"), ("c", "d")], [])) == (1, 0)
    assert count_faults(file, Found([("a", "b"), ("c", "d")], ["c,d"])) == (0, 0)
    assert count_faults(file, Found([("a", "b"), ("cc", "d"), ("c", "d")], [])) == (1, 1)
    assert count_faults(file, Found([], [], "an error")) == (0, 0)
    assert score(file, Found([("a", "b"), ("x", "y")], [])) == (1 / 2, 1 / 3, 2 / 5)
    assert Score().f1 == 0
