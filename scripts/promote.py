"""Make a run the champion if it is not worse: python scripts/promote.py run=best."""

import _checkout  # noqa: F401 - before sentiment is imported

from sentiment.commands.promote.command import main

if __name__ == "__main__":
    main()
