"""Serve predictions over HTTP: python scripts/serve.py model=models:/sentiment@champion."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.serve.command import main

if __name__ == "__main__":
    main()
