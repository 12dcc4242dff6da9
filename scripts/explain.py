"""Show why a text is taken for what it is: python scripts/explain.py text="A gem."."""

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script
from sentiment.commands.explain.view import show_explanation
from sentiment.config import ALLOWED_TARGETS, CONF, check_config, current_job, register_schemas

register_schemas()


@hydra.main(str(CONF), "explain", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Explain as `cfg` says, and write a page of it."""
    with Watch("explain", current_job()):
        check_config(cfg)
        from sentiment.commands.explain.job import explain

        result = explain(cfg)
    show_explanation(result)


if __name__ == "__main__":
    run_script(main)
