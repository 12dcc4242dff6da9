"""Commands that the build runs: what they print, draw and write is shown in the pages.

``{run}`` shows a command with its output, ``{picture}`` a figure and ``{page}`` an HTML page that
a command wrote. The commands run one after the other in a folder of their own, and again only when
they, the package or the configs have changed. With ``-D run_examples=0`` none of them runs, and
pages show the commands alone.
"""

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
# Rich draws tables as wide as this.
COLUMNS = 92

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """A command that the build runs.

    Attributes
    ----------
    command : str
        As a person types it.
    files : dict of str to str
        Name in the pages of each file that it writes, and the pattern that finds it.
    exit_code : int
        The one that is expected.
    shot : str
        Name in the pages of a picture of the page that it serves, which Chromium draws where it is
        installed.
    """

    command: str
    files: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0
    shot: str = ""


# In this order: each uses the runs of those before it.
EXAMPLES = [
    Example("python scripts/train.py", {"terms.png": "outputs/train/*/*/figures/terms.png"}),
    Example("python scripts/predict.py input=reviews.csv"),
    Example(
        'python scripts/explain.py text="I expected nothing, and was not disappointed!"',
        {"explanation.html": "outputs/explanations/*.html"},
    ),
    Example("python scripts/predict.py input=sentences.csv"),
    Example(
        "python scripts/monitor.py current=sentences.predictions.csv",
        {"report.html": "outputs/monitor/*/*/report.html"},
        exit_code=3,
    ),
    Example("python scripts/promote.py run=best"),
    Example(
        "python scripts/train.py model=svm features.max_features=20000",
        {"reliability.png": "outputs/train/*/*/figures/test_reliability.png"},
    ),
    Example("python scripts/train.py experiment=best"),
    Example(
        "python scripts/compare.py a=models:/sentiment@champion b=best",
        {"comparison.html": "outputs/compare/*/*/comparison.html"},
    ),
    Example("python scripts/promote.py"),
    Example(
        "python scripts/train.py data=csv data.path=sentences.csv data.text_column=sentence "
        "data.label_column=sentiment"
    ),
    Example(
        "python scripts/train.py -m search=naive_bayes search.n_trials=12 data=rotten_tomatoes",
        {
            "history.png": "outputs/search/naive_bayes/figures/optimization_history.png",
            "importances.png": "outputs/search/naive_bayes/figures/param_importances.png",
        },
    ),
    Example("python scripts/best.py search=naive_bayes"),
    Example(
        "python scripts/suggest.py input=sentences.csv n=50 page=true labeler=ann",
        shot="labelling.png",
    ),
]
REVIEWS = "text\na wonderful film\na waste of time\nI expected nothing and was not disappointed\n"


class Examples:
    """Outputs and files of the commands, kept from one build to the next.

    Parameters
    ----------
    folder : Path
        Where the commands run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files"
        self._record = folder / "outputs.json"
        self.outputs: dict[str, str] = {}

    def run(self) -> None:
        """Run all commands, unless this was done for the same code.

        Raises
        ------
        ExtensionError
            A command ended with another exit code than expected.
        """
        digest = _digest_sources()
        if self._record.exists():
            record = json.loads(self._record.read_text())
            if record["digest"] == digest:
                self.outputs = record["outputs"]
                return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.files.mkdir(parents=True)
        _write_inputs(self.folder)
        for number, example in enumerate(EXAMPLES, 1):
            log.info("example %d of %d: %s", number, len(EXAMPLES), example.command)
            self.outputs[example.command] = self._run(example)
        self._record.write_text(json.dumps({"digest": digest, "outputs": self.outputs}))

    def _run(self, example: Example) -> str:
        script, *words = shlex.split(example.command)[1:]
        command = [sys.executable, script, *words]
        started = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | {"COLUMNS": str(COLUMNS), "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        served = _draw_page(started, self.files / example.shot) if example.shot else ""
        printed, errors = started.communicate()
        done = subprocess.CompletedProcess(command, started.returncode, served + printed, errors)
        if done.returncode != example.exit_code:
            raise ExtensionError(
                f"{example.command!r} ended with {done.returncode}; expected "
                f"{example.exit_code}.\n{done.stdout}\n{done.stderr}"
            )
        for name, pattern in example.files.items():
            newest = max(self.folder.glob(pattern), key=lambda path: path.stat().st_mtime)
            shutil.copyfile(newest, self.files / name)
        return done.stdout.strip("\n")


def _draw_page(started: subprocess.Popen[str], picture: Path) -> str:
    """Draw the page whose address a command prints, end the command, return what it has printed."""
    assert started.stdout is not None
    printed = ""
    for line in started.stdout:
        printed += line
        if not line.startswith("page  "):
            continue
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser:
            flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                     "--window-size=800,620", "--virtual-time-budget=10000"]  # fmt: skip
            command = [browser, *flags, f"--screenshot={picture}", line.split()[1]]
            subprocess.run(command, capture_output=True, check=True, timeout=300)
        started.send_signal(signal.SIGINT)
        break
    return printed


def _digest_sources() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted([*(ROOT / "sentiment").rglob("*.py"), *(ROOT / "conf").rglob("*.yaml")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write_inputs(folder: Path) -> None:
    """Write the files that the commands read: three reviews, and 8,530 sentences with labels."""
    from sentiment.data.datasets import EmbeddedReviews

    (folder / "scripts").symlink_to(ROOT / "scripts")
    (folder / "reviews.csv").write_text(REVIEWS)
    sentences = EmbeddedReviews(name="rotten_tomatoes", source="rotten_tomatoes").read()
    columns = {"text": "sentence", "label": "sentiment"}
    shuffled = sentences.rename(columns=columns)[[*columns.values()]].sample(frac=1, random_state=0)
    shuffled.to_csv(folder / "sentences.csv", index=False)


class RunDirective(Directive):
    """Show a command of `EXAMPLES` and what it printed, or the `first` or `last` lines of that."""

    has_content = True
    option_spec = {"first": directives.positive_int, "last": directives.positive_int}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the two blocks, the command alone if it has not been run."""
        command = " ".join(line.strip().rstrip("\\").strip() for line in self.content)
        if command not in {example.command for example in EXAMPLES}:
            raise self.error(f"{command!r} is not one of the commands that the build runs")
        shown: list[nodes.Node] = [_make_block("\n".join(self.content), "bash")]
        output = _examples(self).outputs.get(command)
        if output is not None:
            lines = output.splitlines()[: self.options.get("first")]
            lines = lines[-self.options.get("last", 0) :]
            shown.append(_make_block("\n".join(lines), "text", "output"))
        return shown


class PictureDirective(Directive):
    """Show a figure that a command drew."""

    required_arguments = 1
    option_spec = {"alt": directives.unchanged_required, "width": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return the picture, nothing if no command has been run."""
        found = _examples(self).files / self.arguments[0]
        if not found.exists():
            return []
        settings = self.state.document.settings
        source = Path(settings.env.srcdir)
        uri = os.path.relpath(found, Path(settings.env.doc2path(settings.env.docname)).parent)
        settings.env.note_dependency(str(found.relative_to(source)))
        return [nodes.image("", uri=uri, **self.options)]


class PageDirective(Directive):
    """Show an HTML page that a command wrote, inside of the page and as a link."""

    required_arguments = 1
    option_spec = {"title": directives.unchanged_required, "height": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Return a frame, nothing if no command has been run."""
        name = self.arguments[0]
        if not (_examples(self).files / name).exists():
            return []
        depth = self.state.document.settings.env.docname.count("/")
        target = f"{'../' * depth}_static/examples/{name}"
        title, height = self.options["title"], self.options.get("height", "36rem")
        frame = (
            f'<iframe class="page" src="{target}" title="{title}" style="height: {height}" '
            f'loading="lazy"></iframe><p><a href="{target}">{title}: the whole page</a></p>'
        )
        return [nodes.raw("", frame, format="html")]


def _examples(directive: Directive) -> Examples:
    found: Examples = directive.state.document.settings.env.app.examples
    return found


def _make_block(text: str, language: str, *classes: str) -> nodes.Node:
    block = nodes.literal_block(text, text, language=language, classes=[*classes])
    return nodes.container("", block, classes=[*classes]) if classes else block


def _run_examples(app: Sphinx) -> None:
    app.examples = Examples(Path(app.srcdir) / "_build" / "examples")  # type: ignore[attr-defined]
    if app.config.run_examples:
        app.examples.run()  # type: ignore[attr-defined]


def _copy_pages(app: Sphinx, failed: Exception | None) -> None:
    pages = app.examples.files.glob("*.html")  # type: ignore[attr-defined]
    for page in pages if failed is None and app.config.run_examples else ():
        target = Path(app.outdir) / "_static" / "examples"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, target / page.name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives."""
    app.add_config_value("run_examples", True, "env", types=(bool,))
    app.add_directive("run", RunDirective)
    app.add_directive("picture", PictureDirective)
    app.add_directive("page", PageDirective)
    app.connect("builder-inited", _run_examples)
    app.connect("build-finished", _copy_pages)
    return {"version": "1", "parallel_read_safe": False}
