"""Train a text classifier: python scripts/train.py model=svm features.max_features=20000."""

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import run_script
from sentiment.commands.search.observing import OBSERVER
from sentiment.commands.search.view import SweepWatch
from sentiment.config import ALLOWED_TARGETS, CONF, check_config, current_job, register_schemas

register_schemas()


@hydra.main(str(CONF), "train", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Train as `cfg` says and show the result; a job of a sweep leaves it in its folder."""
    job = current_job()
    if job.sweep is not None:
        from sentiment.commands.search.trial import run_trial

        run_trial(cfg, job)
        return
    # Not above: a worker of a cluster is sent this function, and has no scripts on its path.
    from sentiment.cli.terminal import Watch, show_training

    with Watch(f"train {' '.join(job.overrides)}", job) as watch:
        check_config(cfg, job.overrides)
        job.check_search()
        from sentiment.commands.train.job import train

        result = train(cfg, job, watch)
    show_training(result, cfg.tracking.get("uri"))


if __name__ == "__main__":
    OBSERVER.set(SweepWatch)
    run_script(main)
