"""The page on which a person tries the models: what it asks the server, and Chromium."""

import html
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import uvicorn
from asking import JSON, ask
from chromium import Page, browse, needs_browser

from sentiment.commands.serve.app import App
from sentiment.modeling.explanation import explain_text
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.scoring import Predictor

TAKE = "document.title='taken'"
# As the model reads it, entities are characters.
HOSTILE = (
    f"good &lt;img src=x onerror={TAKE}&gt; bad &lt;script&gt;{TAKE}&lt;/script&gt; \u05d8\u05d5"
)
TOKEN = "a-token-of-twenty-letters"
# The smallest contrast of a text with what is behind it, by WCAG 2: 4.5 is asked for.
CONTRAST = """(() => {
  const read = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const mix = ([r, g, b, a = 1], under) => [r, g, b].map((v, k) => v * a + under[k] * (1 - a));
  const behind = (one) => {
    if (!one) return [255, 255, 255];
    return mix(read(getComputedStyle(one).backgroundColor), behind(one.parentElement));
  };
  const light = (color) => color.map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const texts = [...document.querySelectorAll("body *")].filter((one) => one.offsetParent &&
    !one.disabled && [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return Math.min(...texts.map((one) => {
    const both = [mix(read(getComputedStyle(one).color), behind(one)), behind(one)].map(light);
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  }));
})()"""


def rival(model_files: dict[str, Path]) -> list[str]:
    return [
        f"++routes.sentiment.challenger='{model_files['sharper']}'",
        "++routes.sentiment.share=0.3",
        f"++routes.topics.model='{model_files['three']}'",
        f"++routes.tags.model='{model_files['sets']}'",
    ]


def count_requests(app: App) -> int:
    return sum(ask(app, "/models").json["models"][0].get("requests", {}).values())


def test_both_models_explain_a_text_and_nothing_is_counted(
    serve_here: Callable[..., App], model_files: dict[str, Path]
) -> None:
    app = serve_here(*rival(model_files))
    text = "good film, not a dull bore"
    explanations = ask(app, "/models/sentiment/explain", {"text": text}).json
    for role, name in (("champion", "two"), ("challenger", "sharper")):
        columns = PredictionColumns(probabilities="all")
        predictor = Predictor.load(model_files[name], columns=columns)
        row = {key: values[0] for key, values in predictor.predict_few([text]).items()}
        explanation = explanations[role]
        assert explanation["model"] == str(model_files[name])
        assert [explanation[key] for key in ("prediction", "probability")] == [*row.values()][:2]
        assert explanation["probabilities"] == {k: row[f"p:{k}"] for k in ("negative", "positive")}
        why = explain_text(predictor._pipeline, text, label=explanation["explained"])
        assert "".join(word for word, _ in explanation["words"]) == text
        assert explanation["words"] == [list(pair) for pair in why.words]
        assert explanation["terms"] == [list(pair) for pair in why.terms]
        assert explanation["unit"] == "log-odds"
    assert count_requests(app) == 0
    ask(app, "/predict", {"texts": ["good", "bad", None]})
    route = ask(app, "/models").json["models"][0]
    assert route["requests"] == {"200": 1}
    assert route["rejected"] == {"no text": 1}
    assert sum(sum(labels.values()) for labels in route["predictions"].values()) == 2
    topics = ask(app, "/models/topics/explain", {"text": text}).json
    assert topics["challenger"] is None
    assert topics["champion"]["unit"] == "score"
    tags = ask(app, "/models/tags/explain", {"text": "late"}).json["champion"]
    assert set(tags["prediction"].split(";")) <= set(tags["probabilities"])
    assert tags["explained"] in tags["probabilities"]
    assert tags["unit"] == "log-odds"
    sure = ask(app, "/models/sentiment/explain", {"text": "good", "threshold": 0.999}).json
    assert sure["champion"]["prediction"] == sure["champion"]["explained"] == "negative"


def test_texts_that_are_not_explained(
    serve_here: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, path = serve_here(), "/models/sentiment/explain"
    assert ask(app, path, {"text": None}).json == {"error": "no text"}
    assert ask(app, path, {"texts": []}).status == 422
    assert ask(app, path, b"no").status == 400
    assert ask(app, path).status == 405
    long = ask(app, path, {"text": "good " * 4001}).json["champion"]
    assert "words" not in long
    assert "20,000" in long["reason"]
    assert app._body_bytes == 0


def test_the_page_needs_nothing_from_elsewhere(serve_here: Callable[..., App]) -> None:
    app = serve_here()
    for path in ("/", "/docs"):
        page = ask(app, path)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src '")
        assert "unsafe" not in policy
        assert "http" not in page.body.decode().replace("http-equiv", "")
        assert " style=" not in page.body.decode(), "no policy with digests lets it through"


@contextmanager
def serving(app: App) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    listening = app.service.sockets[0]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield app.service.url  # type: ignore[attr-defined]
    finally:
        server.should_exit = True
        thread.join()


def write(page: Page, text: str) -> None:
    page.evaluate(f"find('text').value = {text!r}; find('text').dispatchEvent(new Event('input'))")
    page.wait("!busy && document.querySelectorAll('article').length > 0")


def read(page: Page, selector: str) -> Any:
    return page.evaluate(f"[...document.querySelectorAll('{selector}')].map(e => e.textContent)")


# Labels, and what the page shows of them.
LABELS = {
    "": "(no label)",
    "مرحبا": "مرحبا",
    "\u202eevil\n": r"\u202eevil\n",
    "👩\u200d🚀": "👩\u200d🚀",
    "A" * 999 + "B": f"{'A' * 40}…{'A' * 38}B",
}


@needs_browser
@pytest.mark.slow
def test_a_person_tries_both_models(
    serve_here: Callable[..., App], model_files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    app = serve_here(*rival(model_files), f"server.tokens_file={tmp_path}/tokens")
    headers = JSON | {"authorization": f"Bearer {TOKEN}"}
    for text in ("good", "good film", "bad"):
        assert ask(app, "/predict", {"text": text}, headers=headers).status == 200
    with serving(app) as address, browse(tmp_path / "chromium") as page:
        page.open(f"{address}/", width=360, height=800)
        # Before its script has run, find() is the browser's own, which looks for text.
        page.wait("find('access') instanceof Element && !find('access').hidden")
        for token in ("wrong", TOKEN):
            page.evaluate(f"find('token').value = {token!r}; find('access').requestSubmit()")
            page.wait("!find('problem').hidden" if token == "wrong" else "routes.size === 3")
        assert read(page, "#counts dd")[0] == "3"
        assert (
            sum(int(heading.split(": ")[1].split()[0]) for heading in read(page, "#labels h3")) == 3
        )
        page.wait("document.activeElement.id === 'text'")
        for key in "good":
            page.press(key)
        page.wait("!busy && document.querySelectorAll('article').length === 2")
        assert read(page, "article h2") == ["Champion", "Challenger"]
        expected = [
            Predictor.load(model_files[name]).predict_few(["good"]) for name in ("two", "sharper")
        ]
        assert read(page, ".answer strong") == [
            predictions["prediction"][0] for predictions in expected
        ]
        assert read(page, ".answer span") == [
            f"{predictions['probability'][0]:.1%}".replace("%", " %") for predictions in expected
        ]
        assert read(page, "article mark") == ["good", "good"]
        write(page, HOSTILE)
        assert read(page, ".words") == [html.unescape(HOSTILE)] * 2
        for label, displayed in LABELS.items():
            assert page.evaluate(f"nameLabel({json.dumps(label)})") == displayed
        assert page.evaluate("document.title") == "Try the model"
        assert page.evaluate("document.querySelectorAll('.words img, .words script').length") == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small = "[...document.querySelectorAll('button, input, select, textarea')]"
        small += ".filter(e => e.offsetParent).map(e => e.offsetHeight)"
        assert min(page.evaluate(small)) >= 44
        assert page.evaluate(CONTRAST) >= 4.5
        picture = tmp_path / "page.png"
        picture.write_bytes(page.draw())
        page.use_dark_colors()
        assert page.evaluate(CONTRAST) >= 4.5
        page.press("Escape")
        page.wait("find('text').value === '' && !document.querySelector('article')")
        page.evaluate(
            "find('route').value = 'topics'; find('route').dispatchEvent(new Event('change'))"
        )
        write(page, "late")
        assert read(page, "article h2") == ["Model"]
    pixels = matplotlib.image.imread(picture)[:, :, :3]
    assert pixels.shape == (800, 360, 3)
    assert len(np.unique((pixels * 255).astype(int) @ [1, 256, 65536])) > 20
