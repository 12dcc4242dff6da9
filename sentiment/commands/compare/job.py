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
    check_distinct,
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
# Settings that the run records; promote has only some of them.
_PARAMS = ("metric", "threshold", "level", "resamples", "seed")


@dataclass(frozen=True)
class ComparisonResult:
    """Result of a comparison.

    Attributes
    ----------
    comparison : Comparison
        Metrics, differences and tests.
    earlier_comparisons, earlier_promotions : int
        Number of earlier comparisons on the same test rows, and the number of these comparisons
        that decided on a promotion.
    folder : Path
        Folder of the page and the tables.
    run_id : str or None
        The run in the tracking store that records the comparison.
    """

    comparison: Comparison
    earlier_comparisons: int
    earlier_promotions: int
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
        The checked config of ``conf/compare.yaml``.
    command : str
        The command line, for the record.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    SentimentError
        The config cannot be used, a run does not exist or has no stored scores, or the runs were
        not scored on the same rows.
    """
    names = list(cfg.runs) or [name for name in (cfg.a, cfg.b) if name]
    stages = Stages(observer) if observer else Stages()
    tracker: Tracker = make(cfg, "tracking", "find_model")
    with stages("find runs"):
        models = [find_model(tracker, name, cfg.metric) for name in names]
        check_distinct(names, [run for _, run in models])
        contenders = [
            load_contender(tracker, key, model, run, cfg.threshold)
            for key, (model, run) in zip(RUN_KEYS, models, strict=False)
        ]
    return compare_contenders(contenders, cfg, tracker, stages, {"command": command})


def compare_contenders(
    contenders: Sequence[Contender],
    cfg: DictConfig,
    tracker: Tracker,
    stages: Stages,
    tags: dict[str, str],
) -> ComparisonResult:
    """Compare loaded runs, and record the comparison with `tags`.

    Raises
    ------
    IncomparableRunsError
        They were not scored on the same rows.
    RunNotRecordedError
        The tracking store is unreachable; the files of the comparison are kept.
    """
    for contender in contenders[1:]:
        check_same_rows(contenders[0], contender)
    first_run = contenders[0].run
    data = {key: first_run.tags.get(key, "unknown") for key in ("data", "data.fingerprint")}
    shared_tags = {"kind": "comparison", "data.fingerprint": data["data.fingerprint"]}
    # Ask the store before the work, since it may be unreachable later.
    earlier_comparisons = tracker.count_runs(shared_tags)
    earlier_promotions = tracker.count_runs(shared_tags | {"purpose": "promotion"})
    with stages("compare"):
        comparison = measure(
            contenders, cfg.metric, cfg.level, cfg.resamples, cfg.seed,
            lambda done: stages.observer.on_progress(done, cfg.resamples, "resamples"),
        )  # fmt: skip
    keys = " and ".join(contender.model.run_name for contender in contenders)
    facts = _list_facts(f"compare {keys}", shared_tags | data | tags, comparison, cfg)
    path = Path(cfg.outputs, "compare", make_timestamp())
    with stages("keep results"), RunFolder.claim(path) as folder:
        result = ComparisonResult(
            comparison, earlier_comparisons, earlier_promotions, folder.path, None
        )
        table = describe(result) | {"command": tags.get("command", "")}
        write_json(table, folder.add(TABLE))
        for pair in comparison.pairs:
            name = f"disagreements_{pair.first.key}_{pair.second.key}.csv"
            pair.list_disagreements().to_csv(folder.add(name), index=False)
        write_page(comparison, table, folder.add(PAGE))
        recorded = keep_and_record(cfg.tracking, tracker, folder, facts, "the comparison")
    return replace(result, run_id=recorded.run_id)


def _list_facts(
    name: str, tags: dict[str, str], comparison: Comparison, cfg: DictConfig
) -> RunFacts:
    """Return the run that records a comparison, without its files."""
    params = {f"run_{contender.key}": contender.run.id for contender in comparison.contenders}
    params |= {key: str(cfg[key]) for key in _PARAMS if key in cfg}
    metrics: dict[str, float] = {}
    for contender, scores in zip(comparison.contenders, comparison.scores, strict=True):
        metrics |= {f"{contender.key}/{name}": score.value for name, score in scores.items()}
    for pair in comparison.pairs:
        keys = f"{pair.second.key}-{pair.first.key}"
        metrics |= {
            f"{keys}/{name}": difference.value for name, difference in pair.differences.items()
        }
        metrics |= {f"{keys}/{name}_p": p for name, p in pair.p.items()}
    return RunFacts(name, tags, params, metrics=metrics)


def write_json(facts: Any, path: Path) -> None:
    """Write plain containers as JSON, with null for NaN and infinity."""
    path.write_text(
        json.dumps(_replace_nan(facts), indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )


def _replace_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _replace_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def describe(result: ComparisonResult) -> dict[str, Any]:
    """Return the results as plain containers."""
    comparison = result.comparison
    first_run = comparison.contenders[0].run
    return {
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "data": first_run.tags.get("data", "unknown"),
        "fingerprint": first_run.tags.get("data.fingerprint", "unknown"),
        "split": SPLIT,
        "rows": comparison.rows,
        "metric": comparison.metric,
        "level": comparison.level,
        "resamples": comparison.resamples,
        "comparisons_before": result.earlier_comparisons,
        "promotions_before": result.earlier_promotions,
        "runs": [
            {
                "key": contender.key,
                "run": contender.run.id,
                "name": contender.run.name,
                "model": contender.model.uri,
                "why": contender.model.why,
                "command": contender.run.tags.get("command", ""),
                "commit": contender.model.commit,
                "sample": contender.is_sample,
                "fitted_on": contender.run.tags.get("fitted_on", "train"),
                "size_mb": contender.size_mb,
                "rows_per_second": contender.rows_per_second,
                "metrics": {name: asdict(score) for name, score in scores.items()},
            }
            for contender, scores in zip(comparison.contenders, comparison.scores, strict=True)
        ],
        "pairs": [
            {
                "first": pair.first.key,
                "second": pair.second.key,
                "verdict": describe_verdict(comparison, pair),
                "outcome": pair.judge(comparison.metric, comparison.level),
                "errors": asdict(pair.errors),
                "differences": {
                    name: asdict(difference) | {"p": pair.p[name]}
                    for name, difference in pair.differences.items()
                },
            }
            for pair in comparison.pairs
        ],
    }
