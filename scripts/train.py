"""Train a text classifier: python scripts/train.py model=svm features.max_features=20000."""

import hydra
from _terminal import Watch, run_script, show_job, show_training
from omegaconf import DictConfig

from sentiment.config import ALLOWED_TARGETS, check_config, current_job, register_schemas

register_schemas()


@hydra.main("../conf", "train", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> float:
    """Train as `cfg` says, show the result and return the metric to optimize."""
    job = current_job()
    with Watch(f"train {' '.join(job.overrides)}", job, discard=True) as watch:
        check_config(cfg)
        from sentiment.training import train

        result = train(cfg, job, watch)
    if job.sweep:
        show_job(job, result, cfg.optimize)
    else:
        show_training(result, cfg.tracking.get("uri"))
    return result.score


if __name__ == "__main__":
    run_script(main)
