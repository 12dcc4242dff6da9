"""The page on which texts are labelled: requests, what is saved, and Chromium."""

import csv
import http.client
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from chromium import browse, needs_browser
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from sentiment.commands.suggest.agreement import measure_agreement
from sentiment.commands.suggest.job import suggest
from sentiment.commands.suggest.label_file import LabelFile
from sentiment.commands.suggest.labelling import choose_shared, open_page
from sentiment.commands.suggest.server import LabelingServer
from sentiment.commands.suggest.session import Item, Session
from sentiment.commands.suggest.view import show_answers, show_suggestions
from sentiment.config import compose
from sentiment.data.datasets import TableFile
from sentiment.data.label_sets import sort_label_sets
from sentiment.errors import ConfigError, LabelsBusyError, ListenError, UnreadableFileError
from sentiment.files.batches import Limits, Position
from sentiment.files.opening import open_input

TAKE = "document.title='taken'"
HOSTILE = f'<script>{TAKE}</script><img src=x onerror="{TAKE}"> & "q"'
TEXTS = ["a gem<br />really", HOSTILE, "שלום, a film", "the last one"]
EMPTY = pd.DataFrame(columns=["text", "label", "labeler"], dtype="str")


class Browser:
    """Requests to a page, as a page of its own or a page of another site would send them."""

    def __init__(self, server: LabelingServer) -> None:
        self.server, self.port = server, server.server_address[1]

    def send(
        self, method: str, name: str, body: Any = None, *, path: str = "", **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            kind = {"Content-Type": "application/json"} if body is not None else {}
            header_names = {key.replace("_", "-"): value for key, value in headers.items()}
            path = path or f"/{self.server.token}/{name}"
            connection.request(method, path, data, kind | header_names)
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode()
        finally:
            connection.close()

    def post(self, name: str, number: int, **fields: Any) -> tuple[int, Any]:
        return self.send("POST", name, {"number": number} | fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels" / "ann.csv"


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    items = [Item(text, "bad", "0.52", "unsure") for text in TEXTS]
    with closing(LabelFile(path)) as file:
        yield Session(items, ["good", "bad"], "ann", file, EMPTY)


@pytest.fixture
def browser(session: Session) -> Iterator[Browser]:
    server = LabelingServer(session, 0, "python scripts/train.py data=csv")
    with server.serving():
        yield Browser(server)


def read(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row[:3] for row in csv.reader(file)][1:]


def test_each_answer_is_in_the_file_at_once(browser: Browser, path: Path) -> None:
    assert browser.send("GET", "state")[1]["text"] == TEXTS[0]
    status, state = browser.post("label", 0, labels=["good"])
    assert (status, state["number"], state["text"]) == (200, 1, HOSTILE)
    assert read(path) == [[TEXTS[0], "good", "ann"]]
    browser.post("skip", 1)
    assert read(path)[1:] == [[HOSTILE, "", "ann"]]
    status, state = browser.post("undo", 2)
    assert (state["number"], state["skipped"], state["labelled"]) == (1, 0, 1)
    browser.post("label", 1, labels=["bad"])
    assert read(path) == [[TEXTS[0], "good", "ann"], [HOSTILE, "bad", "ann"]]
    assert pd.read_csv(path)["guess"].tolist() == ["bad", "bad"]


def test_names_are_printable(path: Path) -> None:
    """Marks that change the direction of writing would reverse what follows them."""
    evil = "\u202eevil"
    item = Item("one", evil, "0.52", "unsure")
    earlier = pd.DataFrame([("one", "good", evil)], columns=["text", "label", "labeler"])
    with closing(LabelFile(path)) as file:
        session = Session([item], ["good", evil], "ann", file, earlier)
        assert session.describe()["guess"] == r"\u202eevil"
        session.answer(0, [evil])
        assert r"\u202eevil" in session.describe()["agreement"][0]
    assert pd.read_csv(path)["guess"].tolist() == pd.read_csv(path)["label"].tolist() == [evil]


def test_a_key_that_is_hit_twice_answers_once(browser: Browser, path: Path) -> None:
    browser.post("label", 0, labels=["good"])
    status, state = browser.post("label", 0, labels=["bad"])
    assert (status, state["number"]) == (409, 1)
    assert browser.post("undo", 0)[0] == 409
    assert len(read(path)) == 1
    for number in (1, 2, 3):
        browser.post("skip", number)
    assert browser.post("skip", 4)[0] == 409
    assert browser.send("GET", "state")[1]["done"]


@pytest.mark.parametrize("name", ["label", "skip", "undo", "end"])
def test_nobody_else_can_answer(browser: Browser, path: Path, name: str) -> None:
    """Neither another user, who does not know the address, nor a page of another site."""
    body, host = {"number": 0, "labels": ["good"]}, f"127.0.0.1:{browser.port}"
    browser.post("skip", 0)
    content = path.read_bytes()
    for wrong_path in ("/", f"/{name}", f"/x{browser.server.token}/{name}", f"//{name}"):
        assert browser.send("POST", name, body, path=wrong_path)[0] == 404
    for headers in (
        {"Origin": "https://example.org"}, {"Origin": "null"},
        {"Host": "example.org"}, {"Host": f"example.org:{browser.port}"}, {"Host": ""},
        {"Origin": f"http://localhost:{browser.port}"},
    ):  # fmt: skip
        assert browser.send("POST", name, body, **headers)[0] == 404, headers
    # What a form of another site could send without being asked first.
    assert browser.send("POST", name, body, Content_Type="text/plain")[0] == 415
    assert path.read_bytes() == content
    assert browser.send("GET", "state", Origin=f"http://{host}", Host=host)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"[" * 60000, b"\xff", b"{}", {"number": "0", "labels": ["good"]},
        {"number": True, "labels": ["good"]}, {"number": 0}, {"number": 0, "labels": []},
        {"number": 0, "labels": ["x"]}, {"number": 0, "labels": "good"},
        {"number": 0, "labels": ["good", "bad"]}, {"number": 0, "labels": [["good"]]},
        {"number": 0, "labels": ["good"], "more": "x" * 70000},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(browser: Browser, path: Path, body: Any) -> None:
    assert browser.send("POST", "label", body)[0] == 400
    assert read(path) == []
    assert browser.send("GET", "state")[0] == 200


def test_the_page_holds_no_text_and_loads_nothing(browser: Browser) -> None:
    status, page = browser.send("GET", "")
    assert status == 200
    assert not any(text in page for text in TEXTS)
    assert "http" not in page.replace("http-equiv", "")
    assert browser.send("GET", "other")[0] == 404


def test_a_text_may_have_several_labels_or_none(path: Path) -> None:
    with closing(LabelFile(path)) as file:
        items = [Item(text) for text in TEXTS]
        session = Session(items, ["late", "refund", "other"], "ann", file, EMPTY, ";")
        session.answer(0, ["refund", "late", "refund"])
        session.answer(1, [])
        session.answer(2, None)
        with pytest.raises(ValueError, match="not labels of a text"):
            session.answer(3, ["late", "x"])
    assert [label for _, label, _ in read(path)] == ["late;refund", ";", ""]
    table = TableFile(name="x", path=str(path), label_separator=";").read()
    assert sort_label_sets(table["label"], ";").fillna("?").tolist() == ["late;refund", "", "?"]


def test_a_full_disk_is_reported_and_nothing_is_half_written(
    browser: Browser, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.post("label", 0, labels=["good"])
    content = path.read_bytes()

    def fill(file: int, data: bytes, start: int) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return real(file, data[:10], start)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", fill)
    status, answer = browser.post("label", 1, labels=["bad"])
    assert status == 507
    assert answer["problem"] == "This answer was not saved: No space left on device."
    assert path.read_bytes() == content
    monkeypatch.undo()
    assert browser.post("label", 1, labels=["bad"])[0] == 200
    assert read(path)[1] == [HOSTILE, "bad", "ann"]


@settings(max_examples=40)
@given(rows=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3), data=st.data())
def test_what_a_kill_leaves_of_a_row_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "ann.csv"
    row_ends = []
    with closing(LabelFile(path)) as file:
        for text in rows:
            file.append([text, "good", "ann", "", "", "", "2026"])
            row_ends.append(path.stat().st_size)
    assert path.exists() == bool(rows)
    size = data.draw(st.integers(0, max(row_ends, default=0)))
    if rows:
        os.truncate(path, size)
    # Without its line break, the last row is complete.
    complete_rows = sum(row_end - 1 <= size for row_end in row_ends)
    LabelFile(path).close()
    assert path.exists() == bool(complete_rows)
    with closing(LabelFile(path)) as file:
        file.append(["one more", "bad", "ann", "", "", "", "2026"])
    assert [row[0] for row in read(path)] == [*rows[:complete_rows], "one more"]


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2))
def test_training_reads_what_was_labelled(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("read") / "ann.csv"
    with closing(LabelFile(path)) as file:
        for text in texts:
            file.append([text, "good", "ann", "", "", "", "2026"])
    batches = open_input(path).read("text", Limits(added=()), Position())
    assert [text for batch in batches for text in batch.texts.to_pylist()] == texts


def test_a_file_that_another_program_has_changed(path: Path) -> None:
    row = ["a", "good", "ann", "", "", "", "2026"]
    with closing(LabelFile(path)) as file:
        file.append(row)
        file.remove_last()
        assert not path.exists()
        file.append(row)
        content = path.read_bytes().replace(b"good", b"fine").rstrip()
        path.with_name("new").write_bytes(content)  # as spreadsheets save
        path.with_name("new").replace(path)
        with pytest.raises(OSError, match="another program has changed"):
            file.remove_last()
        file.append(row)
        assert [label for _, label, _ in read(path)] == ["fine", "good"]
        file.remove_last()
        assert path.read_bytes() == content
    LabelFile(path).close()
    assert path.read_bytes() == content, "a row without a line break is a whole one"


def test_two_processes_do_not_write_one_file(path: Path) -> None:
    with closing(LabelFile(path)), pytest.raises(LabelsBusyError):
        LabelFile(path)
    LabelFile(path).close()
    path.write_text("text,label\nx,y\n")
    with pytest.raises(UnreadableFileError, match="its columns are text, label"):
        LabelFile(path)
    assert path.read_text() == "text,label\nx,y\n"


def test_a_port_that_is_taken(session: Session) -> None:
    server = LabelingServer(session, 0, "")
    with server.serving(), pytest.raises(ListenError, match="Name another port=<port>"):
        LabelingServer(session, server.server_address[1], "")


def test_ctrl_c_ends_the_page_in_good_order(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(server: LabelingServer, poll_interval: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LabelingServer, "serve_forever", interrupt)
    server = LabelingServer(session, 0, "")
    server.serve()
    server.server_close()


def test_agreement_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = {who: random.choice(["a", "b", "c"], 40) for who in ("ann", "bob", "eve")}
    rows = pd.DataFrame(
        [
            (str(n), label, who)
            for who, person_labels in labels.items()
            for n, label in enumerate(person_labels)
            if (who, n % 2) != ("eve", 1)
        ],
        columns=["text", "label", "labeler"],
    )
    agreements = {agreement.labelers: agreement for agreement in measure_agreement(rows)}
    assert [*agreements] == [("ann", "bob"), ("ann", "eve"), ("bob", "eve")]
    agreement = agreements["ann", "eve"]
    first, second = labels["ann"][::2], labels["eve"][::2]
    assert (agreement.texts, agreement.share) == (20, np.mean(first == second))
    assert agreement.kappa == pytest.approx(cohen_kappa_score(first, second))
    alike = pd.DataFrame([("x", "a", "ann"), ("x", "a", "bob")], columns=rows.columns)
    [agreement] = measure_agreement(alike)
    assert agreement.describe() == "ann and bob: 100 % of 1 text that both labelled"
    assert measure_agreement(EMPTY) == []


def test_texts_of_others_are_asked_again() -> None:
    labelled = pd.DataFrame(
        [("a", "x", "bob"), ("b", None, "bob"), ("c", "x", "bob"), ("c", "x", "ann"),
         ("d", "x", None), ("e", "y", "eve")],
        columns=["text", "label", "labeler"],
    )  # fmt: skip
    assert sorted(choose_shared(labelled, "ann", 9, 0)) == ["a", "e"]
    assert len(choose_shared(labelled, "ann", 1, 0)) == 1
    assert choose_shared(EMPTY, "ann", 9, 0) == []


def compose_page(folder: Path, *overrides: str) -> Any:
    arguments = [
        f"input={folder}/texts.csv",
        f"folder={folder}/labels",
        f"outputs={folder}/outputs",
    ]
    return compose("suggest", [*arguments, "page=true", *overrides], typed=True)


def write_texts(folder: Path) -> None:
    pd.DataFrame({"text": [f"text {n} of {n % 3} kinds" for n in range(40)]}).to_csv(
        folder / "texts.csv", index=False
    )


@pytest.mark.slow
def test_two_people_label_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_texts(tmp_path)
    for labeler, overrides, total in (("ann", [], 5), ("bob", ["overlap=3"], 8)):
        cfg = compose_page(tmp_path, "n=5", "labels=[good,bad]", f"labeler={labeler}", *overrides)
        result = suggest(cfg)
        server = open_page(cfg, result)
        with server.serving(), closing(server.session.file):
            assert len(server.session.items) == total
            page = Browser(server)
            for number in range(total):
                page.post("label", number, labels=["good" if number else "bad"])
            show_suggestions(result, server)
            show_answers(result, server.session)
    printed = capsys.readouterr().out
    assert f"page     {server.address}" in printed
    assert "labelled 8 of 8 texts, 0 skipped" in printed
    assert "agreed   ann and bob: " in printed
    assert "of 3 texts that both labelled" in printed
    texts = [text for text, *_ in read(tmp_path / "labels" / "bob.csv")]
    assert len(set(texts) & {text for text, *_ in read(tmp_path / "labels" / "ann.csv")}) == 3
    assert len(suggest(compose_page(tmp_path, "n=40", "labels=[good,bad]")).rows) == 30


@needs_browser
@pytest.mark.slow
def test_keys_choose_several_labels_and_enter_saves_them(tmp_path: Path) -> None:
    write_texts(tmp_path)
    overrides = ["n=3", "labels=[late,refund,other]", "labeler=ann", "label_separator=';'"]
    cfg = compose_page(tmp_path, *overrides)
    result = suggest(cfg)
    assert "data.label_separator=';'" in shlex.split(result.next_command)
    server = open_page(cfg, result)
    with server.serving(), closing(server.session.file), browse(tmp_path / "chromium") as page:
        page.open(server.address, width=360, height=640)
        page.wait("typeof busy !== 'undefined' && !busy && state !== null")
        for number, keys in enumerate(("23", "1213", "")):
            for key in keys:
                page.press(key)
            page.press("Enter")
            page.wait(f"document.getElementById('progress').value === {number + 1} && !busy")
        page.press("Enter")  # nothing is asked for
    labels = [label for _, label, _ in read(tmp_path / "labels" / "ann.csv")]
    assert labels == ["other;refund", "other;refund", ";"]


@pytest.mark.slow
def test_a_page_without_answers_leaves_a_folder_that_can_be_used(tmp_path: Path) -> None:
    write_texts(tmp_path)
    ann = compose_page(tmp_path, "n=5", "labels=[good,bad]", "labeler=ann")
    server = open_page(ann, suggest(ann))
    with server.serving(), closing(server.session.file):
        bob = suggest(compose_page(tmp_path, "n=5", "labels=[good,bad]", "labeler=bob"))
    assert [path.name for path in (tmp_path / "labels").iterdir()] == [".ann.csv.lock"]
    assert len(bob.rows) == 5
    assert len(suggest(ann).rows) == 5


def test_mistakes_of_the_page(tmp_path: Path) -> None:
    write_texts(tmp_path)
    for overrides, problem in (
        ([], r"page=true needs the names of the labels, of which none is known: labels=\[a,b\]"),
        (["overlap=2"], "give your name: labeler=<name>"),
        (["page=false", "labeler=ann"], "labeler is for the page .*; add page=true"),
        (["labeler=../ann"], "labeler is '../ann'; expected a name"),
    ):
        with pytest.raises(ConfigError, match=problem):
            cfg = compose_page(tmp_path, *overrides)
            open_page(cfg, suggest(cfg))


@pytest.mark.process
def test_a_process_that_is_killed_has_saved_each_answer(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import pandas as pd\n"
        "from sentiment.commands.suggest.label_file import LabelFile\n"
        "from sentiment.commands.suggest.server import LabelingServer\n"
        "from sentiment.commands.suggest.session import Item, Session\n"
        "rows = pd.DataFrame(columns=['text', 'label', 'labeler'], dtype='str')\n"
        "items = [Item('one'), Item('two')]\n"
        "file = LabelFile(Path(sys.argv[1]))\n"
        "server = LabelingServer(Session(items, ['a', 'b'], 'ann', file, rows), 0, '')\n"
        "print(server.address, flush=True); server.serve()\n"
    )
    path = tmp_path / "ann.csv"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        host, token = address.removeprefix("http://").strip("/").split("/")
        connection = http.client.HTTPConnection(host, timeout=60)
        body = json.dumps({"number": 0, "labels": ["a"]})
        connection.request("POST", f"/{token}/label", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        process.kill()
        connection.close()
    assert read(path) == [["one", "a", "ann"]]


@needs_browser
@pytest.mark.slow
def test_a_person_labels_with_keys_and_with_the_mouse(
    browser: Browser, path: Path, tmp_path: Path
) -> None:
    def is_at(number: int) -> str:
        return f"document.getElementById('progress').value === {number} && !busy"

    with browse(tmp_path / "chromium") as page:
        page.open(browser.server.address, width=360, height=640)
        page.wait("typeof busy !== 'undefined' && !busy && state !== null")
        shown_text = "document.getElementById('text').textContent"
        assert page.evaluate(shown_text) == "a gem\nreally"
        assert not page.evaluate("document.getElementById('why').open")
        reason = page.evaluate("document.querySelector('#why p').textContent")
        assert reason == "The model's guess: \u2068bad\u2069 (0.52). unsure"
        # Nothing is cut off on a small screen, and what is clicked is large enough for a finger.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        size = "Math.min(...[...document.querySelectorAll('button')].map(b => b.offsetHeight))"
        assert page.evaluate(size) >= 44
        page.press("1")
        page.wait(is_at(1))
        assert page.evaluate(shown_text) == HOSTILE
        assert page.evaluate("document.title") == "Label texts"
        assert page.evaluate("document.querySelectorAll('article *').length") == 0
        page.press("3")  # there is no third label
        page.press("s")
        page.wait(is_at(2))
        style = "getComputedStyle(document.getElementById('text'))"
        assert page.evaluate(f"{style}.direction") == "rtl"
        page.press("u")
        page.wait(is_at(1))
        page.evaluate("document.querySelector('[data-label=bad]').click()")
        page.wait(is_at(2))
        page.evaluate("document.querySelector('[data-label=bad]').focus()")
        page.press("Enter")
        page.wait(is_at(3))
        picture = tmp_path / "page.png"
        picture.write_bytes(page.draw())
        page.press("2")
        page.wait("!document.getElementById('finished').hidden")
        assert "scripts/train.py data=csv" in page.evaluate("document.body.innerText")
        page.evaluate("document.getElementById('end').click()")
        page.wait("!document.getElementById('closed').hidden")
    assert [label for _, label, _ in read(path)] == ["good", "bad", "bad", "bad"]
    pixels = matplotlib.image.imread(picture)[:, :, :3]
    assert pixels.shape == (640, 360, 3)
    assert len(np.unique((pixels * 255).astype(int) @ [1, 256, 65536])) > 20
