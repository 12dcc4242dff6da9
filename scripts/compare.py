"""Compare trained runs on the same test rows: python scripts/compare.py runs=[best,<run id>]."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.compare.command import main

if __name__ == "__main__":
    main()
