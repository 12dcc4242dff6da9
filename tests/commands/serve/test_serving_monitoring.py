"""Alert rules and the dashboard in kubernetes/monitoring, held to /metrics and to promtool."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import ask
from conftest import ROOT
from prometheus_client.parser import text_string_to_metric_families

from sentiment.commands.serve.drifting import DriftWatch
from sentiment.commands.serve.metrics import Metrics

FOLDER = ROOT / "kubernetes" / "monitoring"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"),
    reason="there is no promtool here; on Debian: apt install prometheus",
)


def list_queries() -> list[str]:
    """Return all queries of rules and dashboard, with the variables of Grafana filled in."""
    queries = [rule["expr"] for rule in RULES]
    queries += [target["expr"] for panel in PANELS for target in panel["targets"]]
    queries += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
    return [re.sub(r"\$__rate_interval", "5m", query).replace("$route", ".*") for query in queries]


@pytest.fixture
def metrics(serve_here: Any) -> dict[str, set[str]]:
    """The names of all samples in /metrics, and of their labels."""
    app = serve_here("drift.window=1")
    watch = DriftWatch(app.service.routes, app.service.loader, app._metrics, app.service.drift)
    watch.compare()
    for body in ({"texts": ["good", None]}, {"text": "bad"}):
        ask(app, "/predict", body)
    families = list(text_string_to_metric_families(ask(app, "/metrics").body.decode()))
    labels_by_name = {
        sample.name: set(sample.labels) for family in families for sample in family.samples
    }
    # Of those that nothing has happened to yet, a scrape has the name alone.
    counted = {f"{family.name}_total": set() for family in families if family.type == "counter"}
    declared = {
        f"{metric._name}{suffix}": set(metric._labelnames)
        for metric in app._metrics._registry._collector_to_names
        for suffix in ("", "_total")
    }
    assert counted.keys() <= declared.keys()
    return declared | labels_by_name


def test_every_metric_of_rules_and_dashboard_is_in_metrics(metrics: dict[str, set[str]]) -> None:
    queries = list_queries()
    assert len(queries) > 25
    used_names = set()
    for query in queries:
        for name, selector in re.findall(r"(sentiment_\w+)(\{[^}]*\})?", query):
            assert name in metrics, f"{name} in {query}"
            labels = set(re.findall(r'(\w+)=~?"', selector))
            assert labels <= metrics[name], f"{labels} of {name}"
            used_names.add(name)
        grouped = [re.split(r", ?", labels) for labels in re.findall(r"by \(([^)]*)\)", query)]
        known_labels = set().union(*(metrics[name] for name in re.findall(r"sentiment_\w+", query)))
        assert set(itertools.chain(*grouped)) <= known_labels, query
    families = {re.sub(r"_(bucket|sum|count|total|created)$", "", name) for name in metrics}
    used_metrics = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in used_names}
    assert families - used_metrics <= {"sentiment_drift_texts"}, "no metric is looked at by nobody"


def test_the_dashboard_can_be_drawn() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    cells = set()
    for panel in DASHBOARD["panels"]:
        position = panel["gridPos"]
        assert position["x"] + position["w"] <= 24
        for x, y in itertools.product(range(position["w"]), range(position["h"])):
            cell = position["x"] + x, position["y"] + y
            assert cell not in cells, f"{panel['title']} lies on another panel"
            cells.add(cell)
    for panel in PANELS:
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables == ["datasource", "route"]


def test_rules_say_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


@needs_promtool
@pytest.mark.process
def test_prometheus_fires_what_it_should(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("test", "rules", "alerts_test.yml")
    # All queries of the dashboard are ones to Prometheus.
    rules = [{"record": f"q{n}", "expr": query} for n, query in enumerate(list_queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("check", "rules", str(file))
    rules[0]["expr"] = "sum by (rate"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    with pytest.raises(AssertionError, match="parse error"):
        run("check", "rules", str(file))
    # And the scrape is one by its rules of naming.
    text = Metrics().write().decode()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
