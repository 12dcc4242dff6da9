"""Kernels that are compiled ahead."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib.figure  # noqa: F401 - training that finds it starts no process to draw
import pytest
import shortcuts
from numba.core.dispatcher import Dispatcher

FILMS = "".join(f'"a film, {"good" if n % 3 else "bad"}, of {n}"\n' for n in range(50))


def list_compiled() -> set[tuple[str, str, tuple[object, ...]]]:
    """Return the kernels that this process has compiled or loaded, by module and arguments."""
    return {
        (name, kernel.py_func.__name__, signature)
        for name, module in list(sys.modules.items())
        if name.startswith("sentiment.")
        for kernel in vars(module).values()
        if isinstance(kernel, Dispatcher) and kernel.py_func.__module__ == name
        for signature in kernel.signatures
    }


def list_late(folder: Path) -> list[str]:
    """Return the kernels that jobs need though they were not compiled ahead."""
    from sentiment.commands.predict.job import predict
    from sentiment.commands.train.job import train
    from sentiment.config import Job, compose
    from sentiment.modeling.precompile import compile_kernels

    shortcuts.install()
    compile_kernels()
    ahead = list_compiled()
    assert len(ahead) > 20
    (folder / "x.csv").write_text(f"text\n{FILMS}")
    common = ["data=rotten_tomatoes", "data.limit=1000", "tracking=off", f"outputs={folder}"]
    for features in ("char", "counts", "tfidf"):
        for memory in ("null", folder / "memory"):
            job = Job(folder / features, {}, [])
            job.folder.mkdir(exist_ok=True)
            words = [*common, f"features={features}", f"memory={memory}"]
            model = train(compose("train", words), job).model
        for explain in ("true", "false"):
            words = [f"input='{folder}/x.csv'", f"output='{folder}/{features}_{explain}.csv'"]
            words += [f"deploy.run='{model}'", "tracking=off", f"explain={explain}"]
            predict(compose("predict", words))
    return [f"{name}.{kernel}{arguments}" for name, kernel, arguments in list_compiled() - ahead]


@pytest.mark.process
def test_no_job_has_to_compile_anything(tmp_path: Path) -> None:
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh) as process:
        assert process.submit(list_late, tmp_path).result(timeout=300) == []
