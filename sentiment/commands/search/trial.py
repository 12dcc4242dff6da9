"""One job of a sweep: fit, score on validation rows, and leave the result in a folder."""

import re
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from sklearn.pipeline import Pipeline

from sentiment.commands.search.results import JobResult, write_result
from sentiment.config import Job, check_config, describe_error, flatten, make
from sentiment.data.preparation import PreparedData, prepare_data
from sentiment.data.splitting import SPLITS
from sentiment.modeling.evaluation import cross_validate, evaluate, score
from sentiment.modeling.model_files import save_model
from sentiment.modeling.pipeline import fit, make_pipeline, precompute_counts
from sentiment.redaction import format_error, protect_process

# What says how jobs are run and kept, not what they do.
HOUSEKEEPING = ("search", "tracking", "deploy", "outputs", "memory", "optimize")


def run_trial(cfg: DictConfig, job: Job) -> JobResult:
    """Run a job of a sweep and leave its result in the folder of `job`, also if it fails.

    The test rows are not touched: a sweep chooses on validation rows, and only its winner is ever
    scored on the others.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/train.yaml``; checked here.
    job : Job
        Its number and folder.
    """
    started = time.time()
    protect_process()  # a launcher of Hydra's may run it in any process
    settings = {key: str(value) for key, value in list_settings(cfg).items()}
    try:
        check_config(cfg)
        tags, metrics = _try_out(cfg)
        error, trace = "", ""
    except Exception as problem:  # any error: the other jobs continue, and it is reported
        tags, metrics = {}, {}
        error, trace = describe_error(problem), format_error(problem)
    number = 0 if job.number is None else job.number
    result = JobResult(
        number=number,
        overrides=job.overrides,
        started=started,
        ended=time.time(),
        name=job.describe(),
        tags=tags | {"command": job.write_command()},
        settings=settings,
        metrics=metrics,
        error=error,
        trace=trace,
    )
    write_result(job.folder, result)
    return result


def list_settings(cfg: DictConfig) -> dict[str, object]:
    """Return the settings, by dotted key, that make a difference to what a job finds.

    Secrets make none, and are redacted.
    """
    return {
        key: value
        for key, value in flatten(cfg).items()
        if not is_housekeeping(key) and not key.endswith(".memory")
    }


def is_housekeeping(override: str) -> bool:
    """Return whether an override, or its key, makes no difference to what a job finds."""
    return re.split(r"[.=@]", override.lstrip("+~"), maxsplit=1)[0] in HOUSEKEEPING


def read_data(cfg: DictConfig) -> PreparedData:
    """Return the data of `cfg`, read and split once for all jobs in this process."""
    return _read_data(OmegaConf.to_yaml(cfg.data, resolve=True, sort_keys=True), cfg.seed)


@lru_cache(maxsize=1)
def _read_data(described: str, seed: int) -> PreparedData:
    dataset = make(OmegaConf.create({"data": OmegaConf.create(described)}), "data", "read")
    return prepare_data(dataset, seed)


def _try_out(cfg: DictConfig) -> tuple[dict[str, str], dict[str, float]]:
    """Return tags and metrics of the pipeline that `cfg` describes."""
    pipeline: Pipeline = make_pipeline(
        make(cfg, "features", "fit", "transform"), make(cfg, "model", "fit", "predict_proba")
    )
    metrics: dict[str, float] = {}

    def time_stage(name: str, start: float) -> None:
        metrics[f"stage/{name}_seconds"] = time.perf_counter() - start

    start = time.perf_counter()
    data = read_data(cfg)
    time_stage("prepare_data", start)
    if cfg.memory is not None:
        start = time.perf_counter()
        texts = [getattr(data, name)["text"] for name in SPLITS]
        precompute_counts(pipeline, pd.concat(texts, ignore_index=True))
        time_stage("count_texts", start)
    if cfg.cv:
        start = time.perf_counter()
        scores = cross_validate(pipeline, data.train, cfg.cv, cfg.seed)
        metrics |= {f"cv/{name}": value for name, value in scores.items()}
        time_stage("cross-validate", start)
    start = time.perf_counter()
    fit(pipeline, data.train)
    time_stage("fit", start)
    start = time.perf_counter()
    predictions = evaluate(pipeline, data.validation)
    metrics["validation/predict_seconds"] = time.perf_counter() - start
    metrics |= {f"rows/{name}": float(len(getattr(data, name))) for name in ("train", "validation")}
    metrics |= {f"validation/{name}": value for name, value in score(predictions).items()}
    if "size_mb" in (cfg.search.objectives or []):
        metrics["model/size_mb"] = _measure_size(pipeline)
    tags = {"data": str(cfg.data.get("name")), "data.fingerprint": data.fingerprint}
    return tags, metrics


def _measure_size(pipeline: Pipeline) -> float:
    """Return the size of the saved `pipeline`, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        save_model(pipeline, path)
        return path.stat().st_size / 1e6
