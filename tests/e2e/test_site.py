"""The site builds without a warning, and its pages need nothing from elsewhere.

The examples and the notebook, which train models for minutes, are run by `make docs` alone.
"""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from conftest import ROOT

import sentiment
from sentiment.config.conf_folder import CONF
from sentiment.config.descriptions import read_settings
from sentiment.errors import ExitCode

pytestmark = [pytest.mark.slow, pytest.mark.process]


class Page(HTMLParser):
    """Links, resources and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.anchors: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found["id"]} if "id" in found else set()
        if "src" in found:
            self.resources.append(found["src"])
        if "href" in found:
            (self.links if tag == "a" else self.resources).append(found["href"])

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    made = shutil.ignore_patterns("_build", "generated", "__pycache__")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=made)
    included = Path("sentiment", "cli", "template")
    shutil.copytree(ROOT / included, folder / included, ignore=made)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copyfile(ROOT / name, folder / name)
    shutil.rmtree(folder / "docs" / "tutorials" / "notebooks", ignore_errors=True)
    settings = ["-D", "run_examples=0", "-D", "plot_gallery=0"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", *settings]
        + ["-b", "html", str(folder / "docs"), str(folder / "html")],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    written = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: Page(path.read_text()) for path in written}


def test_every_page_that_is_written_is_there(site: Path, pages: dict[Path, Page]) -> None:
    sources = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("[a-z]*/*.md")]
    assert len(sources) > 30
    for source in sources:
        assert site / source.relative_to(ROOT / "docs").with_suffix(".html") in pages
    assert site / "tutorials" / "notebooks" / "plot_notebook.html" in pages


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for resource in page.resources:
            assert not urlsplit(resource).netloc, (path, resource)
            target = path.parent / unquote(urldefrag(resource).url.partition("?")[0])
            assert resource.startswith("data:") or target.exists(), (path, resource)
    for path in site.rglob("*.css"):
        loaded = re.findall(r"(?:url\(|@import\s+)['\"]?(?:https?:)?//", path.read_text())
        assert not loaded, path


def test_links_lead_to_pages_and_sections_that_are_there(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            if urlsplit(link).scheme:
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            assert file.exists(), (path.name, link)
            if anchor and file in pages:
                assert anchor in pages[file].anchors, (path.name, link)


def test_every_setting_of_conf_is_documented(site: Path, pages: dict[Path, Page]) -> None:
    page = pages[site / "reference" / "configuration.html"]
    files = [path for path in CONF.rglob("*.yaml") if not {"common", "hydra"} & {*path.parts}]
    assert len(files) > 35
    for path in files:
        for setting in read_settings(path):
            anchor = f"setting-{path.parent.name}-{path.stem}-{setting.key}".lower()
            assert re.sub(r"[^a-z0-9]+", "-", anchor) in page.anchors, (path, setting.key)


def test_every_public_name_and_exit_code_is_documented(site: Path, pages: dict[Path, Page]) -> None:
    for name in sentiment.__all__:
        page = pages[site / "reference" / "generated" / f"sentiment.{name}.html"]
        assert "Examples" in page.text, name
    codes = (ROOT / "docs" / "reference" / "exit_codes.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", codes, re.MULTILINE)] == [*ExitCode]
    retried = re.findall(r"^\| (\d+) \|.*\| yes \|$", codes, re.MULTILINE)
    assert [int(code) for code in retried] == [code for code in ExitCode if code.is_transient]
