"""The life of a model as a scheduler would run it, each step a script of its own."""

import re
from pathlib import Path

import pandas as pd
from conftest import write_frame
from starting import Starter

from sentiment.data.datasets import EmbeddedReviews

DATA = "data=csv data.path=data.csv features=tfidf_unigram"


def test_a_model_is_trained_watched_and_replaced(
    starter: Starter, prefect_server: str, tmp_path: Path
) -> None:
    frame = EmbeddedReviews(name="imdb", source="imdb").read()
    frame = frame.groupby("label").head(800).sample(frac=1, random_state=1)[["text", "label"]]
    write_frame(frame[:900], tmp_path / "data.csv")
    write_frame(frame[900:], tmp_path / "today.csv")
    sentences = EmbeddedReviews(name="rotten_tomatoes", source="rotten_tomatoes").read()
    write_frame(sentences.sample(700, random_state=1)[["text"]], tmp_path / "tomorrow.csv")
    env = {"PREFECT_API_URL": prefect_server, "PREFECT_HOME": str(tmp_path / "prefect")}

    def run(script: str, *words: str, code: int = 0) -> str:
        done = starter.run(tmp_path, script, *words, env=env)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        mistake = code in (2, 4)
        assert bool(done.stderr) == mistake
        return done.stderr if mistake else done.stdout

    def find(pattern: str, shown: str) -> str:
        found = re.search(pattern, shown, re.MULTILINE)
        assert found is not None, shown
        return found[1]

    def predict(day: str) -> str:
        champion = "deploy.run=models:/sentiment@champion"
        return find(
            r"\(run (\w+)\)", run("predict", f"input={day}.csv", champion, "overwrite=true")
        )

    first = find(r"^run +(\w+)$", run("train", *DATA.split(), "features.max_features=300"))
    assert run("promote", "run=best") == (
        f"result   run {first} is the champion of sentiment as version 1, the first\n"
        "model    models:/sentiment@champion\n"
    )
    weak = find(r"^run +(\w+)$", run("train", *DATA.split(), "features.max_features=5"))
    shown = run("compare", "a=models:/sentiment@champion", f"b={weak}")
    assert "verdict  B is worse than A: right on " in shown
    shown = run("promote", f"run={weak}", code=4)
    assert shown.startswith(f"promote.py: run {weak} was not promoted: its accuracy is worse by 0.")
    assert shown.endswith(f"scripts/promote.py run={weak} force=<reason>\n")
    assert predict("today") == first
    assert "verdict  no drift" in run("monitor", "current=today.predictions.csv")
    assert predict("tomorrow") == first
    shown = run("monitor", "current=tomorrow.predictions.csv", code=3)
    assert "verdict  drift in characters, words" in shown

    # More reviews, and a model that knows more words.
    write_frame(frame[:1300], tmp_path / "data.csv")
    train = f"train={DATA} features.max_features=3000"
    shown = run("flow", train, "input=today.csv", "promote=resamples=200")
    second = find(r"^trained +run (\w+)$", shown)
    assert f"result   run {second} is the champion of sentiment as version 2" in shown
    assert "against the settings of the champion on the same data: " in shown
    assert "monitor  no drift in 700 rows" in shown
    shown = run("compare", f"a={first}", "b=models:/sentiment@champion", code=2)
    assert "cannot be compared" in shown
    assert "went back from version 2 to version 1" in run("promote", "rollback=true")
    assert predict("today") == first
    answers = pd.read_csv(tmp_path / "today.predictions.csv")
    assert (answers["prediction"] == answers["label"]).mean() > 0.7
