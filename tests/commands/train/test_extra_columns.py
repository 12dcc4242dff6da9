"""Columns beside the text through all commands: data.extra_columns."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

import sentiment
from sentiment.commands.explain.job import explain
from sentiment.commands.finalize.job import finalize
from sentiment.commands.monitor.job import monitor
from sentiment.commands.predict.job import predict
from sentiment.config import check_config, compose
from sentiment.data.columns import decide_columns, find_kind, read_values
from sentiment.data.datasets import Dataset, TableFile
from sentiment.data.preparation import prepare_data
from sentiment.errors import (
    ConfigError,
    DataChangedError,
    MissingColumnError,
    MissingExtraColumnsError,
)
from sentiment.files.tally import Tally
from sentiment.modeling.evaluation import evaluate
from sentiment.modeling.pipeline import list_columns

KINDS = {"price": "number", "product": "category", "created": "date", "vip": "category"}
NAMES = f"data.extra_columns=[{','.join(KINDS)}]"


def make_tickets(seed: int, rows: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    product = rng.choice(["phone", "tv", "radio"], rows)
    words = rng.choice(["slow", "nice", "broken", "late", "order"], (rows, 3))
    return pd.DataFrame(
        {
            "number": range(rows),
            "text": [f"{' '.join(line)} {seed} {n}" for n, line in enumerate(words)],
            "label": np.where((product == "phone") ^ (rng.random(rows) < 0.1), "yes", "no"),
            "price": np.where(rng.random(rows) < 0.1, np.nan, rng.integers(1, 99, rows)),
            "product": pd.Series(product, dtype="str").mask(rng.random(rows) < 0.1),
            "created": pd.date_range("2025-01-01", periods=rows, freq="9h"),
            "vip": rng.random(rows) < 0.5,
        }
    )


def write(path: Path, frame: pd.DataFrame) -> str:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    elif path.suffix == ".db":
        with sqlite3.connect(path) as connection:
            frame.to_sql("tickets", connection, index=False)
        connection.close()
        return f"sqlite:///{path}"
    else:
        frame.to_parquet(path)
    return str(path)


class Place:
    """A folder with tickets, a run that learned from all of their columns, and new tickets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tickets = make_tickets(1)
        write(folder / "tickets.csv", self.tickets)
        self.new = make_tickets(2).drop(columns="label")
        self.words = [f"data.path={folder}/tickets.csv", "data=csv", "features=tfidf_unigram"]
        self.where = f"outputs={folder}/outputs"
        self.run = sentiment.train(*self.words, NAMES, self.where)
        self.model = f"deploy.run={self.run.run_id}"

    def predict(self, frame: pd.DataFrame, name: str, *more: str) -> pd.DataFrame:
        path = write(self.folder / name, frame)
        words = [f"input='{path}'", self.where, self.model, "overwrite=true", *more]
        output = self.folder / f"scored {name}"
        if name.endswith(".db"):
            output, words = output.with_suffix(".csv"), [*words, "table=tickets"]
        done = predict(compose("predict", [*words, f"output='{output}'"]))
        kind = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(done.output.suffix)
        return kind(done.output) if kind else pd.read_json(done.output, lines=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("columns"))


@pytest.mark.slow
def test_training_decides_kinds_and_learns_from_the_columns(place: Place) -> None:
    assert {one.name: one.kind for one in place.run.data.columns} == KINDS
    assert list_columns(place.run.pipeline) == KINDS
    assert place.run.metrics["test/accuracy"] > 0.75
    without = sentiment.train(*place.words, place.where)
    assert without.metrics["test/accuracy"] < 0.7
    # The same rows in the same splits: such runs can be compared.
    assert without.data.fingerprint == place.run.data.fingerprint
    settings = sentiment.runs(place.where).set_index("run_id")["data.extra_columns"]
    assert settings[without.run_id] == "None"
    assert settings[place.run.run_id] == str([*KINDS])


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "db"])
def test_every_format_gives_the_same_predictions(place: Place, ending: str) -> None:
    # A database has no truth values of its own, and other programs write them in other ways.
    vip = {"db": place.new["vip"].map({True: "TRUE", False: "false"})}.get(ending, place.new["vip"])
    scored = place.predict(place.new.assign(vip=vip), f"new.{ending}")
    frame = place.new.assign(**{name: read_values(place.new[name]) for name in KINDS}, label="no")
    expected = evaluate(place.run.pipeline, frame)
    assert scored["prediction"].tolist() == expected.predicted.tolist()
    np.testing.assert_allclose(scored["probability"], expected.probabilities.max(axis=1), atol=1e-9)


def test_columns_that_a_file_lacks_are_named(place: Place) -> None:
    frame = place.new.drop(columns=["product", "vip"]).rename(columns={"price": "Price"})
    with pytest.raises(MissingExtraColumnsError) as caught:
        place.predict(frame, "less.csv")
    message = str(caught.value)
    assert "'price', 'product' and 'vip'" in message
    assert "Did you mean 'Price'?" in message
    assert caught.value.exit_code == 2
    assert not (place.folder / "scored less.csv").exists()


def test_missing_and_unseen_values_are_predicted(place: Place) -> None:
    strange = place.new.head(4).assign(
        price=["n/a", None, "1e999", "12"], product=["fridge", None, "", "TV"], created=None
    )
    assert len(place.predict(strange, "strange.csv")) == 4
    # The report counts what the model could not use, over all batches.
    report = json.loads((place.folder / "scored strange.csv.json").read_text())
    product = {"missing": 2, "unknown": 2}
    assert report["tally"]["columns"] == {
        "price": {"missing": 1, "unreadable": 2}, "product": product, "created": {"missing": 4}
    }  # fmt: skip
    twice = Tally()
    for _ in range(2):
        twice.add_columns({"product": product})
    assert twice.columns == {"product": {"missing": 4, "unknown": 4}}


@pytest.mark.slow
def test_explanations_name_columns(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    scored = place.predict(place.new, "explained.csv", "explain=true")
    reasons = scored["speaks_for"].str.cat(scored["speaks_against"].fillna(""), sep="; ")
    phones = (place.new["product"] == "phone").to_numpy()
    assert reasons[phones].str.contains("product=phone").all()
    assert not reasons[~phones].str.contains("product=phone").any()
    assert reasons.str.contains("price (number)", regex=False).any()
    # One text, with the values of its columns.
    words = [place.where, place.model, "text='slow order'", f"output={place.folder}/one.html"]
    words.append("overwrite=true")
    values = "columns={price: 12.5, product: phone, created: 2025-03-04, vip: null}"
    found = explain(compose("explain", [*words, f"'{values}'"[1:-1]])).explanation
    assert found.label == "yes"
    assert found.terms[0][0] == "product=phone"
    assert "words and columns" in Path(place.folder / "one.html").read_text()
    assert not caplog.messages
    explain(
        compose("explain", [*words, "columns={price: cheap,product: sofa,created: x,vip: null}"])
    )
    assert caplog.messages == [
        "columns.price is 'cheap', which is not a number and counts as missing",
        "columns.product is 'sofa', which is in too few training rows, so the model ignores it",
        "columns.created is 'x', which is not a date and counts as missing",
    ]
    with pytest.raises(ConfigError, match="columns lacks 'product', 'vip' and 'created'"):
        explain(compose("explain", [*words, "columns={price: 1}"]))
    with pytest.raises(ConfigError, match="columns lacks 'price', .* text, and has 'prize'. Give"):
        explain(compose("explain", [*words, "columns={prize: 1}"]))
    with pytest.raises(ConfigError, match="columns has 'colour'; the model reads 'price'"):
        explain(compose("explain", [*words, f"{values[:-1]}, colour: red}}"]))


@pytest.mark.slow
def test_the_library_takes_frames(place: Place) -> None:
    model = sentiment.load(str(place.run.run_id), place.where)
    expected = place.predict(place.new, "new.csv")
    assert list(model.predict(place.new)) == expected["prediction"].tolist()
    np.testing.assert_allclose(
        model.predict_proba(place.new).max(axis=1), expected["probability"], atol=1e-9
    )
    with pytest.raises(ValueError, match="DataFrame with the texts and 'price', 'product'"):
        model.predict(["slow order"])
    with pytest.raises(MissingExtraColumnsError, match="'product'"):
        model.predict(place.new.drop(columns="product"))
    explanation = model.explain(
        "slow", {"price": 3, "product": "phone", "created": None, "vip": True}
    )
    assert dict(explanation.terms)["product=phone"] > 0


@pytest.mark.slow
def test_mlflow_serves_the_columns(place: Place) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{place.folder}/outputs/mlflow.db")
    model: Any = mlflow.pyfunc.load_model(place.run.model)
    types = {one.name: str(one.type) for one in model.metadata.signature.inputs}
    assert types == {
        "text": "DataType.string", "price": "DataType.double", "product": "DataType.string",
        "created": "DataType.string", "vip": "DataType.string",
    }  # fmt: skip
    rows = place.new[["text", *KINDS]]
    rows = rows.assign(**{name: read_values(rows[name]) for name in ("created", "vip")})
    answers = model.predict(rows.assign(price=rows["price"].astype(float)))
    assert list(answers) == place.predict(place.new, "new.csv")["prediction"].tolist()
    with pytest.raises(mlflow.exceptions.MlflowException, match="price"):
        model.predict(rows.drop(columns="price"))


@pytest.mark.slow
def test_monitoring_sees_drift_of_columns(place: Place) -> None:
    def watch(frame: pd.DataFrame, name: str) -> tuple[list[str], list[str]]:
        place.predict(frame, name)
        words = [f"current='{place.folder}/scored {name}'", place.where]
        done = monitor(compose("monitor", [*words, f"output='{place.folder}/{name} report'"]))
        return [c.name for c in done.comparison.checks], done.comparison.drifted

    more = pd.concat([place.new] * 4, ignore_index=True)
    more["text"] += [f" {n}" for n in range(len(more))]
    names, drifted = watch(more, "same.csv")
    mine = {"column price", "column product", "column vip", "missing price", "missing created"}
    assert mine <= set(names)
    assert not mine & set(drifted)
    moved = more.assign(price=more["price"] + 200, product="fridge", created=None)
    assert {"column price", "column product", "missing created"} <= set(
        watch(moved, "moved.csv")[1]
    )


@pytest.mark.slow
def test_finalizing_learns_from_the_columns_too(place: Place) -> None:
    words = [place.where, f"run={place.run.run_id}"]
    final = finalize(compose("finalize", words))
    model = sentiment.load(str(final.run_id), place.where)
    assert {*model.extra_columns} == {*KINDS}
    changed = place.tickets.assign(price=place.tickets["price"] * 2)
    other = write(place.folder / "changed.csv", changed)
    with pytest.raises(DataChangedError, match="extra columns"):
        finalize(compose("finalize", [*words, f"path={other}"]))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("[price,label]", "names 'label', which is data.label_column"),
        ("[text]", "names 'text', which is data.text_column"),
        ("[price,price]", "names 'price' twice"),
        ("[split]", "Rename the column in the file"),
        ("{price: money}", "expected"),
    ],
)
def test_mistakes_are_found_before_any_work(setting: str, problem: str) -> None:
    words = ["data=csv", "data.path=nowhere.csv", f"data.extra_columns={setting}"]
    with pytest.raises(ConfigError, match=problem):
        check_config(compose("train", words))


def test_a_column_that_is_not_there_is_found_before_the_rows_are_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = TableFile(
        name="x", path=str(place.folder / "tickets.csv"), extra_columns=["price", "prodct"]
    )
    monkeypatch.setattr("sentiment.data.datasets._read_columns", lambda *given: pytest.fail("read"))
    with pytest.raises(MissingColumnError, match="Did you mean 'product'"):
        dataset.read()


class Own(Dataset):
    """A data set of the user's own, whose columns have any type."""

    def read(self) -> pd.DataFrame:
        return make_tickets(3)


def test_a_custom_data_set_may_have_columns() -> None:
    data = prepare_data(Own(name="own", extra_columns={"price": "category", "vip": "category"}), 1)
    assert [column.kind for column in data.columns] == ["category"] * 2
    assert data.columns[1].levels == ("False", "True")
    assert set(data.train["vip"]) == {"False", "True"}
    with pytest.raises(ConfigError, match="'weight'.*beside text and label, it has 'number'"):
        prepare_data(Own(name="own", extra_columns=["weight"]), 1)


def test_columns_that_nothing_uses_are_named(caplog: pytest.LogCaptureFixture) -> None:
    class Halves(Own):
        def read(self) -> pd.DataFrame:
            return super().read()[["text", "label", "price"]].assign(half="train")

    prepare_data(Halves(name="own", extra_columns=["price"]), 1)
    [record] = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "Halves.read returned 'half', which nothing uses: splits" in record.getMessage()


def test_kinds_are_those_of_nearly_all_values(caplog: pytest.LogCaptureFixture) -> None:
    assert find_kind(pd.Series(["1", "-2.5", "1e3"])) == "number"
    assert find_kind(pd.Series(["2026", "2025"])) == "number"
    assert find_kind(pd.Series(["2026-01-02", "2026-01-02 10:00:00+02:00"])) == "date"
    assert find_kind(pd.Series(["01/02/2026", "$5"])) == "category"
    frame = pd.DataFrame(
        {
            "rough": [*map(str, range(99)), "n/a"],
            "empty": [None] * 100,
            "unique": [f"id {n}" for n in range(100)],
            "few": ["a"] * 96 + ["b"] * 4,
            "zip": ["01067"] * 50 + ["10115"] * 50,
        },
        dtype="str",
    )
    found = decide_columns(frame, dict.fromkeys(frame.columns))
    assert [(one.name, one.kind, one.levels) for one in found] == [
        ("rough", "number", ()), ("few", "category", ("a",)),
        ("zip", "category", ("01067", "10115")),
    ]  # fmt: skip
    shown = [record.getMessage() for record in caplog.records]
    assert shown[0] == (
        "column 'rough': 1 value of training rows, such as 'n/a', is not a number and counts as "
        "missing"
    )
    assert shown[1] == "column 'empty' is left out: empty"
    assert "column 'unique' is left out: none of its values, such as 'id 0'" in shown[2]
    json.dumps([one.describe() for one in found])
