"""Other files in the folder of a run are neither removed, overwritten nor recorded."""

import json
import logging
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from errno import EACCES, EIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier

import mlflow
import pytest
from conftest import ROOT, Run
from disks import full_disk
from hypothesis import given
from hypothesis import strategies as st
from starting import Starter

from sentiment.commands.train.job import train
from sentiment.config import Job, compose
from sentiment.errors import (
    ConfigError,
    ExitCode,
    FitError,
    ModelKeptError,
    TrackingStoreError,
)
from sentiment.tracking import MODEL, RunFacts, RunFolder

QUICK = ["data=rotten_tomatoes", "data.limit=300", "features=tfidf_unigram"]
TYPO = ["data=csv", "data.path=typo.csv"]
FIGURES = [
    f"figures/{split}_{name}.png"
    for split in ("test", "validation")
    for name in ("confusion", "precision_recall", "reliability", "roc")
]
# All that a training leaves in its folder, the model apart.
WRITTEN = {
    "config.yaml",
    "overrides.txt",
    "versions.json",
    "metrics.json",
    "quality.json",
    "card.md",
    "decision_rules.json",
    "terms.csv",
    "figures/terms.png",
    *FIGURES,
    "scores/intervals.json",
    "scores/test.parquet",
    "scores/test_classes.csv",
    "scores/validation.parquet",
    "scores/validation_classes.csv",
    "reference/rows.parquet",
    "reference/terms.parquet",
}
# Files of a person that have the names of those that a run, or Hydra, writes.
OWN = ["thesis.txt", "metrics.json", "train.log", ".hydra/config.yaml", "figures/test_roc.png"]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return the content of all files in `folder`, and None for each folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def write_own(folder: Path) -> dict[str, bytes | None]:
    for name in OWN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"my {name}")
    return snapshot(folder)


names = st.lists(
    st.lists(st.sampled_from(["a", "b", "run.json", "metrics.json"]), min_size=1, max_size=3),
    max_size=6,
)


@pytest.mark.slow
@given(before_files=names, written=names, during=names, depth=st.integers(0, 2))
def test_only_files_of_the_run_are_removed(
    before_files: list[list[str]], written: list[list[str]], during: list[list[str]], depth: int
) -> None:
    def put(folder: Path, components: list[str], text: str) -> None:
        path = folder.joinpath(*(f"{part}.d" for part in components[:-1]), components[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    with TemporaryDirectory() as home:
        for components in before_files:
            put(Path(home), components, "mine")
        target = Path(home).joinpath(*["in.d"] * depth)
        expected = snapshot(Path(home))
        folder = RunFolder.claim(target)
        assert {k: v for k, v in snapshot(Path(home)).items() if k in expected} == expected
        assert not set(folder.files)
        for components in written:
            put(folder.path, ["run", *components], "the run's")
            folder.include(
                [
                    folder.path.joinpath(
                        "run.d", *(f"{p}.d" for p in components[:-1]), components[-1]
                    )
                ]
            )
        for components in during:
            put(folder.path, ["other", *components], "somebody else's")
        contents = {
            name: text
            for name, text in snapshot(Path(home)).items()
            if text == b"somebody else's" or name in expected
        }
        folder.discard()
        assert {
            k: v for k, v in snapshot(Path(home)).items() if v is not None or k in expected
        } == contents
        if not during:
            assert snapshot(Path(home)) == expected


def test_each_of_many_claims_gets_its_own_folder(tmp_path: Path) -> None:
    count = 8
    start = Barrier(count)

    def claim(_: int) -> Path:
        start.wait()
        folder = RunFolder.claim(tmp_path / "same")
        folder.add("mine.txt").write_text(str(folder.path))
        return folder.path

    with ThreadPoolExecutor(count) as pool:
        claimed = list(pool.map(claim, range(count)))
    assert len(set(claimed)) == count
    assert all((path / "mine.txt").read_text() == str(path) for path in claimed)
    assert {path.parent for path in claimed} <= {tmp_path, tmp_path / "same"}


def test_a_log_is_listed_once_it_exists(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path)
    with folder.logging_to("train.log"):
        assert folder.files == []
        logging.getLogger("some.module").warning("so it goes")
        assert folder.files == ["train.log"]
    logging.getLogger("some.module").warning("after the end")
    text = (tmp_path / "train.log").read_text()
    assert text.endswith("][some.module][WARNING] so it goes\n")
    assert text.count("\n") == 1
    folder.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_saved_model_survives_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelKeptError, match=r"kept, with its results; .*model\.skops"),
        RunFolder.claim(tmp_path / "full") as folder,
        full_disk(),
    ):
        folder.add(MODEL).write_text("a model")
        folder.protect(MODEL)
        folder.add("scores/test.csv").write_text("0.9")
        folder.keep(RunFacts("a run", {}))
    assert set(snapshot(tmp_path / "full")) == {MODEL, "run.json", "scores", "scores/test.csv"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(EIO, "Input/output error"), ExitCode.IO_ERROR),
        (OSError("as Arrow raises it"), ExitCode.IO_ERROR),
        (PermissionError(EACCES, "Permission denied"), ExitCode.MISTAKE),
        (TrackingStoreError("x.db", "no server"), ExitCode.UNAVAILABLE),
    ],
)
def test_a_saved_model_survives_errors_of_disks_and_stores(
    error: Exception, code: ExitCode, tmp_path: Path
) -> None:
    with (
        pytest.raises(ModelKeptError, match="without scores") as caught,
        RunFolder.claim(tmp_path) as folder,
    ):
        folder.add(MODEL).write_text("a model")
        folder.protect(MODEL)
        folder.add("scores/test.csv").write_text("0.")
        raise error
    assert caught.value.exit_code is code
    assert set(snapshot(tmp_path)) == {MODEL, "run.json"}


@pytest.mark.parametrize("is_saved", [True, False])
def test_an_unusable_model_is_removed(is_saved: bool, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError if is_saved else OSError),
        RunFolder.claim(tmp_path / "run") as folder,
        nullcontext() if is_saved else full_disk(),
    ):
        folder.add(MODEL).write_text("a model" * 100)
        folder.protect(MODEL)
        raise ConfigError(["the model cannot be deployed."])
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_kept(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = starter.run(tmp_path, "train", *TYPO, "hydra.run.dir=empty")
    assert done.returncode == 2, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("folder_setting", [".", "..", "{absolute}"])
def test_a_mistake_removes_no_file_of_the_user(
    starter: Starter, tmp_path: Path, folder_setting: str
) -> None:
    here = tmp_path / "home" / "here"
    before_files = {folder: write_own(folder) for folder in (tmp_path / "mine", here.parent, here)}
    folder = folder_setting.format(absolute=tmp_path / "mine")
    # One is noticed before anything is written, the other when the run has begun.
    fails_late = [*QUICK, "features.min_df=1000", "tracking=off"]
    for mistake in (TYPO, fails_late) if folder_setting == "." else (TYPO,):
        done = starter.run(here, "train", *mistake, f"hydra.run.dir={folder}")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
    for folder, files in before_files.items():
        assert {k: v for k, v in snapshot(folder).items() if k in files} == files
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "home"}
    assert set(snapshot(here)) == set(before_files[here])


def artifacts(run_id: str) -> set[str]:
    """Return the files that the store has of a run."""
    client = mlflow.MlflowClient()

    def walk(folder: str | None) -> set[str]:
        found = client.list_artifacts(run_id, folder)
        files = {one.path for one in found if not one.is_dir}
        return files.union(*(walk(one.path) for one in found if one.is_dir))

    return walk(None) - {"train.log"}


@pytest.mark.slow
def test_a_run_in_a_used_folder_gets_a_new_one(store: Path, tmp_path: Path) -> None:
    """Beside an earlier run, and beside one that is under way."""
    RunFolder.claim(tmp_path / "under way")

    def run(folder: Path, model: str, features: int) -> Path:
        words = [*QUICK, f"model={model}", f"features.max_features={features}"]
        where = [f"outputs={store}", "tracking.experiment=folders"]
        result = train(compose("train", [*words, *where]), Job(folder, overrides=words))
        assert result.run_id is not None
        # A forest has no terms, and is not taken to have those of the run before.
        absent = {"terms.csv", "figures/terms.png"} if model == "random_forest" else set()
        assert artifacts(result.run_id) == WRITTEN - absent
        path = mlflow.artifacts.download_artifacts(
            run_id=result.run_id, artifact_path="metrics.json"
        )
        contents = json.loads(Path(path).read_text())
        assert (
            contents == json.loads((result.folder / "metrics.json").read_text()) == result.metrics
        )
        return result.folder

    first = run(tmp_path / "again", "logistic_regression", 100)
    assert first == tmp_path / "again"
    state = snapshot(first)
    second = run(tmp_path / "again", "random_forest", 50)
    assert second.parent == first
    assert {k: v for k, v in snapshot(first).items() if k in state} == state
    assert run(tmp_path / "under way", "logistic_regression", 100).parent == tmp_path / "under way"
    assert [path.name for path in (tmp_path / "under way").iterdir() if path.is_file()] == [
        "run.json"
    ]


@pytest.mark.slow
def test_a_store_may_lie_in_the_folder_of_the_run(store: Path, tmp_path: Path) -> None:
    """As in the example of docs/how_to/use_from_python.md."""
    outputs = tmp_path / "outputs"
    for _ in range(2):
        result = train(compose("train", [*QUICK, f"outputs={outputs}"]), Job(outputs))
        assert result.run_id is not None
        assert artifacts(result.run_id) == WRITTEN
    assert len(list(outputs.rglob("mlflow.db"))) == 1


def test_a_store_in_the_folder_of_the_run_is_not_copied_into_itself(
    starter: Starter, tmp_path: Path
) -> None:
    before_files = write_own(tmp_path)
    for _ in range(2):
        done = starter.run(tmp_path, "train", *QUICK, "hydra.run.dir=.")
        assert done.returncode == 0, done.stderr
    assert {k: v for k, v in snapshot(tmp_path).items() if k in before_files} == before_files
    (path,) = tmp_path.rglob("mlflow.db")
    runs = list((path.parent / "artifacts").glob("*/artifacts"))
    assert len(runs) == 2
    for run in runs:
        files = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
        assert files - {"train.log"} == WRITTEN


def test_a_library_call_that_fails_leaves_nothing(tmp_path: Path) -> None:
    for overrides, error in (
        (["features.min_df=1000", "tracking=off"], FitError),
        (["optimize=nonsense"], ConfigError),
    ):
        with pytest.raises(error):
            train(compose("train", [*QUICK, *overrides]), Job(tmp_path / "a" / "b"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("words", [[], ["tracking=off"]], ids=["store", "files"])
def test_a_full_disk_at_the_start_is_one_message(
    words: list[str], run_plainly: Run, tmp_path: Path
) -> None:
    with full_disk():
        done = run_plainly("train", *QUICK, *words)
    assert done.returncode == ExitCode.IO_ERROR, done.stderr
    assert re.fullmatch(r"train\.py: .*the disk.*\n", done.stderr)
    assert {path.name for path in tmp_path.rglob("*")} <= {"outputs", ".mlflow.db.lock"}


def test_make_clean_removes_caches_only() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "clean"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ".ruff_cache" in done.stdout
    assert "outputs" not in done.stdout
