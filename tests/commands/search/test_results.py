"""Results of jobs: there as a whole, or not at all."""

import json
from pathlib import Path

import pytest
from sweeping import make_result

from sentiment.commands.search.results import (
    JobResult,
    count_warnings,
    find_newest,
    list_damaged,
    read_result,
    read_results,
    read_state,
    write_result,
)
from sentiment.files.control import set_aside


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    result = JobResult(
        3, ["a='ü'"], 1.5, 4.0, "x", {"t": "1"}, {"s": "2"}, {"m": 0.25}, "e", "t", ["w"]
    )
    write_result(tmp_path / "3", result)
    write_result(tmp_path / "12", make_result(12))
    assert read_results(tmp_path) == {3: result, 12: make_result(12)}
    assert result.seconds == 2.5


def test_warnings_are_counted_by_job() -> None:
    warned = [["loss 0.5"], ["scale", "loss 2e-05", "loss 7"], [], ["scale"]]
    results = [JobResult(n, [], 0, 1, warnings=texts) for n, texts in enumerate(warned)]
    assert count_warnings(results) == {"loss 0.5": 2, "scale": 2}


def test_a_half_written_result_is_ignored(tmp_path: Path) -> None:
    write_result(tmp_path / "1", make_result(1))
    whole = (tmp_path / "1" / "result.json").read_text()
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / ".result.json.99").write_text(whole[: len(whole) // 2])
    assert list(read_results(tmp_path)) == [1]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], (None, "svm")),
        (["svm"], ("svm", "svm~2")),
        (["svm", "svm~2", "svm~10", "svm~x", "all~99"], ("svm~10", "svm~11")),
    ],
)
def test_the_newest_study_of_a_name(known: list[str], expected: tuple[str | None, str]) -> None:
    assert find_newest("svm", known) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"number": "2"}',
        b'{"number": 2, "overrides": [], "started": 0, "ended": 1, "metrics": {"a": "0.9"}}',
        b'{"number": 2, "overrides": [], "started": 0, "ended": 1, "metrics": 5}',
        b'{"number": 2, "overrides": [], "started": 0, "ended": "now"}',
        b'{"number": 2, "overrides": [], "started": 0, "ended": Infinity}',
        b'{"number": 2, "overrides": [1], "started": 0, "ended": 1}',
        b'{"number": 3, "overrides": [], "started": 0, "ended": 1}',
        b'{"number": 2, "overrides": [], "started": 0, "ended": 1, "tags": {"command": null}}',
        b'{"number": 2, "overrides": [], "started": 0, "ended": 1, "color": "red"}',
    ],
)  # fmt: skip
def test_a_result_with_wrong_types_is_renamed(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        write_result(tmp_path / str(number), JobResult(number, [], 0.0, 1.0))
    path = tmp_path / "2" / "result.json"
    path.write_bytes(content)
    assert read_result(tmp_path / "2", keep=True) is None
    assert path.read_bytes() == content
    caplog.clear()
    assert list(read_results(tmp_path)) == [1]
    assert f"'{path}' is damaged (" in caplog.text
    assert (tmp_path / "2" / "result.json.damaged").read_bytes() == content
    assert list_damaged(tmp_path) == [2]
    write_result(tmp_path / "2", JobResult(2, [], 0.0, 1.0))
    assert list_damaged(tmp_path) == []
    assert list(read_results(tmp_path)) == [1, 2]


def test_results_without_a_checksum_are_read(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    facts = {"number": 1, "overrides": ["a=1"], "started": 0, "ended": 1.5, "metrics": {"m": 1}}
    (tmp_path / "1" / "result.json").write_text(json.dumps(facts))
    assert read_result(tmp_path / "1") == JobResult(1, ["a=1"], 0, 1.5, metrics={"m": 1})


def test_renamed_files_overwrite_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content in ("a", "b", "c"):
        path.write_text(content)
        set_aside(path)
        assert not path.exists()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "x.json.damaged": "a", "x.json.damaged-2": "b", "x.json.damaged-3": "c",
    }  # fmt: skip
    assert read_state(path) is None
