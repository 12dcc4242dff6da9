"""Labels and names in Evidently's page are text, whatever is written in them."""

import warnings
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from shortcuts import real_reports

HOSTILE = "</script><script>window.hit = 1</script><img src=x onerror=window.hit=1><!--"


class Scripts(HTMLParser):
    """Lists the elements of a page, as a browser takes them apart."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)


def list_elements(label: str, path: Path) -> tuple[list[str], str]:
    frame = pd.DataFrame({label: [label, "good"] * 20})
    with real_reports(), warnings.catch_warnings(action="ignore"):
        from evidently import Dataset, Report
        from evidently.presets import DataSummaryPreset

        from sentiment.commands.monitor.reports import save_page

        report = Report([DataSummaryPreset()]).run(Dataset.from_pandas(frame), None)
        save_page(report, path)
    page = path.read_text()
    scripts = Scripts()
    scripts.feed(page)
    return scripts.elements, page


@pytest.mark.slow
def test_a_label_makes_no_element_of_the_page(tmp_path: Path) -> None:
    harmless, _ = list_elements("bad", tmp_path / "harmless.html")
    hostile, page = list_elements(HOSTILE, tmp_path / "hostile.html")
    assert "window.hit" in page
    assert hostile == harmless
