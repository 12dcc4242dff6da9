"""Explain the prediction for a text: python scripts/explain.py text="A gem."."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.explain.command import main

if __name__ == "__main__":
    main()
