"""Evidence from live traffic: what a server logged is monitored, compared and decides."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from asking import ask
from conftest import Rivals

from sentiment.commands.compare.live import compare_live
from sentiment.commands.monitor.job import monitor
from sentiment.commands.monitor.traffic import open_traffic
from sentiment.commands.promote.job import promote
from sentiment.commands.promote.view import show_promotion
from sentiment.commands.serve.app import App
from sentiment.commands.serve.job import prepare
from sentiment.commands.serve.log import TrafficLog
from sentiment.commands.serve.metrics import Metrics
from sentiment.config import compose, make
from sentiment.errors import ConfigError, EmptyDataError
from sentiment.files.batches import Limits, Position

NAME = "live-model"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logged(rivals: Rivals, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A log of a weak champion and a strong challenger, on rows with labels."""
    promote(rivals.compose("promote", f"name={NAME}", f"run={rivals.weak.run_id}"))
    folder = tmp_path_factory.mktemp("live")
    words = [
        f"outputs={rivals.store}", "tracking.experiment=rivals", "server.port=0",
        f"deploy.run='models:/{NAME}@champion'", f"log.folder={folder}", "log.texts=true",
        f"++routes.sentiment.challenger='{rivals.strong.run_id}'", "++routes.sentiment.shadow=true",
    ]  # fmt: skip
    service = prepare(compose("serve", words))
    metrics = Metrics()
    log = TrafficLog(service.log, metrics)
    app = App(service.routes, service.settings, metrics, [], log)
    data = rivals.weak.data
    rows = pd.concat([data.test, data.validation, data.train]).head(2000)
    for start in range(0, len(rows), 500):
        part = rows.iloc[start : start + 500]
        found = ask(app, "/predict", {"texts": part["text"].tolist()}).json["predictions"]
        labels = [
            {"id": row["id"], "label": label}
            for row, label in zip(found, part["label"], strict=True)
        ]
        assert ask(app, "/feedback", labels).status == 202
    app._pool.shutdown()
    log.write()
    yield folder
    service.close()


def test_the_log_is_monitored(rivals, logged, tmp_path):
    where = [f"outputs={rivals.store}", "tracking.experiment=rivals"]
    words = [*where, f"current={logged}", f"output={tmp_path}/out", "workspace=null"]
    weak, report = open_traffic(
        logged, "sentiment", None, make(compose("monitor", words), "tracking", "find_model")
    )
    result = monitor(compose("monitor", [*words, f"run={rivals.strong.run_id}"]))
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
        monitor(compose("monitor", [*words, "route=topics"]))


def test_the_log_is_compared_and_decides(rivals, logged, capsys):
    found = compare_live(rivals.compose("compare", f"live={logged}"))
    assert found.comparison.first.run_id == rivals.weak.run_id
    assert found.comparison.second.run_id == rivals.strong.run_id
    assert found.comparison.judge() == 1
    assert found.run_id is not None
    same = [f"a={rivals.weak.run_id}", f"b={rivals.weak.run_id}"]
    with pytest.raises(ConfigError, match="the same model"):
        compare_live(rivals.compose("compare", f"live={logged}", *same))
    words = [f"name={NAME}", f"live={logged}"]
    unknown = promote(rivals.compose("promote", *words, f"run={rivals.other.run_id}"))
    assert unknown.outcome == "refused"
    assert f"no predictions of run {rivals.other.run_id}" in unknown.sentence
    promoted = promote(rivals.compose("promote", *words, f"run={rivals.strong.run_id}"))
    assert promoted.outcome == "promoted"
    assert "at any time, live on" in promoted.sentence
    assert promoted.sentence.endswith("losses are counted from it")
    show_promotion(promoted)
    assert "B is better than A" in capsys.readouterr().out
    # The way back: the log shows that it would be a loss.
    refused = promote(rivals.compose("promote", *words, f"run={rivals.weak.run_id}"))
    assert refused.outcome == "refused"
    assert "live labels show that it is worse by more than margin=0.005" in refused.sentence
    # The champion is better than the one before, until that one is forced back.
    stays = promote(rivals.compose("promote", *words, "rollback=true"))
    assert (stays.outcome, stays.champion.number) == ("refused", promoted.champion.number)
    show_promotion(stays)
    shown = capsys.readouterr().err
    assert "was not rolled back: live labels do not show that it is worse" in shown
    assert "force" not in shown
    promote(rivals.compose("promote", *words, f"run={rivals.weak.run_id}", "force=a test"))
    back = promote(rivals.compose("promote", *words, "rollback=true"))
    assert back.outcome == "rolled back"
    assert back.champion.run_id == rivals.strong.run_id
