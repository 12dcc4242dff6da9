"""Predict a file with the best trained model: python scripts/predict.py input=reviews.csv."""

import hydra
from _terminal import Watch, run_script, show_prediction
from omegaconf import DictConfig

from sentiment.config import ALLOWED_TARGETS, register_schemas

register_schemas()


@hydra.main("../conf", "predict", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Predict as `cfg` says and show where the result is."""
    from sentiment.prediction import predict

    with Watch("predict") as watch:
        result = predict(cfg, watch)
    show_prediction(result)


if __name__ == "__main__":
    run_script(main)
