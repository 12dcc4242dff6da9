"""One job of a sweep: fit, score and write the result into its folder."""

import logging
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from sklearn.pipeline import Pipeline

from sentiment.commands.search.results import JobResult, write_result
from sentiment.commands.train.fitting import Fitting, measure_stages
from sentiment.config import (
    CHOICES,
    Job,
    check_config,
    describe_error,
    find_key,
    flatten,
    is_within,
    make,
)
from sentiment.data.preparation import PreparedData, prepare_data
from sentiment.errors import ConfigError, SentimentError, TooFewRowsError, join_words
from sentiment.modeling.fit_warnings import merging_warnings
from sentiment.modeling.model_files import save_model
from sentiment.redaction import format_error, protect_process
from sentiment.tracking.stages import Stages

log = logging.getLogger(__name__)

# Settings of how jobs are run and kept, which do not change their results.
_HOUSEKEEPING = (
    "search", "tracking", "deploy", "outputs", "memory", "optimize", "refit", "trusted",
)  # fmt: skip


def list_refit_overrides(cfg: DictConfig) -> list[str]:
    """Return the overrides by which `train` refits as a sweep does with its best job.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/train.yaml``, where the default of `refit` depends on the sweep.
    """
    return ["refit=auto"] if OmegaConf.is_interpolation(cfg, "refit") else []


def run_trial(cfg: DictConfig, job: Job) -> JobResult:
    """Run a job of a sweep and write its result, or its error, into the folder of `job`.

    The test rows are not used: a sweep chooses by validation rows or cross-validation, and only its
    winner is scored on test rows.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/train.yaml``; checked here.
    job : Job
        Its number and folder.
    """
    started = time.time()
    protect_process()  # Hydra's launchers may run it in any process
    settings = {key: str(value) for key, value in list_settings(cfg).items()}
    # The sweep logs a warning of many jobs once.
    with warnings.catch_warnings(record=True) as caught:
        try:
            check_config(cfg)
            tags, metrics = _fit_and_score(cfg)
            error, trace = "", ""
        except Exception as problem:  # any error: the other jobs continue, and it is reported
            tags, metrics = {}, {}
            error, trace = describe_error(problem), format_error(problem)
    warned = dict.fromkeys(f"{one.category.__name__}: {one.message}" for one in caught)
    for text in warned:
        log.info("%s", text)
    number = 0 if job.number is None else job.number
    result = JobResult(
        number=number,
        overrides=job.overrides,
        started=started,
        ended=time.time(),
        name=job.describe(),
        tags=tags
        | job.make_command_tags()
        | {k: v for k, v in job.choices.items() if k in CHOICES},
        settings=settings,
        metrics=metrics,
        error=error,
        trace=trace,
        warnings=[" ".join(text.split()) for text in warned],
    )
    write_result(job.folder, result)
    return result


def list_settings(cfg: DictConfig) -> dict[str, object]:
    """Return the settings, by dotted key, on which the result of a job depends.

    Secrets are redacted, since results do not depend on them.
    """
    return {
        key: value
        for key, value in flatten(cfg).items()
        if not is_housekeeping(key) and not key.endswith(".memory")
    }


def is_housekeeping(override: str) -> bool:
    """Return whether the result of a job does not depend on an override or its key."""
    return is_within(override, *_HOUSEKEEPING)


def read_data(cfg: DictConfig) -> PreparedData:
    """Return the data of `cfg`, read and split once for all jobs in this process."""
    return _read_data(OmegaConf.to_yaml(cfg.data, resolve=True, sort_keys=True), cfg.seed)


@lru_cache(maxsize=1)
def _read_data(settings: str, seed: int) -> PreparedData:
    dataset = make(OmegaConf.create({"data": OmegaConf.create(settings)}), "data", "read")
    return prepare_data(dataset, seed)


def find_unlearnable(jobs: Iterable[tuple[Sequence[str], DictConfig]]) -> dict[str, str]:
    """Return the models whose jobs all need more rows of each class than there are, and why.

    They are found before any job is run, so that a sweep can leave them out and run the others.

    Parameters
    ----------
    jobs : iterable of (overrides, config)
        Jobs on the same data, whose seeds may differ.

    Returns
    -------
    dict of str to str
        The reason, by override: ``model=svm``.

    Raises
    ------
    SentimentError
        The data cannot be read, or are not enough for any job, or only for some jobs of a model.
    """
    problems: dict[str, None] = {}
    failed: list[tuple[list[str], str]] = []
    learned: set[str] = set()
    data: PreparedData | None = None
    for overrides, cfg in jobs:
        data = data or read_data(cfg)
        chosen = [word for word in overrides if find_key(word) in (*CHOICES, "experiment")]
        try:
            Fitting(cfg, Stages(watches_memory=False), compared=True).check(data)
            learned.update(chosen)
        except TooFewRowsError as error:
            failed.append((chosen, str(error)))
        except SentimentError as error:
            problems[_describe_problem(chosen, error)] = None
    left_out: dict[str, str] = {}
    for chosen, reason in failed:
        unlearned = [word for word in chosen if word not in learned]
        if unlearned and learned:
            left_out |= dict.fromkeys(unlearned, reason)
        else:
            problems[_describe_problem(chosen, reason)] = None
    if problems:
        raise ConfigError([*problems])
    return left_out


def _describe_problem(chosen: Sequence[str], error: object) -> str:
    return ": ".join(filter(None, [" ".join(chosen), str(error)]))


def describe_left_out(left_out: Mapping[str, str]) -> list[str]:
    """Return a line for each reason why a sweep leaves models out; see `find_unlearnable`."""
    reasons: dict[str, list[str]] = {}
    for override, reason in left_out.items():
        reasons.setdefault(reason, []).append(override)
    return [
        f"left out {join_words(overrides)}: {reason[0].lower()}{reason[1:]}"
        for reason, overrides in reasons.items()
    ]


def _fit_and_score(cfg: DictConfig) -> tuple[dict[str, str], dict[str, float]]:
    """Return tags and metrics of the pipeline that `cfg` describes."""
    stages = Stages(watches_memory=False)
    fitting = Fitting(cfg, stages, compared=True)
    data = fitting.prepare(lambda: read_data(cfg))
    with merging_warnings():
        fitting.fit()
    fitting.evaluate(["validation"])
    metrics = fitting.metrics | {"validation/predict_seconds": fitting.seconds["validation"]}
    metrics |= measure_stages(stages.done[:-1])  # predictions are timed without their scores
    if "size_mb" in (cfg.search.objectives or []):
        metrics["model/size_mb"] = _measure_size(fitting.pipeline)
    tags = {"data": data.name, **data.digests}
    return tags, metrics


def _measure_size(pipeline: Pipeline) -> float:
    """Return the size of the saved `pipeline`, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        save_model(pipeline, path)
        return path.stat().st_size / 1e6
