"""Routes, the names under which models are served, and the loader of these models."""

import json
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import pandas as pd

from sentiment.commands.predict.models import choose_model, load_predictor
from sentiment.config.schemas import RouteSettings
from sentiment.errors import LISTED, ConfigError, quote_list
from sentiment.files.batches import Limits
from sentiment.files.traffic import CHALLENGER, CHAMPION
from sentiment.modeling.decision_rules import LabelSetRule, record_rule
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.reference import Reference
from sentiment.modeling.scoring import BatchScorer, Predictor
from sentiment.tracking import ModelChoice, Tracker
from sentiment.tracking.records import explain_name
from sentiment.tracking.references import find_reference

# Texts that run every kernel once: in ASCII, with tags and entities, and beyond ASCII.
_WARM_UP_TEXTS = ["A warm-up, it's fine.", "<br /> caf\u00e9 &amp; \u0130\u03a3", ""]
_BUCKETS = 2**32


@dataclass(frozen=True)
class Options:
    """Options of one request.

    Attributes
    ----------
    explain : bool, default=False
        If True, add the top terms for and against each prediction.
    probabilities : bool, default=False
        If True, add the probability of every class.
    threshold : float, optional
        Threshold above 0 and below 1; default: that of the server.
    top_k : int, default=1
        Number of labels to add, the most probable ones first; the server's setting is the minimum.
    labels_only : bool, default=False
        If True, a response of ``/invocations`` is a list of labels, as in MLflow.
    """

    explain: bool = False
    probabilities: bool = False
    threshold: float | None = None
    top_k: int = 1
    labels_only: bool = False


PLAIN, LABELS = Options(), Options(labels_only=True)


@dataclass(frozen=True)
class ServedModel:
    """A loaded model with its decision rule.

    Attributes
    ----------
    choice : ModelChoice
        Origin of the model.
    predictor : Predictor
        Predicts texts.
    limits : Limits
        Limits of a valid text.
    alias_version : str
        Registered version that the alias pointed to at loading; empty without an alias.
    loaded : float
        Time of loading, in seconds since the epoch.
    """

    choice: ModelChoice
    predictor: Predictor
    limits: Limits
    alias_version: str = ""
    loaded: float = field(default_factory=time.time)

    @property
    def uri(self) -> str:
        """URI of the model; unlike an alias, it always refers to the same model."""
        return self.choice.uri

    @cached_property
    def is_quick(self) -> bool:
        """True if the prediction of a few texts takes less than a millisecond."""
        return self.predictor.is_linear and not self.predictor.extra_columns

    @cached_property
    def rule(self) -> str:
        """The decision rule, as JSON."""
        return json.dumps(record_rule(self.predictor.rule))

    def with_options(self, options: Options) -> Predictor:
        """Return the predictor with the options of a request.

        Raises
        ------
        ConfigError, UnexplainableModelError
            The model does not support an option.
        """
        if options is PLAIN or options is LABELS:
            return self.predictor
        columns, rule = self.predictor.columns, self.predictor.rule
        if options.threshold is not None:
            classes = self.predictor.classes
            if not isinstance(rule, LabelSetRule) and len(classes) > 2 and options.threshold != 0.5:
                raise ConfigError(
                    [
                        f"threshold is {options.threshold}, which is for two classes, and the "
                        f"model has {len(classes)}: {quote_list(classes, LISTED)}. Leave it out."
                    ]
                )
            rule = type(rule)(options.threshold, rule.least_confidence)
        columns = replace(
            columns,
            explain=options.explain or columns.explain,
            probabilities="all" if options.probabilities else columns.probabilities,
            top_k=max(options.top_k, columns.top_k),
        )
        return self.predictor.replace_settings(rule, columns)

    def describe(self) -> dict[str, Any]:
        """Return the entry of the model in ``GET /models``."""
        choice = self.choice
        return {
            "uri": choice.uri,
            "run_id": choice.run_id,
            "run_name": choice.run_name,
            "version": self.alias_version,
            "why": choice.why,
            "data": choice.data,
            "labels": self.predictor.labels,
            "columns": self.predictor.extra_columns,
            "loaded": self.loaded,
        }


@dataclass
class Route:
    """A name with its models, which may be replaced at any time.

    A request reads `champion` or `challenger` once, so a single model predicts all of its texts.

    Attributes
    ----------
    name : str
        Name of the route, such as ``sentiment``.
    settings : RouteSettings
        Settings of the route.
    champion : ServedModel
        The model that answers requests.
    challenger : ServedModel, optional
        A model that answers a share of the requests, or predicts in shadow.
    problems : dict of str to str
        Reasons why a model could not be replaced, by its address.
    """

    name: str
    settings: RouteSettings
    champion: ServedModel
    challenger: ServedModel | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the requests that the challenger answers."""
        return self.settings.share

    @property
    def shadow(self) -> bool:
        """True if the challenger also predicts the champion's requests, without answering them."""
        return self.settings.shadow

    def describe(self) -> dict[str, Any]:
        """Return the entry of the route in ``GET /models``."""
        return {
            "name": self.name,
            "champion": self.champion.describe(),
            "challenger": self.challenger.describe() if self.challenger else None,
            "share": self.share,
            "shadow": self.shadow,
            "problems": self.problems,
        }

    def choose(self, key: str) -> tuple[str, ServedModel]:
        """Return the role and the model for a `key`; equal keys get the same model.

        The hash includes the name of the route, so that routes do not all send the same users to
        their challengers.
        """
        challenger = self.challenger
        if challenger is None or self.shadow or not self.share:
            return CHAMPION, self.champion
        data = f"{self.name}\n{key}".encode("utf-8", "surrogatepass")
        bucket = int.from_bytes(blake2b(data, digest_size=4).digest(), "big")
        if bucket < self.share * _BUCKETS:
            return CHALLENGER, challenger
        return CHAMPION, self.champion


class ModelLoader:
    """Loader of the models of routes.

    Parameters
    ----------
    scorer : BatchScorer
        Limits, columns and decision rule of predictions, the same as those of `predict`.
    tracker : Tracker
        Store of the models.
    explain : bool
        If True, add the top terms for and against every prediction.
    """

    def __init__(self, scorer: BatchScorer, tracker: Tracker, *, explain: bool) -> None:
        self._scorer, self._tracker = scorer, tracker
        self._columns = PredictionColumns(explain, scorer.top_k, scorer.probabilities)
        self._limits = Limits(scorer.max_chars, reject_empty=scorer.empty == "reject")

    def find_version(self, address: str) -> str:
        """Return the version that ``models:/name@alias`` points to; empty for other addresses.

        Raises
        ------
        ConfigError
            The alias points to no version.
        SentimentError
            The store is unavailable.
        """
        name, _, alias = address.removeprefix("models:/").partition("@")
        if not alias or not address.startswith("models:/"):
            return ""
        version = self._tracker.find_version(name, alias)
        if version is None:
            raise ConfigError([f"the alias {address!r} no longer points to a version."])
        return version

    def load(self, address: str, settings: RouteSettings) -> ServedModel:
        """Load, audit and warm up the model at an `address`.

        Raises
        ------
        SentimentError
            The model does not exist or cannot be used.
        """
        scorer = self._scorer
        version = self.find_version(address)
        # The alias may move in the meantime, so load the version by its number.
        run = f"{address.partition('@')[0]}/{version}" if version else address
        route_scorer = replace(
            scorer, run=run, threshold=settings.threshold, abstain=settings.abstain
        )
        choice = choose_model(route_scorer, self._tracker, None)
        if version:
            choice = replace(choice, why=explain_name(choice.uri, address))
        predictor = load_predictor(route_scorer, self._tracker, choice, self._columns)
        model = ServedModel(choice, predictor, self._limits, version)
        _warm_up(predictor)
        return model

    def find_reference(self, model: ServedModel) -> Reference:
        """Return the reference profile of a model under its decision rule.

        Raises
        ------
        ReferenceMissingError, ConfigError
            The run has no reference profile, or one without the columns that the rule needs.
        SentimentError
            The store is unavailable.
        """
        return find_reference(model.choice, self._tracker).with_rule(model.predictor.rule)

    def make_route(self, name: str, settings: RouteSettings) -> Route:
        """Load the models of a route."""
        champion = self.load(settings.model, settings)
        challenger = None
        if settings.challenger is not None:
            challenger = self.load(settings.challenger, settings)
            check_labels(champion, challenger)
        return Route(name, settings, champion, challenger)


def check_labels(champion: ServedModel, challenger: ServedModel) -> None:
    """Check that two models predict the same labels and read the same columns.

    Raises
    ------
    ConfigError
        The labels or the columns differ.
    """
    for kind, expected, actual in (
        ("labels", champion.predictor.labels, challenger.predictor.labels),
        ("columns", champion.predictor.extra_columns, challenger.predictor.extra_columns),
    ):
        if expected != actual:
            extra = quote_list([name for name in actual if name not in expected], LISTED)
            missing = quote_list([name for name in expected if name not in actual], LISTED)
            raise ConfigError(
                [
                    f"the {kind} of {challenger.uri} differ from those of the model beside or "
                    f"before it, {champion.uri}: it has {extra} more, and lacks {missing}. "
                    "Serve it under another name: routes.<name>.model=<address>."
                ]
            )


def _warm_up(predictor: Predictor) -> None:
    columns = None
    if predictor.extra_columns:
        nulls = [None] * len(_WARM_UP_TEXTS)
        columns = pd.DataFrame(dict.fromkeys(predictor.extra_columns, nulls), dtype="str")
    predictor.predict_few(_WARM_UP_TEXTS, columns)
