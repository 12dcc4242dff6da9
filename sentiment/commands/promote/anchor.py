"""Anchor: the best champion so far, a limit for small losses that add up.

Each challenger may be worse than the champion by the margin, so thirty challengers in a row could
lose thirty margins. Therefore, a challenger may be worse than the anchor by one margin at most, on
the same test rows.
"""

from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig

from sentiment.commands.compare.contenders import (
    Contender,
    check_same_rows,
    find_model,
    load_contender,
)
from sentiment.commands.compare.measuring import PairwiseComparison
from sentiment.commands.promote.history import ANCHOR
from sentiment.config.metrics import METRICS
from sentiment.errors import IncomparableRunsError, RunNotFoundError, UntrustedModelError
from sentiment.modeling.evaluation import score
from sentiment.tracking import MlflowRegistry, Tracker, Version

# A loss that exceeds the margin only by rounding is allowed.
ROUNDING = 1e-12


@dataclass(frozen=True)
class AnchorCheck:
    """Comparison of a challenger with the anchor.

    Attributes
    ----------
    version : Version
        The anchor.
    loss : float
        Loss of the challenger on the test rows, in units of the metric.
    """

    version: Version
    loss: float

    @property
    def becomes_anchor(self) -> bool:
        """True if the challenger is at least as good, so that it becomes the anchor."""
        return self.loss <= ROUNDING

    def list_reasons(self, metric: str, margin: float) -> list[str]:
        """Return the reasons to refuse the challenger."""
        if not self.loss > margin + ROUNDING:
            return []
        return [
            f"its {metric} is worse by {self.loss:.4f} than that of version "
            f"{self.version.number}, the best champion so far, more than margin={margin:g}"
        ]

    def describe(self) -> dict[str, Any]:
        """Return the check as plain containers."""
        return asdict(self)


def check_anchor(
    registry: MlflowRegistry,
    tracker: Tracker,
    champion: Version,
    pair: PairwiseComparison,
    cfg: DictConfig,
) -> AnchorCheck | None:
    """Compare a challenger with the anchor of the champion.

    Parameters
    ----------
    registry, tracker
        The registered model and the store.
    champion : Version
        The champion; its tag names the anchor.
    pair : PairwiseComparison
        Champion and challenger.
    cfg : DictConfig
        Settings of the promotion; the metric and the threshold are used.

    Returns
    -------
    AnchorCheck or None
        None if the anchor was deleted, has no stored scores, or was not scored on the rows of the
        champion.
    """
    metric, number = cfg.metric, champion.tags.get(ANCHOR, champion.number)
    if number == champion.number:
        return AnchorCheck(champion, -pair.measure_gain(metric))
    anchor = registry.get(number)
    if anchor is None:
        return None
    try:
        model, run = find_model(tracker, anchor.run_id, metric)
        anchor_contender = load_contender(tracker, "anchor", model, run, cfg.threshold)
        check_same_rows(anchor_contender, pair.second)
    except (IncomparableRunsError, RunNotFoundError, UntrustedModelError):
        return None
    return AnchorCheck(anchor, _measure_loss(anchor_contender, pair.second, metric))


def _measure_loss(anchor: Contender, challenger: Contender, metric: str) -> float:
    loss = score(anchor.predictions)[metric] - score(challenger.predictions)[metric]
    return loss if METRICS[metric] else -loss
