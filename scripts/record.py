"""Record a run that was kept: python scripts/record.py folder=outputs/train/..."""

import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script, show_recording
from sentiment.config import ALLOWED_TARGETS, check_config, current_job, register_schemas

register_schemas()


@hydra.main("../conf", "record", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Record the run in the folder that `cfg` names."""
    with Watch("record", current_job()):
        check_config(cfg)
        from sentiment.tracking.recording import record

        result = record(cfg)
    show_recording(result)


if __name__ == "__main__":
    run_script(main)
