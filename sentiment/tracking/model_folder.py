"""A skops file as an MLflow model."""

import os
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile

import pandas as pd

from sentiment import provenance
from sentiment.model_files import TRUSTED_TYPES
from sentiment.tracking.folder import MODEL

# What another process needs to load a model; the cleaning steps are the standard library's.
_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


def make_model_folder(
    skops_file: Path, examples: Sequence[str], folder: Path, run_id: str, model_id: str
) -> None:
    """Make `folder`, from which MLflow loads and serves the model `skops_file`.

    Parameters
    ----------
    skops_file : Path
        The saved pipeline, which becomes part of the folder as it is.
    examples : sequence of str
        A few texts, as an example of its input.
    folder : Path
        To be made.
    run_id, model_id : str
        Ids of the run and of the model in MLflow.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.sklearn import save_model
    from mlflow.types import ColSpec, DataType, Schema
    from sklearn.dummy import DummyClassifier

    # MLflow writes models, but takes none that is written. So it describes the smallest one that
    # there is, whose file is then replaced.
    described = Model(run_id=run_id, model_uuid=model_id, model_id=model_id)
    save_model(
        DummyClassifier(),
        str(folder),
        mlflow_model=described,
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.string, "text")]),
            outputs=Schema([ColSpec(DataType.string)]),
        ),
        input_example=pd.DataFrame({"text": list(examples)}),
        pip_requirements=provenance.pin(*_REQUIREMENTS),
    )
    (folder / MODEL).unlink()
    try:
        os.link(skops_file, folder / MODEL)
    except OSError:  # another file system
        copyfile(skops_file, folder / MODEL)
    described.model_size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    described.save(str(folder / "MLmodel"))
