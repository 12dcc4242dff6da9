"""The command `sentiment`, as ``python -m sentiment``."""

from sentiment.cli.main import main

if __name__ == "__main__":
    main()
