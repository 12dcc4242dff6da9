"""Settings of drift: effects that matter, checks of a server, and where alerts are posted."""

from dataclasses import dataclass
from typing import Annotated

from sentiment.config.schemas.base import Settings
from sentiment.config.schemas.values import Factor, Positive, Share, WebAddress, at_least
from sentiment.config.type_hints import one_of


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings(Settings):
    """Smallest effects that matter; a significant difference below them is not drift.

    Parameters
    ----------
    distance : float
        Between numbers, in standard deviations of the reference (Wasserstein); 0.1 is Evidently's
        default.
    labels : float
        Factor by which the odds of a predicted label rise or fall, above 1. Chen, Cohen and Chen
        (2010, "How big is a big odds ratio?") call 1.68 small: from 50 % to 63 % or 37 %, from 1 %
        to 1.7 % or 0.6 %.
    share : float
        Between shares of rows, such as the rows with a word (Cohen's h). Cohen (1988) calls 0.2
        small, the distance between 1 % and 4 %.
    accuracy : float
        Fall of the accuracy, on all rows or on those of one true label; 0.05 is five points.
    errors : float
        Fall of the accuracy as a share of the errors at training, for models that make few; 0.5 is
        half as many again. The smaller limit counts: five points for a model that is right on 90 %
        or less, half a point for one that is right on 99 %.
    metrics : float
        Worsening of a metric of the user's own, as a share of its value at training.
    alpha : float
        Probability of a false alarm in a run.
    """

    group = "thresholds"

    distance: Positive
    labels: Factor
    share: Positive
    accuracy: Positive
    errors: Positive
    metrics: Positive
    alpha: Share


@dataclass(frozen=True, kw_only=True)
class DriftSettings(Settings):
    """Drift of the last predictions of ``scripts/serve.py``."""

    group = "drift"

    window: Annotated[int, at_least(0, "a whole number of predictions; 0 for none")]
    interval: Positive
    distance: Positive
    labels: Factor
    alpha: Share


@dataclass(frozen=True, kw_only=True)
class AlertSettings(Settings):
    """Where alerts are posted."""

    group = "alert"

    url: WebAddress | None
    format: Annotated[str, one_of("json", "slack")]
