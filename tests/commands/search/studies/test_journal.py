"""The journal of all studies: damage is found, and costs no more than it has to."""

import json
from pathlib import Path

import optuna

from sentiment.commands.search.studies.storage import open_journal, open_storage


def test_a_journal_loses_only_the_line_that_was_being_written(tmp_path: Path) -> None:
    path = tmp_path / "studies.log"
    study = optuna.create_study(storage=open_storage(None, path), study_name="s")
    for value in (1.0, 2.0):
        trial = study.ask()
        study.tell(trial, value)
    written = path.read_bytes()
    # What a process that died while it wrote would have left.
    path.write_bytes(written + written.splitlines()[-1][:20])
    again = optuna.load_study(storage=open_storage(None, path), study_name="s")
    assert [trial.value for trial in again.trials] == [1.0, 2.0]
    assert path.read_bytes().startswith(written)
    again.tell(again.ask(), 3.0)
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_journal_of_nonsense_without_checksums_is_set_aside(tmp_path: Path) -> None:
    for number, line in enumerate(
        ['{"op_code": 99, "worker_id": "x"}', '{"op_code": 4, "worker_id": "x"}', "{}"]
    ):
        path = tmp_path / f"{number}.journal"
        path.write_text(line + "\n")
        with open_journal(path) as (storage, alone):
            assert alone
            assert storage.get_all_studies() == []
        assert path.with_name(f"{path.name}.damaged").read_text() == line + "\n"
