"""Print the packages here that a requirement, such as sentiment[flow], does not need.

The lock is one for all: it holds the tools of developers and every extra. An image has only what
it needs, at the versions and with the hashes of the lock.
"""

import sys
from importlib.metadata import distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def find_needed(requirement: str) -> set[str]:
    """Return the names of all that `requirement` needs, itself included.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        Something of it is not installed: the lock was made without that extra.
    """
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(requirement)]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        for extra in {"", *one.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            for line in distribution(name).requires or []:
                inner = Requirement(line)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    waiting.append(inner)
    return {name for name, _ in seen}


def find_unneeded(requirement: str) -> list[str]:
    """Return the names of all that is installed and that `requirement` does not need."""
    installed = {canonicalize_name(one.name) for one in distributions()}
    # MLflow notes the version of pip beside every model, and warns where there is none.
    return sorted(installed - find_needed(requirement) - {"pip"})


if __name__ == "__main__":
    print("\n".join(find_unneeded(sys.argv[1])))
