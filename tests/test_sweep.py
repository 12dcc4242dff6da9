from pathlib import Path

import mlflow
import pytest
from conftest import Run
from mlflow.entities import Run as MlflowRun

QUICK = ["data=rotten_tomatoes", "data.limit=300", "features=tfidf_unigram"]


def read_runs(folder: Path) -> tuple[MlflowRun, list[MlflowRun]]:
    """Return the parent run of the only sweep in `folder` and its children."""
    mlflow.set_tracking_uri(f"sqlite:///{folder}/outputs/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["sentiment"], output_format="list")
    parents = [run for run in runs if run.data.tags["kind"] == "sweep"]
    assert len(parents) == 1
    return parents[0], [run for run in runs if run.data.tags["kind"] == "training"]


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_sweep_is_one_run_with_a_child_per_job(
    run_script: Run, tmp_path: Path, launcher: str
) -> None:
    parallel = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    done = run_script(
        "train",
        "-m",
        *QUICK,
        "model=logistic_regression,naive_bayes",
        "features.max_features=100,200",
        f"hydra/launcher={launcher}",
        *parallel,
        # In the environment of a scheduler, this would send all jobs into one run.
        env={"MLFLOW_RUN_ID": "0" * 32},
    )
    assert done.returncode == 0, done.stderr
    parent, children = read_runs(tmp_path)
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name.startswith(
        f"sweep {' '.join(QUICK)} model=logistic_regression,naive"
    )
    assert len(children) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in children} == {"FINISHED"}
    assert sorted(run.data.tags["sweep.job"] for run in children) == ["0", "1", "2", "3"]
    asked = {(run.info.run_name, run.data.params["features.max_features"]) for run in children}
    assert asked == {
        (f"{model} on tfidf_unigram", size)
        for model in ("logistic_regression", "naive_bayes")
        for size in ("100", "200")
    }
    scores = {
        int(run.data.tags["sweep.job"]): run.data.metrics["validation/accuracy"] for run in children
    }
    lines = [line for line in done.stdout.splitlines() if line.startswith("#")]
    assert sorted(line.split(" on validation")[0] for line in lines) == [
        f"#{number}  accuracy {score:.4f}" for number, score in sorted(scores.items())
    ]
    best = max(scores.values())
    told = next(line for line in done.stdout.splitlines() if "best: #" in line)
    assert told.endswith(f"accuracy {best:.4f} on validation")
    folders = list((tmp_path / "outputs" / "sweep").glob("*/*/[0-9]"))
    assert sorted(folder.name for folder in folders) == ["0", "1", "2", "3"]
    assert not (tmp_path / "outputs" / "train").exists()


def test_one_bad_job_does_not_lose_the_others(run_script: Run, tmp_path: Path) -> None:
    done = run_script("train", "-m", *QUICK, "features.max_features=100,0,200")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1] == (
        "train.py: features: The 'max_features' parameter of TfidfVectorizer must be an int in the "
        "range [1, inf) or None. Got 0 instead."
    )
    parent, children = read_runs(tmp_path)
    assert parent.info.status == "FAILED"
    assert sorted(run.data.params["features.max_features"] for run in children) == ["100", "200"]


def test_a_sweep_without_tracking_leaves_no_store(run_script: Run, tmp_path: Path) -> None:
    done = run_script("train", "-m", *QUICK, "tracking=off", "seed=1,2")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    models = list((tmp_path / "outputs" / "sweep").glob("*/*/*/model.skops"))
    assert [path.parent.name for path in sorted(models)] == ["0", "1"]


def test_the_metric_may_be_one_where_less_is_better(run_script: Run, tmp_path: Path) -> None:
    done = run_script(
        "train", "-m", *QUICK, "tracking=off", "model.C=0.001,10", "optimize=log_loss"
    )
    assert done.returncode == 0, done.stderr
    scores = {
        line[1]: float(line.split()[2]) for line in done.stdout.splitlines() if line[0] == "#"
    }
    best = min(scores, key=lambda number: scores[number])
    assert f"best: #{best}, log_loss {scores[best]:.4f} on validation" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
