"""Steps of the flow, whose arguments and results can be stored as JSON."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from sentiment.commands.compare.contenders import is_data_override
from sentiment.commands.compare.job import compare, describe
from sentiment.commands.predict.job import predict_files
from sentiment.commands.promote.decision import Promotion
from sentiment.commands.promote.history import FLOW
from sentiment.commands.promote.job import find_reasons, promote
from sentiment.commands.search.results import read_winner
from sentiment.commands.train.files import list_params
from sentiment.commands.train.job import train
from sentiment.config import (
    Job,
    compose,
    find_key,
    is_within,
    list_trusted,
    make,
    quote_free_text,
    read_choices,
    read_overrides,
    read_recorded,
    suggest_command,
)
from sentiment.data.preparation import prepare_data
from sentiment.errors import (
    ConfigError,
    RunDeletedError,
    RunNotFoundError,
    StepFailedError,
)
from sentiment.files.columns import choose_text_column
from sentiment.files.dialects import ReadOptions
from sentiment.files.opening import is_database, list_inputs, open_all
from sentiment.files.origins import strip_compression
from sentiment.redaction import redact
from sentiment.tracking import Tracker
from sentiment.tracking.folder import make_timestamp
from sentiment.tracking.recording import record_earlier
from sentiment.tracking.registry import CHAMPION

Facts = dict[str, Any]

_PROJECT_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Steps:
    """The steps of one flow.

    Parameters
    ----------
    cfg : DictConfig
        The checked config of ``conf/flow.yaml``.
    at : str
        Start of the flow, as part of a path, so that retries use the same folder.
    """

    cfg: DictConfig
    at: str = field(default_factory=make_timestamp)
    # The folder of each training by its overrides, so that a retry finds a run that was kept.
    _folders: dict[tuple[str, ...], Path] = field(default_factory=dict, init=False)

    def list_overrides(self, script: str) -> list[str]:
        """Return the settings of a script as overrides of its command line."""
        overrides = shlex.split(read_recorded(self.cfg, script))
        if script == "train" and self.cfg.flow.search is None:
            # A deployed model should learn from all labels; a search does so by default.
            overrides = overrides if any(map(_is_refit, overrides)) else ["refit=auto", *overrides]
        elif script == "train":
            # A search may have several values for a setting, as with `-m`.
            _, *overrides = quote_free_text(["-m", *overrides])
            return [f"search={self.cfg.flow.search}", *overrides]
        return quote_free_text(overrides)

    def check_scripts(self) -> None:
        """Check the settings of every script.

        Raises
        ------
        ConfigError
            Lists all mistakes, each with its script.
        """
        required = {"train": [], "promote": [], "predict": ["input=x"], "monitor": ["current=x"]}
        problems = []
        for script, overrides in required.items():
            try:
                self._compose(script, [*overrides, *self.list_overrides(script)])
            except ConfigError as error:
                problems += [f"{script}: {problem}" for problem in error.problems]
        if problems:
            raise ConfigError(problems)

    def check_input(self) -> Facts:
        """Check the input before any work."""
        if self.cfg.input is None:
            return {"input": None}
        trained_column = self._compose("train", self.list_overrides("train")).data.get(
            "text_column"
        )
        cfg = self._compose_prediction()
        for source in open_all(cfg.input, ReadOptions.of(cfg)):
            # The model is not known yet, and may have learned from another column.
            column = trained_column if trained_column in source.columns else ""
            choose_text_column(Path(source.origin.name), source.columns, cfg.text_column, column)
        return {"input": redact(cfg.input)}

    def check_data(self) -> Facts:
        """Read, check and split the data; return a summary."""
        cfg = self._compose("train", self.list_overrides("train"))
        data = prepare_data(make(cfg, "data", "read"), cfg.seed)
        return {
            "data": data.name,
            "fingerprint": data.fingerprint,
            "digests": " ".join(data.digests.values()),
            "rows": data.report.rows,
            "dropped": data.report.dropped,
            "splits": {name: len(getattr(data, name)) for name in data.report.splits},
        }

    def train(self, overrides: list[str]) -> str:
        """Train, or search if `overrides` name a search; return the id of the run."""
        if any(find_key(override) == "search" for override in overrides):
            return self._search(overrides)
        cfg = self._compose("train", overrides)
        folder = self._folders.setdefault(
            tuple(overrides), Path(cfg.outputs, "train", make_timestamp())
        )
        job = Job(folder, read_choices("train", overrides), overrides)
        result = record_earlier(cfg, folder, list_params(cfg)) or train(cfg, job)
        if result.run_id is None:
            raise StepFailedError("train", "the run is not tracked; a flow needs tracking=mlflow")
        return result.run_id

    def find_champion(self) -> Facts | None:
        """Return run, data and settings of the champion, or None without one.

        Raises
        ------
        StepFailedError
            The run of the champion was deleted.
        """
        tracker = self._make_tracker()
        version = tracker.open_registry(self.cfg.name).find(CHAMPION)
        if version is None:
            return None
        try:
            run = tracker.read_run(version.run_id)
        except RunDeletedError as error:
            promotion = f"name={self.cfg.name}", "run=<id>", "force=<reason>"
            advice = (
                f"Another run becomes the champion by: {suggest_command('promote', *promotion)}"
            )
            raise StepFailedError("find champion", f"{error} {advice}") from error
        overrides = read_overrides(run.tags) or []
        return {
            "run": version.run_id,
            "version": version.number,
            "fingerprint": run.tags.get("data.fingerprint"),
            "settings": [
                override
                for override in overrides
                if not (
                    is_data_override(override)
                    or _is_storage_setting(override)
                    or _is_refit(override)
                )
            ],
        }

    def list_champion_overrides(self, champion: Facts) -> list[str]:
        """Return the overrides of the champion, with the data and the final fit of this flow."""
        overrides = self.list_overrides("train")
        refit = [*filter(_is_refit, overrides)] or ["refit=auto"]
        return [*refit, *champion["settings"], *filter(is_data_override, overrides)]

    def compare(self, first: str, second: str) -> Facts:
        """Compare two runs; return the verdict and the reasons to refuse the second."""
        cfg = self._compose("compare", [f"a={first}", f"b={second}", *self._list_common()])
        result = compare(cfg, FLOW)
        promotion_cfg = self._compose_promotion()
        reasons = find_reasons(
            result.comparison.pairs[0],
            promotion_cfg.metric,
            promotion_cfg.alpha,
            promotion_cfg.margin,
        )
        return describe(result) | {"reasons": reasons, "page": str(result.page)}

    def has_model(self, run: str) -> bool:
        """Return whether an earlier run still exists, with its model."""
        try:
            self._make_tracker().find_model(run, "accuracy")
        except RunNotFoundError:
            return False
        return True

    def promote(self, run: str, new_data: str | None = None) -> Facts:
        """Make a run the champion unless it is worse; return the outcome.

        `new_data` is the reason why it may replace a champion that was scored on other data.
        """
        cfg = self._compose_promotion(f"run={run}")
        return _summarize_promotion(promote(cfg, FLOW, new_data=new_data))

    def roll_back(self) -> Facts:
        """Make the previous champion the champion again."""
        cfg = self._compose_promotion("rollback=true")
        return _summarize_promotion(promote(cfg, FLOW))

    def predict(self) -> list[Facts]:
        """Predict the input with the champion; return a summary of each output."""
        cfg = self._compose_prediction()
        return [
            {
                "output": str(result.output),
                "read": result.tally.read,
                "written": result.tally.written,
                "rejected": result.tally.rejected,
                "labels": result.tally.counts,
            }
            for result in predict_files(cfg)
        ]

    def _compose_promotion(self, *overrides: str) -> DictConfig:
        name = f"name={self.cfg.name}"
        return self._compose("promote", [name, *overrides, *self.list_overrides("promote")])

    def _compose_prediction(self) -> DictConfig:
        overrides = [f"input={self.cfg.input}", f"deploy.run=models:/{self.cfg.name}@{CHAMPION}"]
        overrides.append(f"output={self._choose_output()}")
        return self._compose("predict", [*overrides, *self.list_overrides("predict")])

    def _choose_output(self) -> Path:
        """Return the path of the predictions, in a folder for this run of the flow only."""
        folder = Path(self.cfg.outputs, "predict", self.at)
        if is_database(self.cfg.input):
            return folder / "predictions.csv"
        paths, input_folder = list_inputs(self.cfg.input, ReadOptions.of(self.cfg))
        if input_folder is not None:
            return folder
        name = strip_compression(paths[0]).name
        return folder / (f"{name}.csv" if paths[0].is_dir() else name)

    def monitor(self, output: str) -> Facts:
        """Compare an output with the reference of training; return the checks."""
        from sentiment.commands.monitor.job import monitor

        cfg = self._compose("monitor", [f"current={output}", *self.list_overrides("monitor")])
        result = monitor(cfg)
        return {
            "output": output,
            "drifted": result.comparison.drifted,
            "compared": result.compared,
            "report": str(result.folder / "report.html"),
        }

    def _search(self, overrides: list[str]) -> str:
        """Search, or resume an interrupted search; return the id of the winner's run."""
        run = self._find_winner(overrides)
        # A complete search has no new run, and the run of its winner may have been deleted.
        return run if self.has_model(run) else self._find_winner([*overrides, "search.fresh=true"])

    def _find_winner(self, overrides: list[str]) -> str:
        # The address of the store may have a password, and all users can list command lines.
        shared = [
            override for override in self._list_shared() if not is_within(override, "tracking.uri")
        ]
        store = self.cfg.tracking.get("uri")
        # The other process must run this code, not another installed version.
        paths = [str(_PROJECT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        environment |= {"SENTIMENT_TRACKING_URI": str(store)} if store else {}
        with TemporaryDirectory() as folder:
            study_file = Path(folder, "study")
            command = [sys.executable, "-m", "sentiment.commands.flow.searching", str(study_file)]
            process = subprocess.run(
                [*command, *overrides, *shared],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            study = study_file.read_text(encoding="utf-8") if study_file.exists() else None
        if process.returncode or study is None:
            output = (process.stderr or process.stdout).strip().splitlines()
            reason = output[-1] if output else f"exit code {process.returncode}"
            raise StepFailedError("search", reason, process.returncode)
        winner = read_winner(Path(self.cfg.outputs, "search", study))
        if winner is None or winner.run is None:
            problem = f"no winner in '{Path(self.cfg.outputs, 'search', study)}'"
            reason = f"{problem}: another machine has trained it, or it is not tracked"
            raise StepFailedError("search", reason)
        return winner.run

    def _make_tracker(self) -> Tracker:
        tracker: Tracker = make(self.cfg, "tracking", "find_model")
        return tracker

    def _compose(self, primary: str, overrides: Any) -> DictConfig:
        return compose(primary, quote_free_text([*overrides, *self._list_shared()]))

    def _list_shared(self) -> list[str]:
        """Return the settings that all steps share, as overrides."""
        # A setting from an environment variable is passed on and recorded by the variable's name.
        settings = {"outputs": read_recorded(self.cfg, "outputs")} | {
            f"tracking.{key}": read_recorded(self.cfg.tracking, str(key))
            for key in self.cfg.tracking
            if key != "_target_"
        }
        shared = quote_free_text([f"{key}={value}" for key, value in settings.items()])
        return [*shared, f"trusted=[{','.join(list_trusted())}]"]

    def _list_common(self) -> list[str]:
        """Return the settings that promotions and comparisons share."""
        keys = ("metric", "level", "resamples", "seed")
        return [
            override for override in self.list_overrides("promote") if find_key(override) in keys
        ]


def _is_storage_setting(override: str) -> bool:
    """Return whether a setting is about files, stores or trusted classes."""
    return is_within(override, "outputs", "tracking", "memory", "trusted")


def _is_refit(override: str) -> bool:
    """Return whether a setting chooses the training rows of the final model."""
    return is_within(override, "refit")


def _summarize_promotion(promotion: Promotion) -> Facts:
    comparison = promotion.comparison
    return {
        "outcome": promotion.outcome,
        "sentence": promotion.sentence,
        "reasons": promotion.reasons,
        "champion": promotion.champion.run_id if promotion.champion else None,
        "version": promotion.champion.number if promotion.champion else None,
        "page": str(comparison.page) if comparison else None,
    }
