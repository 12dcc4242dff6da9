"""Chromium without a window, driven by its DevTools protocol: keys, clicks, pictures."""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), "")
needs_browser = pytest.mark.skipif(
    not BROWSER, reason="no Chromium to look at pages with; on Debian: apt install chromium"
)
_SECONDS = 120


class Page:
    """A tab of Chromium.

    Parameters
    ----------
    connection : ClientConnection
        To the browser.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._number, self._session = connection, 0, ""
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def open(self, address: str, width: int = 800, height: int = 900) -> None:
        """Go to `address` with a screen of this size."""
        self._send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self._send("Page.navigate", url=address)

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression of JavaScript."""
        found = self._send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until an expression of JavaScript is true."""
        end = time.monotonic() + _SECONDS
        while not self.evaluate(script):
            assert time.monotonic() < end, f"never: {script}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Hit a key, which types itself if it is one character."""
        text = {"text": key} if len(key) == 1 else {}
        code = {"windowsVirtualKeyCode": 13, "text": "\r"} if key == "Enter" else text
        self._send("Input.dispatchKeyEvent", type="keyDown", key=key, **code)
        self._send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def use_dark_colors(self) -> None:
        """Show the page as a person who prefers dark colors sees it."""
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        self._send("Emulation.setEmulatedMedia", features=dark)

    def draw(self) -> bytes:
        """Return a picture of the page, as PNG."""
        return base64.b64decode(self._send("Page.captureScreenshot", format="png")["data"])

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        asked = {"id": self._number, "method": method, "params": parameters} | session
        self._connection.send(json.dumps(asked))
        while True:
            found = json.loads(self._connection.recv(timeout=_SECONDS))
            if found.get("id") == self._number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result


@contextmanager
def browse(folder: Path) -> Iterator[Page]:
    """Yield a tab of a Chromium that knows this machine alone; its own files are in `folder`."""
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--remote-debugging-port=0", f"--user-data-dir={folder}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            address = next(filter(None, (re.search(r"(ws://\S+)", line) for line in lines)))[1]
            with connect(address, max_size=None) as connection:
                yield Page(connection)
        finally:
            process.kill()
