"""Examples in docstrings run and print what they show."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT

import sentiment
from sentiment.config import commands

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "sentiment").rglob("*.py")
    if ">>> " in path.read_text()
)
# Their examples load a model and predict a file.
USERS = {"sentiment", "sentiment.api", "sentiment.modeling.scoring"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model and a file of reviews."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sentiment.train("data=rotten_tomatoes", "model=naive_bayes")
    (folder / "reviews.csv").write_text("text\na great film\nwhat a bore\n")
    return folder


def test_the_public_names_have_examples() -> None:
    for name in sentiment.__all__:
        assert ">>> " in (getattr(sentiment, name).__doc__ or ""), name


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in USERS else name for name in MODULES],
)
def test_examples_run(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(request.getfixturevalue("folder") if name in USERS else tmp_path)
    monkeypatch.setattr(commands, "_arguments", [])
    module = import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(verbose=False, optionflags=flags)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0, capsys.readouterr().out
