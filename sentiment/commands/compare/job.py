"""Compare: metrics side by side, paired tests, a page and a record of it."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sentiment.commands.compare.contenders import (
    SPLIT,
    Contender,
    check_different,
    check_same_rows,
    find_model,
    load_contender,
)
from sentiment.commands.compare.descriptions import describe_verdict
from sentiment.commands.compare.measuring import Comparison, measure
from sentiment.commands.compare.page import write_page
from sentiment.config import make
from sentiment.config.schemas import RUN_KEYS
from sentiment.tracking import RunFacts, RunFolder, Tracker
from sentiment.tracking.folder import make_timestamp
from sentiment.tracking.recording import keep_and_record
from sentiment.tracking.stages import StageObserver, Stages

PAGE = "comparison.html"
TABLE = "comparison.json"
# Settings that are recorded; promote has some of them.
_PARAMS = ("metric", "threshold", "level", "resamples", "seed")


@dataclass(frozen=True)
class ComparisonResult:
    """Result of a comparison.

    Attributes
    ----------
    comparison : Comparison
        What was found.
    looks, decisions : int
        How many comparisons there were before on the same test rows, and how many of them decided
        on a promotion.
    folder : Path
        Where the page and the tables are.
    run_id : str or None
        The run in the tracking store that keeps them.
    """

    comparison: Comparison
    looks: int
    decisions: int
    folder: Path
    run_id: str | None

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.folder / PAGE


def compare(
    cfg: DictConfig, command: str = "", observer: StageObserver | None = None
) -> ComparisonResult:
    """Compare the test predictions of two or more tracked runs, each with the first.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/compare.yaml``, checked.
    command : str
        The command line, for the record.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    SentimentError
        The config cannot be used, a run is not there or kept no scores, or the runs were not
        scored on the same rows.
    """
    names = list(cfg.runs) or [name for name in (cfg.a, cfg.b) if name]
    stages = Stages(observer) if observer else Stages()
    tracker: Tracker = make(cfg, "tracking", "find_model")
    with stages("find runs"):
        found = [find_model(tracker, name, cfg.metric) for name in names]
        check_different(names, [run for _, run in found])
        contenders = [
            load_contender(tracker, key, model, run, cfg.threshold)
            for key, (model, run) in zip(RUN_KEYS, found, strict=False)
        ]
    return compare_contenders(contenders, cfg, tracker, stages, {"command": command})


def compare_contenders(
    contenders: Sequence[Contender],
    cfg: DictConfig,
    tracker: Tracker,
    stages: Stages,
    tags: dict[str, str],
) -> ComparisonResult:
    """Compare loaded runs, and keep a record with these `tags`.

    Raises
    ------
    IncomparableRunsError
        They were not scored on the same rows.
    RunNotRecordedError
        The store is away; the comparison is kept.
    """
    for other in contenders[1:]:
        check_same_rows(contenders[0], other)
    first = contenders[0].run
    data = {key: first.tags.get(key, "unknown") for key in ("data", "data.fingerprint")}
    alike = {"kind": "comparison", "data.fingerprint": data["data.fingerprint"]}
    # First, since the store may be away later.
    looks = tracker.count_runs(alike)
    decisions = tracker.count_runs(alike | {"purpose": "promotion"})
    with stages("compare"):
        comparison = measure(
            contenders, cfg.metric, cfg.level, cfg.resamples, cfg.seed,
            lambda done: stages.observer.on_progress(done, cfg.resamples, "resamples"),
        )  # fmt: skip
    keys = " and ".join(one.model.run_name for one in contenders)
    facts = _list_facts(f"compare {keys}", alike | data | tags, comparison, cfg)
    home = Path(cfg.outputs, "compare", make_timestamp())
    with stages("keep results"), RunFolder.claim(home) as folder:
        result = ComparisonResult(comparison, looks, decisions, folder.path, None)
        table = describe(result) | {"command": tags.get("command", "")}
        write_json(table, folder.add(TABLE))
        for pair in comparison.pairs:
            name = f"disagreements_{pair.first.key}_{pair.second.key}.csv"
            pair.list_disagreements().to_csv(folder.add(name), index=False)
        write_page(comparison, table, folder.add(PAGE))
        kept = keep_and_record(cfg.tracking, tracker, folder, facts, "the comparison")
    return replace(result, run_id=kept.run_id)


def _list_facts(
    name: str, tags: dict[str, str], comparison: Comparison, cfg: DictConfig
) -> RunFacts:
    """Return what is recorded of a comparison, its files apart."""
    params = {f"run_{one.key}": one.run.id for one in comparison.contenders}
    params |= {key: str(cfg[key]) for key in _PARAMS if key in cfg}
    metrics: dict[str, float] = {}
    for one, scores in zip(comparison.contenders, comparison.scores, strict=True):
        metrics |= {f"{one.key}/{name}": found.value for name, found in scores.items()}
    for pair in comparison.pairs:
        keys = f"{pair.second.key}-{pair.first.key}"
        metrics |= {f"{keys}/{name}": one.value for name, one in pair.differences.items()}
        metrics |= {f"{keys}/{name}_p": p for name, p in pair.p.items()}
    return RunFacts(name, tags, params, metrics=metrics)


def write_json(facts: Any, path: Path) -> None:
    """Write plain containers as JSON, with null for NaN and infinity."""
    path.write_text(json.dumps(_plain(facts), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def describe(result: ComparisonResult) -> dict[str, Any]:
    """Return the results as plain containers."""
    comparison = result.comparison
    first = comparison.contenders[0].run
    return {
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "data": first.tags.get("data", "unknown"),
        "fingerprint": first.tags.get("data.fingerprint", "unknown"),
        "split": SPLIT,
        "rows": comparison.rows,
        "metric": comparison.metric,
        "level": comparison.level,
        "resamples": comparison.resamples,
        "comparisons_before": result.looks,
        "promotions_before": result.decisions,
        "runs": [
            {
                "key": one.key,
                "run": one.run.id,
                "name": one.run.name,
                "model": one.model.uri,
                "why": one.model.why,
                "command": one.run.tags.get("command", ""),
                "commit": one.model.commit,
                "sample": one.is_sample,
                "fitted_on": one.run.tags.get("fitted_on", "train"),
                "size_mb": one.size_mb,
                "rows_per_second": one.rows_per_second,
                "metrics": {name: asdict(found) for name, found in scores.items()},
            }
            for one, scores in zip(comparison.contenders, comparison.scores, strict=True)
        ],
        "pairs": [
            {
                "first": pair.first.key,
                "second": pair.second.key,
                "verdict": describe_verdict(comparison, pair),
                "outcome": pair.judge(comparison.metric, comparison.level),
                "errors": asdict(pair.errors),
                "differences": {
                    name: asdict(one) | {"p": pair.p[name]}
                    for name, one in pair.differences.items()
                },
            }
            for pair in comparison.pairs
        ],
    }
