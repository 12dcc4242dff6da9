"""JSON schemas of conf/ for editors: valid files pass, unknown keys and wrong types do not."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from jsonschema import Draft7Validator

from sentiment.config.json_schemas import PATTERNS, make_editor_settings, make_schema, write_schemas

FILES = {
    path: name
    for name, patterns in PATTERNS.items()
    for pattern in patterns
    for path in sorted(ROOT.glob(pattern))
}


@cache
def make_validator(name: str) -> Draft7Validator:
    schema = make_schema(name)
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def find_errors(name: str, values: Any) -> list[str]:
    return [error.message for error in make_validator(name).iter_errors(values)]


def test_every_file_has_a_schema() -> None:
    assert set(FILES) == set((ROOT / "conf").rglob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "conf")))
def test_a_file_passes_and_a_wrong_key_in_it_is_found(path: Path) -> None:
    if path.stem == "lightgbm" and FILES[path] == "model":
        pytest.importorskip("lightgbm")
    values = yaml.safe_load(path.read_text())
    assert find_errors(FILES[path], values) == []
    # What Python's logging and LightGBM take cannot be listed.
    if FILES[path] != "logging" and path.stem != "lightgbm":
        assert find_errors(FILES[path], values | {"sede": 1})


NAIVE_BAYES = "sklearn.naive_bayes.ComplementNB"
SVM = "sklearn.svm.LinearSVC"
CALIBRATED = "sklearn.calibration.CalibratedClassifierCV"
PIPELINE, SELECTION = "sklearn.pipeline.Pipeline", "sklearn.feature_selection.SelectKBest"
UNION = "sentiment.modeling.estimators.union.make_union"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("train", {"seed": 7}, {"seed": "seven"}),
        ("train", {"seed": 7}, {"seed": -1}),
        ("train", {"optimize": "f1"}, {"optimize": "f2"}),
        ("train", {"memory": "${outputs}/counts"}, {"memory": ["counts"]}),
        ("monitor", {"thresholds": {"distance": 0.2}}, {"thresholds": {"distance": 0}}),
        ("monitor", {"thresholds": {"distance": 0.2}}, {"thresholds": {"distanc": 0.2}}),
        ("promote", {"alpha": 0.5}, {"alpha": 0.6}),
        ("data", {"path": "x.csv", "limit": 5}, {"path": "x.csv", "limit": "all"}),
        ("data", {"on_bad_rows": "error"}, {"on_bad_rows": "stop"}),
        ("deploy", {"threshold": "precision>=0.8"}, {"threshold": [0.8]}),
        ("experiment", {"model": {"C": 2.0}}, {"model": {"C": "high"}}),
        ("experiment", {"model": {"C": 2.0}}, {"model": {"Cc": 2.0}}),
        ("experiment", {"search": {"n_trials": 5}}, {"search": {"n_trials": 0}}),
        ("model", {"_target_": NAIVE_BAYES, "alpha": 1}, {"_target_": NAIVE_BAYES, "C": 1}),
        ("model", {"_target_": NAIVE_BAYES, "alpha": 1}, {"_target_": NAIVE_BAYES, "alpha": -1}),
        ("model", {"_target_": NAIVE_BAYES}, {"_target_": "os.system"}),
        (
            "model",
            {"_target_": CALIBRATED, "estimator": {"_target_": SVM, "C": 1}},
            {"_target_": CALIBRATED, "estimator": {"_target_": SVM, "Cc": 1}},
        ),
        (
            "features",
            {"_target_": UNION, "parts": {"words": {"min_df": 2}}},
            {"_target_": UNION, "parts": {"words": {"mindf": 2}}},
        ),
        ("features", {"ngram_range": [1, 2]}, {"ngram_range": 2}),
        (
            "features",
            {"_target_": PIPELINE, "steps": {"a": {"_target_": SELECTION, "score_func": "a.b"}}},
            {"_target_": PIPELINE, "steps": {"a": {"_target_": SELECTION, "score_fun": "a.b"}}},
        ),
        (
            "features",
            {"_target_": PIPELINE, "steps": [["a", {"_target_": SELECTION}]]},
            {"_target_": PIPELINE, "steps": 3},
        ),
        ("space", {"model.C": "interval(1, 2)"}, {"C": "interval(1, 2)"}),
        ("launcher", {"n_jobs": 2}, {"n_jobs": "two"}),
    ],
)
def test_a_wrong_value_is_found(name: str, right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert find_errors(name, right) == []
    assert find_errors(name, wrong)


def test_settings_are_described_for_completion() -> None:
    schema = make_schema("predict")
    assert "a file, a folder" in schema["properties"]["input"]["description"]
    group = schema["definitions"]["deploy"]["else"]["properties"]
    assert "best" in group["run"]["description"]


def test_the_editor_settings_name_the_written_files(tmp_path: Path) -> None:
    written = write_schemas(tmp_path / "schemas")
    committed = json.loads((ROOT / ".vscode" / "settings.json").read_text())
    assert committed == make_editor_settings()
    assert json.loads((tmp_path / "schemas" / "settings.json").read_text()) == committed
    names = {f"./schemas/{path.name}" for path in written if path.stem != "settings"}
    assert set(committed["yaml.schemas"]) == names
    for path in written:
        json.loads(path.read_text())
