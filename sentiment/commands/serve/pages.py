"""HTML pages of the server, self-contained and limited by a content security policy."""

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sentiment.cli.pages import render_page
from sentiment.commands.serve.documents import OPTIONS, list_endpoints
from sentiment.config.schemas import ServerSettings

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def make_pages(
    settings: ServerSettings, document: dict[str, Any]
) -> Mapping[str, tuple[list[tuple[bytes, bytes]], bytes]]:
    """Return headers and body of each page by its path.

    Parameters
    ----------
    settings : ServerSettings
        Limits on requests, shown by the documentation.
    document : dict
        From `make_openapi`.
    """
    folder = Path(__file__).parent
    docs_page = render_page(
        folder / "docs.html",
        version=version("sentiment"),
        endpoints=list_endpoints(document),
        options={name: option["description"] for name, option in OPTIONS.items()},
        settings=settings,
    )
    main_page = render_page(folder / "page.html", version=version("sentiment"))
    return {"/": _make_response(main_page), "/docs": _make_response(docs_page)}


def _make_response(page: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers of a page, which allow only its own scripts and styles, and its bytes."""
    hashes = {"script": "", "style": ""}
    for element, content in _INLINE.findall(page):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[element] += f" 'sha256-{digest}'"
    script, style = (hashes[element] or " 'none'" for element in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src{script}; style-src{style}; connect-src 'self'; "
        "img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy,
        "cache-control": "no-cache",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()], page.encode()
