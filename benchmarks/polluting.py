"""Lost and wrong records of polluted CSV files, beside pandas and Python's own sniffer."""

import sys
from collections.abc import Callable
from pathlib import Path

from processes import ROOT
from timing import Figure, Plan

# The tests contain a smaller version of the same measurement.
sys.path.append(str(ROOT / "tests" / "helpers"))
import pollution

_ROWS = 83
_READERS: dict[str, Callable[[Path], pollution.Found]] = {
    "ours": pollution.read_ours,
    "pandas": pollution.read_pandas,
    "sniffer": pollution.read_sniffer,
}


def bench_pollution(plan: Plan) -> dict[str, Figure]:
    """Read more than 2,000 files with one pollution each; the F1 is that of records."""
    files = list(pollution.pollute(_ROWS))
    scores = {name: pollution.measure(read, files, plan.folder) for name, read in _READERS.items()}
    ours, pandas = scores["ours"], scores["pandas"]
    more = {"files": float(ours.files), "precision": ours.precision, "recall": ours.recall}
    for name, score in scores.items():
        more |= {f"{name} F1": score.f1, f"{name} lost untold": float(score.lost)}
        more |= {f"{name} wrong": float(score.wrong), f"{name} errors": float(score.failed)}
    return {
        "pollution_lost": Figure("records lost untold", "records", ours.lost, 0, 0, 0),
        "pollution_wrong": Figure("records written wrongly", "records", ours.wrong, 0, 0, 0),
        "pollution_f1": Figure(
            f"F1 of records in {ours.files:,} polluted files", "%", 100 * ours.f1,
            100 * ours.f1, 100 * ours.f1, target=100 * pandas.f1, more=more,
        ),
    }  # fmt: skip
