"""Evidence from live traffic: what a server logged is monitored, compared and decides."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from asking import ask
from conftest import Rivals
from omegaconf import DictConfig
from traffic import damage_log, list_damages

from sentiment.commands.compare.live import compare_live
from sentiment.commands.monitor.job import monitor
from sentiment.commands.monitor.traffic import open_traffic
from sentiment.commands.monitor.view import show_monitoring
from sentiment.commands.promote.job import promote
from sentiment.commands.promote.view import show_promotion
from sentiment.commands.serve.app import App
from sentiment.commands.serve.job import prepare
from sentiment.commands.serve.log import TrafficLog
from sentiment.commands.serve.metrics import Metrics
from sentiment.config import compose, make
from sentiment.errors import (
    ConfigError,
    DamagedLogError,
    EmptyDataError,
    MissingColumnError,
    SentimentError,
)
from sentiment.files.batches import Limits, Position
from sentiment.files.traffic import PREDICTIONS, TABLES

NAME = "live-model"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logged(rivals: Rivals, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A log of a weak champion and a strong challenger, on rows with labels."""
    promote(rivals.compose("promote", f"name={NAME}", f"run={rivals.weak.run_id}"))
    folder = tmp_path_factory.mktemp("live")
    overrides = [
        f"outputs={rivals.store}", "tracking.experiment=rivals", "server.port=0",
        f"deploy.run='models:/{NAME}@champion'", f"log.folder={folder}", "log.texts=true",
        f"++routes.sentiment.challenger='{rivals.strong.run_id}'", "++routes.sentiment.shadow=true",
    ]  # fmt: skip
    service = prepare(compose("serve", overrides))
    metrics = Metrics()
    log = TrafficLog(service.log, metrics)
    log.start()
    app = App(service.routes, service.settings, metrics, [], log)
    data = rivals.weak.data
    rows = pd.concat([data.test, data.validation, data.train]).head(2000)
    for start in range(0, len(rows), 500):
        batch = rows.iloc[start : start + 500]
        predictions = ask(app, "/predict", {"texts": batch["text"].tolist()}).json["predictions"]
        labels = [
            {"id": row["id"], "label": label}
            for row, label in zip(predictions, batch["label"], strict=True)
        ]
        assert ask(app, "/feedback", labels).status == 202
    app._pool.shutdown()
    log.stop()
    yield folder
    service.close()


def compose_monitor(rivals: Rivals, folder: Path, output: Path, *overrides: str) -> DictConfig:
    where = [f"outputs={rivals.store}", "tracking.experiment=rivals", "workspace=null"]
    return compose("monitor", [*where, f"current={folder}", f"output={output}", *overrides])


def test_the_log_is_monitored(rivals, logged, tmp_path):
    plain = compose_monitor(rivals, logged, tmp_path)
    weak, report = open_traffic(logged, "sentiment", None, make(plain, "tracking", "find_model"))
    result = monitor(compose_monitor(rivals, logged, tmp_path, f"run={rivals.strong.run_id}"))
    assert report["model"] == {"run_id": rivals.weak.run_id}
    assert result.model.run_id == rivals.strong.run_id
    assert (result.columns.label, result.columns.time) == ("label", "time")
    batches = [*weak.read("text", Limits(added=()), Position())]
    assert sum(batch.read for batch in batches) == result.read > 0
    assert result.rejected == 0
    table = pa.concat_tables([batch.make_table() for batch in batches])
    right = pc.mean(pc.equal(table["prediction"], table["label"])).as_py()
    assert right < result.comparison.performance.current.value
    with pytest.raises(EmptyDataError, match="no model has answered for the route 'topics'"):
        monitor(compose_monitor(rivals, logged, tmp_path, "route=topics"))


def test_a_log_without_texts_is_monitored_by_the_rest(rivals, logged, tmp_path, capsys):
    shutil.copytree(logged, tmp_path / "log")
    for path in (tmp_path / "log/predictions").iterdir():
        rows = pq.read_table(path)
        empty = pa.nulls(rows.num_rows, pa.string())
        index = rows.schema.get_field_index("text")
        pq.write_table(rows.set_column(index, "text", empty), path)
    with_texts, without = (
        monitor(compose_monitor(rivals, folder, tmp_path / "out"))
        for folder in (logged, tmp_path / "log")
    )
    assert without.read == without.compared == with_texts.read
    expected = {check.name: check for check in with_texts.comparison.checks}
    checks = without.comparison.checks
    assert [check.name for check in checks] == ["probability", "prediction", "accuracy", "recall"]
    for check in checks:  # p-values are corrected for the number of checks
        assert replace(check, p_value=0) == replace(
            expected[check.name], p_value=0, drifted=check.drifted
        )
    assert without.comparison.performance == with_texts.comparison.performance
    assert "terms" not in json.loads((without.folder / "drift.json").read_text())
    show_monitoring(without)
    printed = capsys.readouterr().out
    assert "lacking  the log has no texts (log.texts=true keeps them); they are not com" in printed
    assert "columns  no texts; labels in 'label'" in printed
    with pytest.raises(MissingColumnError, match="text_column"):
        monitor(compose_monitor(rivals, tmp_path / "log", tmp_path / "out", "text_column=text"))


def test_the_log_is_compared_and_decides(rivals, logged, capsys):
    result = compare_live(rivals.compose("compare", f"live={logged}"))
    assert result.comparison.first.run_id == rivals.weak.run_id
    assert result.comparison.second.run_id == rivals.strong.run_id
    assert result.comparison.judge() == 1
    assert result.run_id is not None
    recall = compare_live(rivals.compose("compare", f"live={logged}", "metric=recall")).comparison
    assert recall.metric == "recall"
    assert recall.rows[0] < result.comparison.rows[0]
    same_model = [f"a={rivals.weak.run_id}", f"b={rivals.weak.run_id}"]
    with pytest.raises(ConfigError, match="the same model"):
        compare_live(rivals.compose("compare", f"live={logged}", *same_model))
    overrides = [f"name={NAME}", f"live={logged}"]
    unknown = promote(rivals.compose("promote", *overrides, f"run={rivals.other.run_id}"))
    assert unknown.outcome == "refused"
    assert f"no predictions of run {rivals.other.run_id}" in unknown.sentence
    promoted = promote(rivals.compose("promote", *overrides, f"run={rivals.strong.run_id}"))
    assert promoted.outcome == "promoted"
    assert "at any time, live on" in promoted.sentence
    assert promoted.sentence.endswith("losses of later versions are measured from this one")
    show_promotion(promoted)
    assert "B is better than A" in capsys.readouterr().out
    # The way back: the log shows that it would be a loss.
    refused = promote(rivals.compose("promote", *overrides, f"run={rivals.weak.run_id}"))
    assert refused.outcome == "refused"
    assert "live labels show that it is worse by more than margin=0.005" in refused.sentence
    # The champion is better than the one before, until that one is forced back.
    stays = promote(rivals.compose("promote", *overrides, "rollback=true"))
    assert (stays.outcome, stays.champion.number) == ("refused", promoted.champion.number)
    show_promotion(stays)
    printed = capsys.readouterr().err
    assert "was not rolled back: live labels do not show that it is worse" in printed
    assert "force" not in printed
    promote(rivals.compose("promote", *overrides, f"run={rivals.weak.run_id}", "force=a test"))
    back = promote(rivals.compose("promote", *overrides, "rollback=true"))
    assert back.outcome == "rolled back"
    assert back.champion.run_id == rivals.strong.run_id


# Of the columns that are read further than in a comparison; that has all of them.
READ_ON = [
    damage for damage in list_damages(PREDICTIONS) if damage[0] in ("rule", "time", "run_id")
]
READ_ON += [("prediction", ["x"]), ("probability", [float("nan")]), ("text", ["\x00"])]


@pytest.mark.parametrize("table", TABLES)
def test_damage_ends_every_command_in_a_message(rivals, logged, tmp_path, table):
    folder = tmp_path / "log"
    where = [f"name={NAME}", f"live={folder}"]
    jobs: list[tuple[Callable[..., object], DictConfig]] = [
        (monitor, compose_monitor(rivals, folder, tmp_path / "out")),
        (promote, rivals.compose("promote", *where, f"run={rivals.weak.run_id}")),
        (promote, rivals.compose("promote", *where, "rollback=true")),
    ]
    outcomes = set()
    damages = READ_ON if table == PREDICTIONS else [("id", "null"), ("label", ["x"])]
    for column, damage in damages:
        shutil.copytree(logged, folder)
        path = damage_log(folder, table, column, damage)
        for act, cfg in jobs:
            try:
                act(cfg)
                outcomes.add("done")
            except SentimentError as error:
                assert error.exit_code == 2
                outcomes.add(type(error).__name__)
                assert path.name in str(error) or not isinstance(error, DamagedLogError)
        shutil.rmtree(folder)
    assert "DamagedLogError" in outcomes
