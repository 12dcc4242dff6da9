"""Folder of an MLflow model, created from a skops file."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import pandas as pd
import skops.io

from sentiment.modeling.model_files import LOADED_TYPES
from sentiment.tracking import provenance
from sentiment.tracking.folder import CARD, MODEL, RULES, RunFacts

# Packages to load a model with; its cleaning steps only need the standard library.
_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")
_OPTIONAL = ("lightgbm", "xgboost")
# The folder of code in that of the model, and the module of the pyfunc in it.
_CODE, _LOADER = "code", "sentiment_pyfunc"


def make_model_folder(
    files: Path, facts: RunFacts, folder: Path, run_id: str, model_id: str
) -> None:
    """Create `folder`, from which MLflow loads and serves the model of a run.

    Parameters
    ----------
    files : Path
        The folder of the run. The saved pipeline and the card in it become part of `folder`.
    facts : RunFacts
        Facts of the run, with a few rows as an input example, and their columns.
    folder : Path
        The folder to create.
    run_id, model_id : str
        Ids of the run and of the model in MLflow.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.sklearn import save_model
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from sklearn.dummy import DummyClassifier

    from sentiment.tracking import pyfunc_model

    inputs = dict.fromkeys(["text", *facts.columns], DataType.string)
    inputs |= {name: DataType.double for name, kind in facts.columns.items() if kind == "number"}
    # MLflow cannot take over a model file, so it saves a minimal model, whose file is replaced.
    types = skops.io.get_untrusted_types(file=files / MODEL)
    packages = {name.partition(".")[0] for name in types}
    model = Model(run_id=run_id, model_uuid=model_id, model_id=model_id)
    with _without_check_of_requirements():
        save_model(
            DummyClassifier(),
            str(folder),
            mlflow_model=model,
            serialization_format="skops",
            skops_trusted_types=LOADED_TYPES,
            signature=ModelSignature(
                inputs=Schema([ColSpec(kind, name) for name, kind in inputs.items()]),
                outputs=Schema([ColSpec(DataType.string)]),
                params=ParamSchema(
                    [
                        ParamSpec("probabilities", DataType.string, pyfunc_model.LABELS_ONLY),
                        ParamSpec("top_k", DataType.long, 1),
                        ParamSpec("threshold", DataType.string, pyfunc_model.HALF),
                    ]
                ),
            ),
            input_example=pd.DataFrame(facts.examples, columns=[*inputs]),
            pip_requirements=provenance.pin(*_REQUIREMENTS, *packages.intersection(_OPTIONAL)),
        )
    (folder / MODEL).unlink()
    for name in filter(lambda name: (files / name).exists(), (MODEL, CARD, RULES)):
        try:
            os.link(files / name, folder / name)
        except OSError:  # another file system
            copyfile(files / name, folder / name)
    (folder / _CODE).mkdir()
    copyfile(pyfunc_model.__file__, folder / _CODE / f"{_LOADER}.py")
    model.flavors["python_function"] |= {"loader_module": _LOADER, "code": _CODE}
    # Where the model is loaded, skops applies its own list of trusted types.
    model.flavors["sklearn"]["skops_trusted_types"] = types
    model_files = filter(Path.is_file, folder.rglob("*"))
    model.model_size_bytes = sum(path.stat().st_size for path in model_files)
    model.save(str(folder / "MLmodel"))


@contextlib.contextmanager
def _without_check_of_requirements() -> Iterator[None]:
    """Turn off MLflow's check of requirements against installed packages in the ``with`` block.

    The check takes a second or two, and these requirements are pinned to the installed versions.
    """
    from mlflow.utils import environment

    name = "warn_dependency_requirement_mismatches"
    check = getattr(environment, name, None)
    setattr(environment, name, lambda _: None)
    try:
        yield
    finally:
        if check is None:  # another version of MLflow
            delattr(environment, name)
        else:
            setattr(environment, name, check)
