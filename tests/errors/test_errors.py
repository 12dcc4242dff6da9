import pickle
from errno import EACCES, EINTR, ENAMETOOLONG, ENOSPC
from pathlib import Path

import pytest

from sentiment import errors
from sentiment.errors import (
    AllRowsRejectedError,
    AlreadyFinalError,
    AmbiguousColumnError,
    BadRowsError,
    ChangedInputError,
    ClusterError,
    ConfigError,
    DamagedJournalError,
    DamagedLogError,
    DatabaseError,
    DatabaseUnavailableError,
    DataChangedError,
    DenseRowsError,
    EmptyDataError,
    EmptySplitError,
    ExitCode,
    ExperimentDeletedError,
    ExperimentExistsError,
    FilesFailedError,
    FitError,
    FlowServerError,
    GoalOutOfReachError,
    IncomparableRunsError,
    InputNotFoundError,
    JobsFailedError,
    LabelsBusyError,
    ListenError,
    LostModelError,
    MissingColumnError,
    MissingExtraColumnsError,
    MissingPackageError,
    ModelKeptError,
    ModelPackageError,
    NoBestJobError,
    NoChampionError,
    NoPredictionsError,
    NoTextColumnError,
    NothingToLabelError,
    NothingToRollBackError,
    NoTrialError,
    NoUnlabelledColumnError,
    OccupiedFolderError,
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    ProjectFileError,
    PromotionBusyError,
    RecipeError,
    ReferenceMissingError,
    RepeatedColumnError,
    RunDeletedError,
    RunNotFoundError,
    RunNotKeptError,
    RunNotRecordedError,
    SentimentError,
    StepFailedError,
    StudyFolderError,
    StudyLostError,
    StudyMismatchError,
    StudyNotFoundError,
    StudyStorageError,
    SweepBusyError,
    SweepNotRecordedError,
    SweepStoppedError,
    SweepUnfinishedError,
    TooFewClassesError,
    TooFewRowsError,
    TrackingStoreError,
    UnexplainableModelError,
    UnfinishedOutputError,
    UnknownSplitsError,
    UnlearnedClassesError,
    UnreadableFileError,
    UnsavableModelError,
    UntrustedModelError,
    UnusablePathError,
    UnusableVersionError,
    UserCodeError,
    explain_os_error,
    list_classes,
    list_counts,
    quote_list,
    suggest,
)

EXAMPLES: list[tuple[SentimentError, type[Exception], str]] = [
    (
        DamagedJournalError(Path("studies.journal"), "line 3 is cut off"),
        ValueError,
        "'studies.journal' is damaged (line 3 is cut off). Repeat the command.",
    ),
    (
        ExperimentExistsError(Path("conf/experiment/mine.yaml")),
        FileExistsError,
        "'conf/experiment/mine.yaml' exists already. Choose another name with write=<name>, or "
        "replace it with overwrite=true.",
    ),
    (
        JobsFailedError([(3, "no terms remain"), (5, "no terms remain")], 8),
        RuntimeError,
        "2 of 8 jobs failed:\n  #3  no terms remain\n  #5  no terms remain",
    ),
    (
        NoBestJobError("ab12", "its jobs were validated on different rows"),
        LookupError,
        "the grid 'ab12' has no best job: its jobs were validated on different rows.",
    ),
    (
        NoTrialError("svm", 2, 1),
        LookupError,
        "no trial of the study 'svm' has ended well yet: 2 failed and 1 were begun. Resume the "
        "search, or fix what its failures name.",
    ),
    (
        RecipeError("the settings are not known"),
        ValueError,
        "no experiment was written: the settings are not known",
    ),
    (
        StudyFolderError(Path("outputs/search/svm")),
        FileExistsError,
        "'outputs/search/svm' holds trials of another study, which has the same name and is stored "
        "elsewhere. Choose another folder for this one: outputs=<folder>, or start a new study "
        "beside it: search.fresh=true.",
    ),
    (
        StudyLostError(Path("search/svm")),
        LookupError,
        "'search/studies.journal' has lost the study whose trials are in 'search/svm'. Repeat the "
        "command of the search: it recovers what they have found.",
    ),
    (
        StudyMismatchError("svm", ["data.limit: 300 in the study, 400 now"]),
        ValueError,
        "the study 'svm' was started with other settings, so its trials cannot be compared with "
        "new ones:\n  - data.limit: 300 in the study, 400 now\nResume it with those settings, "
        "start a new one beside it with search.fresh=true, or name another: "
        "search.name=<name>.",
    ),
    (
        StudyNotFoundError("svn", "'studies.journal'", ["svm"], "train.py -m search=<name>"),
        LookupError,
        "no study 'svn' in 'studies.journal'; there is 'svm'. Did you mean 'svm'? A search makes "
        "one: train.py -m search=<name>",
    ),
    (
        SweepBusyError(Path("sweep/ab12")),
        BlockingIOError,
        "another process runs this sweep in 'sweep/ab12'. Wait for it, or start another one "
        "beside it with search.fresh=true.",
    ),
    (
        SweepStoppedError("5 jobs in a row failed", "No terms remain."),
        RuntimeError,
        "the sweep stopped: 5 jobs in a row failed. Last error: No terms remain. Finished jobs "
        "are kept. Fix the cause and repeat the command, or allow more failures: "
        "search.max_failures=<number>.",
    ),
    (
        OccupiedNameError(Path("x.csv.json"), "it is a folder"),
        FileExistsError,
        "'x.csv.json' is in the way and is not touched: it is a folder. Rename or remove it, or "
        "name another output with output=<file>.",
    ),
    (
        LostModelError(Path("x.csv.partial"), "models:/m-1", "model 'models:/m-1' was not found."),
        LookupError,
        "'x.csv.partial' was begun with the model models:/m-1, which cannot be loaded any more: "
        "model 'models:/m-1' was not found. Restore that model, name another output with "
        "output=<file>, or start again with overwrite=true.",
    ),
    (ConfigError(["a is 1; expected 2."]), ValueError, "a is 1; expected 2."),
    (
        ConfigError(["a is wrong.", "b is wrong."]),
        ValueError,
        "2 problems in the configuration:\n  - a is wrong.\n  - b is wrong.",
    ),
    (
        UnreadableFileError(Path("x.csv"), "CSV", "line 3 has 4 fields."),
        ValueError,
        "'x.csv' cannot be read as CSV: line 3 has 4 fields. Check that the file is complete and "
        "that its ending names its format (.csv, .parquet, .jsonl).",
    ),
    (
        RepeatedColumnError(Path("x.csv"), "CSV", "text"),
        ValueError,
        "'x.csv' cannot be read as CSV: it has two columns 'text'. Rename one of them.",
    ),
    (
        DamagedLogError(Path("2026-01-31T10Z-0a1b2c3d.parquet"), "it ends early."),
        ValueError,
        "'2026-01-31T10Z-0a1b2c3d.parquet' cannot be read as a part of a log of serve: it ends "
        "early. Restore it from a copy, or move it to another folder; the rest of the log is then "
        "read without its rows.",
    ),
    (
        EmptyDataError("'x.csv'"),
        ValueError,
        "'x.csv' holds no data: it has no rows. Expected at least one row with a text.",
    ),
    (
        LabelsBusyError(Path("labels/ann.csv")),
        BlockingIOError,
        "another process is writing labels to 'labels/ann.csv'. Stop it, or label under another "
        "name: labeler=<name>.",
    ),
    (
        NothingToLabelError("x.csv", 9, {"labelled or chosen before": 8, "empty": 1}),
        ValueError,
        "no text of 'x.csv' is left to label: of its 9 rows, 8 labelled or chosen before, 1 empty. "
        "Name an input with other texts.",
    ),
    (
        MissingColumnError(Path("x.csv"), {"txt": "data.text_column"}, ["id", "text"]),
        KeyError,
        "'x.csv' has no column 'txt'; its columns are 'id' and 'text'. Did you mean 'text'? Name "
        "the column with data.text_column=<name>.",
    ),
    (
        MissingColumnError(
            Path("x.csv"),
            {"text": "data.text_column", "label": "data.label_column"},
            ["column_1", "column_2"],
        ),
        KeyError,
        "'x.csv' has no columns 'text' and 'label'; its columns are 'column_1' and 'column_2'. "
        "Name the columns with data.text_column=<name> and data.label_column=<name>. If its first "
        "line holds the names, set data.header=true.",
    ),
    (
        NoUnlabelledColumnError(Path("x.csv"), "text", ["column_1", "column_2"]),
        KeyError,
        "'x.csv', which data.unlabelled names, has no column 'text', as the labelled texts have, "
        "and none that is known to hold texts; its columns are 'column_1' and 'column_2'. Rename "
        "the one with the texts to 'text'. If its first line holds the names, set "
        "data.header=true.",
    ),
    (
        AllRowsRejectedError("x.csv", {"no text": 2, "wrong number of fields": 9}, "row 1: 'a'"),
        ValueError,
        "all 11 rows of 'x.csv' are rejected, 9 of them for this reason: wrong number of fields. "
        "The first is row 1: 'a'. Nothing was written. Check how fields are separated and quoted, "
        "and set sep or quote.",
    ),
    (
        NoTextColumnError(Path("x.csv"), ["id"]),
        KeyError,
        "'x.csv' has no column that is known to hold texts; its columns are 'id'. Name the column "
        "with text_column=<name>.",
    ),
    (
        NoTextColumnError(Path("x.csv"), ["id"], "summary"),
        KeyError,
        "'x.csv' has no column 'summary', from which the model learned, and none that is known to "
        "hold texts; its columns are 'id'. Name the column with text_column=<name>.",
    ),
    (
        MissingExtraColumnsError(Path("x.csv"), ["price", "product"], ["text", "Price"]),
        KeyError,
        "'x.csv' has no columns 'price' and 'product', from which the model learned beside the "
        "text; its columns are 'text' and 'Price'. Did you mean 'Price'? Add them: a cell may be "
        "empty, but a column must be there.",
    ),
    (
        AmbiguousColumnError(Path("x.csv"), "summary", ["text", "body"], "text_column"),
        KeyError,
        "'x.csv' has no column 'summary', from which the model learned, and 2 that may hold texts: "
        "'text' and 'body'. Name one with text_column=<name>.",
    ),
    (
        NoPredictionsError(Path("x.csv"), ["id", "text"], "predict it"),
        KeyError,
        "'x.csv' has no columns 'prediction' and 'probability', which predict writes; its columns "
        "are 'id' and 'text'. Predict it first: predict it",
    ),
    (
        ReferenceMissingError("run 'x'"),
        LookupError,
        "run 'x' keeps no reference to monitor against; those trained before there was monitoring "
        "have none. Train the model again, or name another run with run=<id>.",
    ),
    (
        ModelPackageError("lightgbm"),
        ImportError,
        "the model was trained with lightgbm, which is not installed here. Install it: pip install "
        "lightgbm. A package of your own may be in the working folder instead.",
    ),
    (
        MissingPackageError("evidently", "monitoring", "monitor"),
        ImportError,
        "monitoring needs evidently, which is not installed. Install it with "
        "pip install 'sentiment[monitor]'.",
    ),
    (
        BadRowsError({"missing_text": 2, "empty_text": 1}, 1000),
        ValueError,
        "3 of 1,000 rows cannot be used (missing text: 2, empty text: 1) and "
        "data.on_bad_rows=error. Correct them, or drop them with data.on_bad_rows=drop.",
    ),
    (
        BadRowsError({"unreadable": 1}, 1000, ["'x.csv', line 7: a quote that is not closed"]),
        ValueError,
        "1 of 1,000 rows cannot be used (unreadable: 1) and data.on_bad_rows=error. The first that "
        "cannot be read is in 'x.csv', line 7: a quote that is not closed. Correct them, or drop "
        "them with data.on_bad_rows=drop.",
    ),
    (
        TooFewClassesError({"good": 3}, "the data", "1 of 4 rows are left out (1 duplicates)."),
        ValueError,
        "the data has 1 class ('good': 3); expected two or more. 1 of 4 rows are left out (1 "
        "duplicates). Check that the label column is the right one, that every class has a label, "
        "and that the file is not cut behind its first class.",
    ),
    (
        TooFewRowsError({"rare": 1, "odd": 2}, 4, 3, "a split", "", "raise data.limit"),
        ValueError,
        "2 of 4 classes are too small ('rare': 1, 'odd': 2), but a split needs at least 3 "
        "different texts of each class. Add rows, leave small classes out or merge them "
        "(data.rare=drop or data.rare=merge; a larger data.min_per_class merges more of them), or "
        "raise data.limit.",
    ),
    (
        TooFewRowsError({"rare": 1}, 4, 3, "a fit (cv=3)", min_per_class=5),
        ValueError,
        "1 of 4 classes is too small ('rare': 1), but a fit (cv=3) needs at least 3 different "
        "texts of each class. Add rows, leave small classes out or merge them (data.rare=drop or "
        "data.rare=merge, with data.min_per_class=5).",
    ),
    (
        TooFewRowsError({"rare": 1, "odd": 2}, 3, 3, "a split"),
        ValueError,
        "2 of 3 classes are too small ('rare': 1, 'odd': 2), but a split needs at least 3 "
        "different texts of each class. Add rows or merge small classes (data.rare=merge; a larger "
        "data.min_per_class merges more of them).",
    ),
    (
        TooFewRowsError({"rare": 1, "odd": 2}, 2, 3, "a split", "", "raise data.limit"),
        ValueError,
        "2 of 2 classes are too small ('rare': 1, 'odd': 2), but a split needs at least 3 "
        "different texts of each class. Add rows, or raise data.limit.",
    ),
    (
        UnknownSplitsError("part", {"holdout": 3, "": 1}),
        ValueError,
        "the column 'part' (data.split_column) has 4 rows whose value names no split ('holdout': "
        "3, '': 1); expected train, validation (or valid, val, dev) or test, in capitals or not. "
        "Correct them, or name another column.",
    ),
    (
        EmptySplitError("train", ["train", "test"], "4 of 8 rows are left out.", "raise it"),
        ValueError,
        "the data bring the official splits train, test, but no train rows are left. 4 of 8 rows "
        "are left out. Texts of the test split leave the others, so check that its rows are not "
        "the same, or raise it.",
    ),
    (
        UnlearnedClassesError({"c": 5}, 3),
        ValueError,
        "1 of 3 classes is not in the training rows, but in other splits ('c': 5), so no model "
        "can learn it. Add training rows, correct its rows, or leave them out (data.rare=drop).",
    ),
    (
        FitError("no terms remain."),
        ValueError,
        "scikit-learn could not fit the pipeline: no terms remain. Change the features or model "
        "settings named there, or look at the data they meet.",
    ),
    (
        FitError("TypeError: sparse rows", "evaluate"),
        ValueError,
        "scikit-learn could not evaluate the pipeline: TypeError: sparse rows. Change the features "
        "or model settings named there, or look at the data they meet.",
    ),
    (
        OutputExistsError(Path("x.csv")),
        FileExistsError,
        "'x.csv' exists already. Name another file with output=<file>, or replace it with "
        "overwrite=true.",
    ),
    (
        UnfinishedOutputError(Path("x.csv.partial"), ["sep was ';' and is None"]),
        FileExistsError,
        "'x.csv.partial' is the unfinished output of another job: sep was ';' and is None. Give "
        "that job's command again to finish it, name another file with output=<file>, or drop "
        "what is there with overwrite=true.",
    ),
    (
        OutputBusyError(Path("x.csv")),
        BlockingIOError,
        "another process is writing 'x.csv'. Wait for it, or name another file with output=<file>.",
    ),
    (
        RunNotFoundError("run 'x'", "sqlite:///y", "Train first."),
        LookupError,
        "run 'x' was not found in the tracking store 'sqlite:///y'. Train first.",
    ),
    (
        DataChangedError("a", "imdb", "1" * 64, "2" * 64, 1234, "sentiment train refit=all"),
        ValueError,
        "run a was scored on data imdb 111111111111, and what is read now is 222222222222 (1,234 "
        "rows): its rows or their split have changed. Train on the data as they are: sentiment "
        "train refit=all",
    ),
    (
        AlreadyFinalError("a", 1300, 1300, "auto"),
        ValueError,
        "the model of run a has learned from 1,300 rows, and refit=auto would fit it on 1,300. Use "
        "this model as it is, or name a run whose model has learned from fewer rows.",
    ),
    (
        IncomparableRunsError("a", "b", ["seed is 1 against 2", "c is d"], "Train again."),
        ValueError,
        "run a cannot be compared with run b: seed is 1 against 2; c is d. Train again.",
    ),
    (
        ExperimentDeletedError("x", "1", "sqlite:///y"),
        LookupError,
        "experiment 'x' is deleted in the tracking store 'sqlite:///y'. Restore it "
        "(MLFLOW_TRACKING_URI=sqlite:///y mlflow experiments restore --experiment-id 1), or name "
        "another one with tracking.experiment=<name>.",
    ),
    (
        RunDeletedError("x", "sqlite:///y"),
        LookupError,
        "run 'x' is deleted in the tracking store 'sqlite:///y'. Restore it, or its experiment if "
        "that is deleted (MLFLOW_TRACKING_URI=sqlite:///y mlflow runs restore --run-id x), or name "
        "another run.",
    ),
    (
        UnusableVersionError("m", "2", "its file is gone.", "3", ("1", "promote it")),
        LookupError,
        "version 2 of m cannot be loaded: its file is gone. The champion is still version 3. The "
        "next older version that can be loaded is 1: promote it",
    ),
    (
        UnusableVersionError("m", "2", "its file is gone.", None, None),
        LookupError,
        "version 2 of m cannot be loaded: its file is gone. There is no champion. No older version "
        "that was the champion can be loaded; promote another run.",
    ),
    (
        PromotionBusyError("m", "host:1:2"),
        BlockingIOError,
        "another process (host:1:2) is changing the registered model 'm'. Run the same command "
        "again when it is done.",
    ),
    (
        GoalOutOfReachError(
            "precision>=0.95",
            "precision of 'good'",
            1200,
            500,
            best=0.97,
            bound=0.94567,
            confidence=0.975,
        ),
        ValueError,
        "deploy.threshold is 'precision>=0.95', but 1,200 scored rows (500 of that class) do "
        "not show it: the precision of 'good' is 0.9700 at best, and with a confidence of 97.5 % "
        "not less than 0.9457. Ask for precision>=0.945 or less, or train with more of them: "
        "cv=5, or a larger data.validation_size.",
    ),
    (
        NothingToRollBackError("sentiment", "previous", "sqlite:///y", "promote it"),
        LookupError,
        "the model 'sentiment' has no version with the alias 'previous' in the tracking store "
        "'sqlite:///y', so there is nothing to go back to. Promote a run: promote it",
    ),
    (
        TrackingStoreError("http://x", "nobody answers."),
        ConnectionError,
        "the tracking store 'http://x' cannot be used: nobody answers. Check tracking.uri and "
        "its server, and give the same command again. Only training runs without a store: "
        "tracking=off.",
    ),
    (
        TrackingStoreError("x.db", "it is not a database.", ExitCode.MISTAKE),
        ConnectionError,
        "the tracking store 'x.db' cannot be used: it is not a database. Correct tracking.uri, "
        "such as sqlite:///outputs/mlflow.db or http://127.0.0.1:5000. Only training runs without "
        "a store: tracking=off.",
    ),
    (
        RunNotRecordedError(
            TrackingStoreError("x.db", "it is full.", condition="there is space"),
            Path("a/b"),
            "do x",
            "the report",
        ),
        ConnectionError,
        "the tracking store 'x.db' cannot be used: it is full. Nothing is lost: the report is in "
        "'a/b'. When there is space, record the run with: do x",
    ),
    (
        RunNotRecordedError(
            TrackingStoreError("http://x", "no server."), Path("a/b"), "do x", "the model and page"
        ),
        ConnectionError,
        "the tracking store 'http://x' cannot be used: no server. Nothing is lost: the model and "
        "page are in 'a/b'. When the store is back, record the run with: do x",
    ),
    (
        FilesFailedError(
            {
                Path("in/a.csv"): EmptyDataError("'in/a.csv'"),
                Path("in/b.csv"): PermissionError(13, "Permission denied"),
            },
            ["c"],
        ),
        ValueError,
        "2 of 3 files could not be predicted:\n"
        "  - in/a.csv: 'in/a.csv' holds no data: it has no rows. Expected at least one row with a "
        "text.\n"
        "  - in/b.csv: it cannot be read (Permission denied).\n"
        "The others are done, and the same command skips them.",
    ),
    (
        SweepNotRecordedError(
            TrackingStoreError("http://x", "no server."), Path("a/b"), (3, 4), "do x", trained=False
        ),
        ConnectionError,
        "the tracking store 'http://x' cannot be used: no server. Nothing is lost: the results of "
        "3 of 4 jobs are in 'a/b'. When the store is back, the same command records them and "
        "trains the best: do x",
    ),
    (
        SweepUnfinishedError(
            OSError(ENOSPC, "No space left on device", "x"), Path("a/b"), (3, 4), "do x"
        ),
        OSError,
        "'x' cannot be used: No space left on device. Check the path, its permissions and the "
        "space on the disk. The results of 3 of 4 jobs are in 'a/b'. Make space on the disk; then "
        "the same command completes the sweep: do x",
    ),
    (
        RunNotKeptError(Path("a/b"), "it has no run.json"),
        LookupError,
        "'a/b' holds no run that can be recorded: it has no run.json. Expected the folder that a "
        "command named when its tracking store was away; otherwise, run that command again.",
    ),
    (
        UnexplainableModelError("Model"),
        TypeError,
        "the predictions of Model cannot be explained by terms; that needs a linear model. "
        "Choose the run of such a model: deploy.run=<id>; or predict without explain=true.",
    ),
    (
        UnexplainableModelError("Model", "Hashes, Scaler"),
        TypeError,
        "the predictions of Model on features of Hashes, Scaler cannot be explained by terms; "
        "that needs features that are sums over terms. Choose the run of such a model: "
        "deploy.run=<id>; or predict without explain=true.",
    ),
    (
        DatabaseError("sqlite:///x.db", "no such table: y"),
        ValueError,
        "the database 'sqlite:///x.db' cannot be read: no such table: y. Check its address, "
        "and the table or query.",
    ),
    (
        DatabaseUnavailableError("sqlite:///x.db", "database is locked"),
        ConnectionError,
        "the database 'sqlite:///x.db' does not answer: database is locked. Check its address, "
        "that it runs, and which other processes use it, then give the same command again.",
    ),
    (
        StudyStorageError("postgresql://x/y", "connection refused."),
        ConnectionError,
        "search.storage is 'postgresql://x/y', which cannot be used: connection refused. Check "
        "its address, that it runs, and which other processes use it, or choose "
        "search.storage=null, a file under outputs/. Finished trials are kept; the same command "
        "resumes the search.",
    ),
    (
        FlowServerError("http://x:4200/api", "connection refused."),
        ConnectionError,
        "the Prefect server 'http://x:4200/api' does not answer: connection refused. Start it "
        "(make prefect-up), correct PREFECT_API_URL, or unset it to run the flow without a server.",
    ),
    (
        NoChampionError("sentiment", "run 12 was not promoted: it was a sample", "promote run=12"),
        LookupError,
        "run 12 was not promoted: it was a sample. So sentiment has no champion that could predict "
        "the input. Train on all rows if it was a sample, leave out input=, or promote it all the "
        "same, give a reason, and run the flow again: promote run=12",
    ),
    (
        StepFailedError("search", "exit code 1."),
        RuntimeError,
        "the step 'search' of the flow failed: exit code 1.",
    ),
    (
        ClusterError("tcp://x:1", "nobody answers."),
        ConnectionError,
        "the Dask cluster tcp://x:1 failed: nobody answers. Check deploy.address and the logs of "
        "its workers, or use this process: deploy=batch.",
    ),
    (
        ChangedInputError("sqlite:///x.db", 2000),
        ValueError,
        "the first 2,000 rows of 'sqlite:///x.db' are not those that the unfinished output was "
        "begun with. Start again with overwrite=true; ORDER BY in a query keeps the order of its "
        "rows.",
    ),
    (
        DenseRowsError("GaussianNB", 17_500, 50_000, 7000.0, 1000.0),
        ValueError,
        "GaussianNB takes dense rows only, and 17,500 rows of 50,000 features take 7,000 MB; the "
        "limit is 1,000 MB. Use fewer features, such as features.max_features=7142 or "
        "features=lsa, or another model.",
    ),
    (
        UserCodeError("mine.models", "NameError: x", "mine/models.py, line 3"),
        ImportError,
        "mine.models raised an error: NameError: x, in mine/models.py, line 3. Correct that file, "
        "or name another class or function.",
    ),
    (
        ListenError("127.0.0.1", 8080, OSError(98, "Address already in use")),
        OSError,
        "the server cannot listen on 127.0.0.1:8080: another process listens there. Name another "
        "server.port=<port>.",
    ),
    (
        OccupiedFolderError(Path("mine")),
        FileExistsError,
        "'mine' exists and is not an empty folder; nothing was written. Name another one: "
        "sentiment init my_project",
    ),
    (
        ProjectFileError(Path("pyproject.toml"), "it is not valid TOML"),
        ValueError,
        "'pyproject.toml' cannot be used: it is not valid TOML. It is read for the classes that "
        'configs may name: [tool.sentiment] trusted = ["my_package.*"]',
    ),
    (
        UnsavableModelError("Model", ["a.B"]),
        TypeError,
        "the fitted Model holds 'a.B', which this project does not load from a file, so it was not "
        "saved. List a class that you trust in the pyproject.toml of this folder, [tool.sentiment] "
        "trusted = [...], define functions at the top level of a module, hold data in arrays, "
        "lists and dictionaries, or choose another model.",
    ),
    (
        UntrustedModelError(Path("m.skops"), "it holds os.system"),
        ValueError,
        "the model 'm.skops' is not loaded: it holds os.system. A file from elsewhere may hold "
        "parts of scikit-learn that can be checked, and no others; if you trained it yourself, "
        "name its run or record its folder with own=true. Otherwise, train the model anew.",
    ),
    (
        UntrustedModelError(Path("m.skops"), "it does not take texts", is_own=True),
        ValueError,
        "the model 'm.skops' is not loaded: it does not take texts. The file of a run of yours may "
        "hold classes of scikit-learn, LightGBM and XGBoost and those that the pyproject.toml of "
        "this folder trusts, [tool.sentiment] trusted = [...], and must predict any text: work in "
        "the folder of the project, list the class, add trusted=[...], or change the features "
        "or the model.",
    ),
    (
        ModelKeptError(
            PermissionError(EACCES, "Permission denied", "x.csv"),
            Path("a b.skops"),
            is_scored=False,
        ),
        OSError,
        "'x.csv' cannot be used: Permission denied. Check the path, its permissions and the space "
        "on the disk. The trained model is kept, without scores, figures and card; predict with it "
        "by deploy.run='a b.skops'. Its run has not finished: give the same command again to train "
        "a complete one.",
    ),
    (
        UnusablePathError(PermissionError(EACCES, "Permission denied", "x.csv")),
        OSError,
        "'x.csv' cannot be used: Permission denied. Check the path, its permissions and the space "
        "on the disk.",
    ),
]


@pytest.mark.parametrize(("error", "builtin", "message"), EXAMPLES)
def test_messages_say_found_expected_and_remedy(
    error: SentimentError, builtin: type[Exception], message: str
) -> None:
    assert str(error) == message
    assert isinstance(error, builtin)


@pytest.mark.parametrize("error", [error for error, _, _ in EXAMPLES])
def test_lost_connections_have_a_transient_exit_code(error: SentimentError) -> None:
    is_lost = isinstance(error, ConnectionError | BlockingIOError)
    waits = is_lost and "Correct tracking.uri" not in str(error)
    if error.exit_code in {ExitCode.FAILED, ExitCode.IO_ERROR}:  # not of a setting
        waits = True
    assert error.exit_code.is_transient == waits
    assert waits or error.exit_code in {ExitCode.MISTAKE, ExitCode.REFUSED}


@pytest.mark.parametrize(
    ("returned", "expected"), [(1, ExitCode.FAILED), (2, 2), (69, 69), (0, 1), (-9, 1), (137, 1)]
)
def test_a_step_passes_on_the_exit_code_of_its_process(returned: int, expected: int) -> None:
    assert StepFailedError("search", "", returned).exit_code == expected


@pytest.mark.parametrize(("error", "builtin", "message"), EXAMPLES)
def test_errors_survive_pickling_between_processes(
    error: SentimentError, builtin: type[Exception], message: str
) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == message
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("value", ["x" * 10_000, "x y " * 2_500])
def test_no_message_repeats_all_of_a_long_value(value: str) -> None:
    for error in (
        ConfigError([f"seed is {value!r}; expected a number.", "b is wrong."]),
        OutputExistsError(Path(f"{value}.csv")),
        RunNotFoundError(f"run {value!r}", "sqlite:///y", "Train first."),
        UnusablePathError(OSError(ENAMETOOLONG, "File name too long", value)),
    ):
        assert 50 < len(str(error)) < 3000
        assert str(error).endswith(
            ("b is wrong.", "overwrite=true.", "Train first.", "space on the disk.")
        )


def test_only_errors_of_paths_and_disks_are_explained() -> None:
    full = explain_os_error(OSError(ENOSPC, "No space left on device"))
    assert full is not None
    assert full.exit_code is ExitCode.IO_ERROR
    copied = explain_os_error(OSError(ENOSPC, "No space left on device", "from", None, "to"))
    assert str(copied).startswith("'to' cannot be used: No space left")
    assert explain_os_error(OSError(EINTR, "Interrupted system call")) is None
    assert explain_os_error(ValueError("no path")) is None


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    link = tmp_path / "outputs"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError) as caught:
        link.mkdir()
    assert "it is a link to a place that does not exist." in str(explain_os_error(caught.value))
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(FileExistsError) as caught:
        link.mkdir()
    assert f"'{link}' cannot be used: File exists." in str(explain_os_error(caught.value))


def test_every_error_has_an_example() -> None:
    defined = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, SentimentError)
    }
    assert defined - {type(error) for error, _, _ in EXAMPLES} == {
        SentimentError,
        InputNotFoundError,
    }


def test_missing_input_names_its_nearest_neighbor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reviews.csv").touch()
    monkeypatch.chdir(tmp_path)
    error = InputNotFoundError(Path("review.csv"), "input", "a CSV file")
    assert str(error) == (
        "input is 'review.csv', but there is no such file or folder "
        f"(looked in '{tmp_path}'); expected a CSV file. Did you mean 'reviews.csv'?"
    )
    (tmp_path / "a [1]").mkdir()
    (tmp_path / "a [1]/review [1].csv").touch()
    error = InputNotFoundError(Path("review [1].csv"), "current", "a CSV file")
    assert str(error).endswith("Did you mean 'a [1]/review [1].csv'?")
    assert str(InputNotFoundError(tmp_path, "input", "a CSV file")) == (
        f"input is '{tmp_path}', but it is a folder; expected a CSV file."
    )
    assert isinstance(error, FileNotFoundError)


def test_lists_and_suggestions_are_readable() -> None:
    assert quote_list([]) == "nothing"
    assert quote_list(["a"]) == "'a'"
    assert quote_list(["a", "b", "c"]) == quote_list(["a", "b", "c"], 3) == "'a', 'b' and 'c'"
    assert quote_list(range(1002), 2) == "'0', '1' and 1,000 more"
    assert suggest("Review", ["id", "review"]) == " Did you mean 'review'?"
    assert suggest("xyz", ["id", "review"]) == ""


def test_the_largest_of_many_classes_come_first() -> None:
    assert list_classes({"low": 1, "high": 2}) == "1 'low', 2 'high'"
    listed = list_classes({f"topic {k:02}": k for k in range(12)})
    assert listed.startswith("11 'topic 11', 10 'topic 10', 9 'topic 09'")
    assert listed.endswith("2 'topic 02' and 2 more")


def test_names_in_messages_are_short_and_quoted() -> None:
    long = f"{'A' * 999}B"
    assert quote_list(["a, b", "c"]) == "'a, b' and 'c'"
    short = f"'{'A' * 40}…{'A' * 38}B'"
    assert quote_list([long, "c"]) == f"{short} and 'c'"
    assert list_counts({long: 3}) == f"{short}: 3"
    assert list_classes({long: 3}) == f"3 {short}"
