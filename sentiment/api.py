"""Python API for notebooks and programs, exported by the package `sentiment`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment.errors import LISTED, quote_list
from sentiment.redaction.printable import tabulate_html

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from sentiment.commands.predict.results import PredictionResult
    from sentiment.commands.train.job import TrainingResult
    from sentiment.modeling.explanation import TextExplanation
    from sentiment.tracking import ModelChoice


class Model:
    """A trained text classifier, returned by `load`.

    Attributes
    ----------
    source : ModelChoice
        Address, file and run of the model, and why it was chosen.
    classes_ : ndarray of shape (n_classes,)
        Names of the classes, sorted.
    extra_columns : list of str
        Columns that the model reads beside the text; rows to predict must have them.
    pipeline : Pipeline
        The fitted pipeline, from texts to probabilities, in scikit-learn.
    rule : DecisionRule
        Decision rule of `predict`, from the settings of `load`.

    See Also
    --------
    load : Loads a model.

    Examples
    --------
    >>> import sentiment
    >>> model = sentiment.load()
    >>> [str(label) for label in model.classes_]
    ['negative', 'positive']
    """

    def __init__(self, source: "ModelChoice") -> None:
        from sentiment.data.labels import find_order
        from sentiment.modeling.decision_rules import make_rule
        from sentiment.modeling.model_files import load_model
        from sentiment.modeling.pipeline import find_separator
        from sentiment.modeling.scoring import Predictor

        self.source = source
        self.pipeline = load_model(source.path, source.digest)
        self._order = find_order(self.pipeline.classes_)
        self.classes_ = self.pipeline.classes_[self._order]
        self.rule = make_rule(find_separator(self.pipeline))
        self._predictor = Predictor(self.pipeline)
        self.extra_columns = self._predictor.extra_columns

    def predict(self, texts: "Iterable[str] | pd.DataFrame") -> "np.ndarray | list[list[str]]":
        """Return the class of each text by `rule`; by default, the most probable class.

        Parameters
        ----------
        texts : iterable of str, or DataFrame
            The texts, such as a list or a Series of length n, or a table as for `predict_proba`.

        Returns
        -------
        ndarray of str, of shape (n,)
            The classes; ``"unsure"`` if `rule` abstains. With several labels per row, a list of
            lists: by default, the labels with a probability of 0.5 or more.

        Examples
        --------
        >>> import sentiment
        >>> sentiment.load().predict(["a great film", "what a bore"])
        array(['positive', 'negative'], dtype='<U8')
        """
        return self.rule.name(self.predict_proba(texts), self.classes_)

    def predict_proba(self, texts: "Iterable[str] | pd.DataFrame") -> "np.ndarray":
        """Return the probability of each class.

        Parameters
        ----------
        texts : iterable of str, or DataFrame
            The texts, of length n. A table has the texts in the column that the model learned from,
            or in ``text``. It also has the columns `extra_columns`, whose values may be missing.
            Other columns are ignored.

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`.

        Raises
        ------
        TypeError
            `texts` is a single string, or an item is not a string.
        SentimentError
            A table lacks a column.
        ValueError
            The model reads other columns, too, and `texts` is not a table.

        Examples
        --------
        >>> import sentiment
        >>> sentiment.load().predict_proba(["a great film", "what a bore"]).shape
        (2, 2)
        """
        import numpy as np
        import pandas as pd

        from sentiment.modeling.linear import predict_texts
        from sentiment.modeling.pipeline import TEXT_COLUMN, predict_probabilities
        from sentiment.modeling.scoring import read_frame

        if isinstance(texts, str):
            raise TypeError("texts is one string; expected several: predict([text])")
        frame = read_frame(texts, self.extra_columns, self.source.text_column)
        text_list = list(texts if frame is None else frame[TEXT_COLUMN])
        non_string = next((text for text in text_list if not isinstance(text, str)), None)
        if non_string is not None or None in text_list:
            raise TypeError(f"texts holds a {type(non_string).__name__}; expected strings only")
        if not text_list:
            return np.empty((0, len(self.classes_)))
        if not self.extra_columns:
            return predict_texts(self._predictor.classifier, text_list).take(self._order, axis=1)
        assert frame is not None  # noqa: S101 - by read_frame
        rows = pd.DataFrame({TEXT_COLUMN: text_list}).join(frame.drop(columns=TEXT_COLUMN))
        return predict_probabilities(self._predictor.classifier, rows).take(self._order, axis=1)

    def predict_expected(self, texts: "Iterable[str] | pd.DataFrame") -> "np.ndarray":
        """Return the expected value of each prediction, for labels on a scale.

        It is the mean of the values of the labels, weighted by their probabilities, shape (n,). The
        value of a label is its number or, for a list of labels, its position: 1, 2, 3 and so on.

        Parameters
        ----------
        texts : iterable of str, or DataFrame
            As in `predict_proba`, of length n.

        Raises
        ------
        ValueError
            The labels are not ordered, or the run of the model is unknown.
        """
        scale = self.source.read_scale()
        if scale is None:
            raise ValueError("the labels are not ordered; train with data.ordered=true or a list")
        values = [scale[str(label)] for label in self.classes_]
        expected: np.ndarray = self.predict_proba(texts) @ values
        return expected

    def explain(
        self, text: str, columns: "Mapping[str, object] | None" = None, label: str | None = None
    ) -> "TextExplanation":
        """Return the contributions of words and terms to the prediction for one text.

        Parameters
        ----------
        text : str
            The text.
        columns : mapping of str to object, optional
            Values of `extra_columns`, if the model has some; None for a missing value.
        label : str, optional
            The label to explain; default: the predicted label or, of several, the most probable.

        Returns
        -------
        TextExplanation
            With its ``label`` and ``terms``, the strongest first.

        Raises
        ------
        ConfigError, UnexplainableModelError
            The model has no such label, or is not linear.

        Examples
        --------
        >>> import sentiment
        >>> sentiment.load().explain("a warm and moving film").label
        'positive'
        """
        from sentiment.commands.explain.job import read_columns

        values = read_columns(columns or {}, self.extra_columns)
        return self._predictor.replace_settings(self.rule).explain(text, values, label)

    def __repr__(self) -> str:
        source = self.source
        run = f"run {source.run_id}, {source.run_name}" if source.run_id else str(source.path)
        return f"<sentiment.Model {source.uri}: {run}; classes {quote_list(self.classes_, LISTED)}>"

    def _repr_html_(self) -> str:
        source = self.source
        facts = {
            "model": source.uri,
            "run": f"{source.run_name} ({source.run_id})" if source.run_id else "",
            "chosen": source.why,
            "classes": quote_list(self.classes_, LISTED),
            "data": f"{source.data} {source.fingerprint[:12]}" if source.run_id else "",
        }
        return tabulate_html(facts)


def load(model: str | Path = "best", *settings: str) -> Model:
    """Load a trained model.

    Parameters
    ----------
    model : str or Path, default="best"
        ``"best"`` for the run with the best validation accuracy, a run id,
        ``"models:/sentiment@champion"`` or the path of a file that ends with ``.skops``.
    *settings : str
        Settings of ``sentiment predict``, such as ``"outputs=my runs"`` or
        ``"deploy.threshold=max_f1"``.

    Returns
    -------
    Model
        The model, with methods to predict and explain texts.

    Raises
    ------
    SentimentError
        The model does not exist, or is not trusted.

    See Also
    --------
    runs : Lists the runs whose models can be loaded.
    predict_file : Predicts a file of any size.

    Examples
    --------
    >>> import sentiment
    >>> model = sentiment.load()
    >>> model.predict(["a great film", "what a bore"])
    array(['positive', 'negative'], dtype='<U8')
    """
    from sentiment.commands.predict.models import choose_model, choose_rule
    from sentiment.config import make

    cfg = _compose("predict", ["input=-", _make_override("deploy.run", str(model)), *settings])
    scorer, tracker = make(cfg, "deploy", "score"), make(cfg, "tracking")
    loaded = Model(choose_model(scorer, tracker, state=None))
    loaded.rule = choose_rule(scorer, tracker, loaded.source, loaded.pipeline)
    return loaded


def train(*settings: str) -> "TrainingResult":
    """Train a model as ``sentiment train`` does.

    Parameters
    ----------
    *settings : str
        As on the command line: ``"model=svm"``, ``"features.max_features=20000"``.

    Returns
    -------
    TrainingResult
        The result, with ``metrics``, the fitted ``pipeline`` and the ``folder`` of all files.

    Raises
    ------
    SentimentError
        The settings, the data or the tracking store cannot be used.

    See Also
    --------
    load : Loads the model of a run.

    Examples
    --------
    >>> import sentiment
    >>> result = sentiment.train("data=rotten_tomatoes", "data.limit=500", "outputs=my runs")
    >>> 0.5 < result.metrics["validation/roc_auc"] <= 1
    True
    >>> result.folder.parts[-4:-2]
    ('my runs', 'train')
    """
    from sentiment.commands.train.job import train
    from sentiment.config import Job, quote_free_text, read_choices
    from sentiment.tracking.folder import make_timestamp

    cfg = _compose("train", settings)
    folder = Path(cfg.outputs, "train", make_timestamp())
    choices = read_choices("train", quote_free_text(list(settings)))
    return train(cfg, Job(folder=folder, choices=choices, overrides=list(settings)))


def predict_file(
    path: str | Path, output: str | Path | None = None, *settings: str
) -> "PredictionResult":
    """Predict a file as ``sentiment predict`` does; an interrupted job resumes.

    Parameters
    ----------
    path : str or Path
        A CSV, JSON lines or Parquet file, which may be compressed.
    output : str or Path, optional
        Default: the name of the input with ``.predictions`` before its ending.
    *settings : str
        Such as ``"text_column=body"`` or ``"overwrite=true"``.

    Returns
    -------
    PredictionResult
        The result, with the path ``output`` and the counts of rows, ``tally``.

    Raises
    ------
    SentimentError
        The settings, the file or the model cannot be used.

    Examples
    --------
    >>> import pandas as pd
    >>> import sentiment
    >>> result = sentiment.predict_file("reviews.csv", "scored.csv")
    >>> list(pd.read_csv(result.output)["prediction"])
    ['positive', 'negative']
    """
    from sentiment.commands.predict.job import predict

    overrides = [_make_override("input", str(path))]
    if output is not None:
        overrides.append(_make_override("output", str(output)))
    return predict(_compose("predict", [*overrides, *settings]))


def runs(*settings: str) -> "pd.DataFrame":
    """Return all training runs, the newest first.

    Parameters
    ----------
    *settings : str
        Settings of ``sentiment predict`` that name the store, such as ``"outputs=my runs"``.

    Returns
    -------
    DataFrame
        One row for each run: ``run_id``, ``name``, ``started``, ``status``, ``data``,
        ``command``, then its metrics, such as ``validation/accuracy``, and its settings.

    Examples
    --------
    >>> import sentiment
    >>> sentiment.runs()[["data", "validation/accuracy"]].shape[1]
    2
    """
    import pandas as pd

    from sentiment.config import make

    tracker = make(_compose("predict", ["input=-", *settings]), "tracking", "list_runs")
    rows = [
        {
            "run_id": run.id,
            "name": run.name,
            "started": run.started,
            "status": run.status,
            "data": run.tags.get("data"),
            "command": run.tags.get("command"),
            **run.metrics,
            **run.params,
        }
        for run in tracker.list_runs()
    ]
    columns = ["run_id", "name", "started", "status", "data", "command"]
    return pd.DataFrame(rows, columns=None if rows else columns)


def _compose(command: str, settings: Iterable[str]) -> Any:
    from sentiment.config import compose, quote_free_text

    return compose(command, quote_free_text(list(settings)), typed=True)


def _make_override(key: str, value: str) -> str:
    from sentiment.config import quote

    return f"{key}={quote(value)}"
