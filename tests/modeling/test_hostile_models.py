"""No file that a stranger may hand over does anything but to be refused."""

import ast
import io
import json
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import hostile_columns  # noqa: F401 - it enters its files in HOSTILE
import hostile_files
import hostile_parts  # noqa: F401
import hostile_schemas  # noqa: F401
import numpy as np
import pandas as pd
import pytest
import skops.io
from conftest import Run
from hostile_files import MODELS, Bench, make_models
from test_architecture import SOURCES, imports_of, parse

from sentiment.errors import UntrustedModelError
from sentiment.modeling.model_files import load_model
from sentiment.modeling.model_files.archive import Archive
from sentiment.modeling.model_files.reading import Reader


@pytest.fixture(scope="module")
def models(reviews: pd.DataFrame) -> dict[str, bytes]:
    """Sound models in plain scikit-learn, as skops writes them."""
    return make_models(reviews)


@pytest.fixture
def bench(models: dict[str, bytes], tmp_path: Path) -> Bench:
    return Bench(tmp_path / "model.skops", tmp_path / "canary", models)


@pytest.mark.parametrize("model", MODELS)
def test_models_that_are_not_tampered_with_are_loaded(bench: Bench, model: str) -> None:
    bench.dump(bench.load(model))
    load_model(bench.path)
    bench.write(*bench.open(model))
    load_model(bench.path)
    bench.write(*bench.open(model), method=0)
    load_model(bench.path)


def outline(data: bytes) -> Any:
    """Return all that a skops file says, with arrays in place of their names."""
    left_out = {"__id__", "key_types", "feature_names_in_", "n_features_in_"}

    def read(name: str) -> tuple[str, str]:
        array = np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
        return str(array.dtype), repr(array.tolist())  # not the bytes between fields

    def expand(part: Any) -> Any:
        if isinstance(part, dict):
            outlined = {k: expand(v) for k, v in part.items() if k not in left_out}
            return outlined | ({"file": read(part["file"])} if "file" in part else {})
        return [expand(inner) for inner in part] if isinstance(part, list) else part

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return expand(json.loads(archive.read("schema.json")))


@pytest.mark.parametrize("model", MODELS)
def test_what_is_read_is_what_skops_wrote(bench: Bench, model: str) -> None:
    data = bench.models[model]
    read = Reader(Archive(io.BytesIO(data))).read_model()
    assert outline(skops.io.dumps(read)) == outline(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", hostile_files.HOSTILE)
def test_hostile_files_are_refused(bench: Bench, kind: str) -> None:
    make, reason = hostile_files.HOSTILE[kind]
    make(bench)
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(UntrustedModelError) as caught:
            load_model(bench.path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    assert not bench.canary.exists()
    assert time.process_time() - start < 20
    assert peak < 400e6


def test_the_command_line_says_so_without_a_traceback(bench: Bench, run_script: Run) -> None:
    hostile_files.HOSTILE["a partial of a system call"][0](bench)
    pd.DataFrame({"text": ["a text"]}).to_csv(bench.path.with_name("texts.csv"))
    process = run_script("predict", "input=texts.csv", f"deploy.run={bench.path}")
    assert process.returncode == 2
    assert "it holds functools.partial, posix.system. A file from elsewhere" in process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    assert not bench.canary.exists()


# What runs code that is in a file, and where: nothing in this project does.
UNPICKLE = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "torch"}
CALLS = {"read_pickle", "load_model", "eval", "exec", "compile", "__import__"}
LOADS = {"load", "loads", "fromfile", "memmap"}


def test_nothing_in_the_library_runs_what_is_in_a_file() -> None:
    ours = {
        "sentiment.modeling.model_files.load_model",
        "sentiment.modeling.model_files.loading.load_model",
    }
    for path in SOURCES:
        imports = {name for name, _ in imports_of(path)}
        if path.name != "drawing.py":  # which reads no file, but a pipe from the process it is of
            assert not {name.partition(".")[0] for name in imports} & UNPICKLE, path
        assert not {name for name in imports if name.endswith(".load_model")} - ours, path
        assert "skops.io.load" not in imports, path
        assert "skops.io.loads" not in imports, path
        for node in ast.walk(parse(path)):
            if not isinstance(node, ast.Call):
                continue
            last = getattr(node.func, "attr", getattr(node.func, "id", None))
            if last not in CALLS | LOADS:
                continue
            called = ast.unparse(node.func)
            first = called.rpartition(".")[0]
            if first in ("joblib", "skops.io"):
                assert last not in ("load", "loads") or path.name == "owned.py", path
            if first in ("np", "numpy") and last in ("load", "fromfile", "memmap"):
                assert "allow_pickle=False" in ast.unparse(node), path
            if first != "re" and called not in ("self.compile", "load_model"):
                assert last not in CALLS, f"{path}: {called}"
