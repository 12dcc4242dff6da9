"""Predict a file with the best trained model: python scripts/predict.py input=reviews.csv."""

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script
from sentiment.commands.predict.view import show_prediction
from sentiment.config import ALLOWED_TARGETS, CONF, check_config, current_job, register_schemas
from sentiment.errors import FilesFailedError

register_schemas()


@hydra.main(str(CONF), "predict", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Predict as `cfg` says and show where the result is."""
    failure = None
    with Watch("predict", current_job()) as watch:
        check_config(cfg)
        from sentiment.commands.predict.job import predict_files

        try:
            results = predict_files(cfg, watch)
        except FilesFailedError as error:
            results, failure = error.results, error
    for result in results:
        show_prediction(result)
    if failure is not None:
        raise failure


if __name__ == "__main__":
    run_script(main, "stopped; the same command goes on from here")
