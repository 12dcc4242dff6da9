"""Commit and package versions of a run."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

PACKAGES = (
    "hydra-core",
    "joblib",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "sentiment",
    "skops",
)


def read_commit() -> dict[str, str]:
    """Return the git commit of this code and whether the tree was dirty; empty without git."""
    # A container image has no repository, so its build sets the commit.
    if built_from := os.environ.get("SENTIMENT_COMMIT"):
        return {"git.commit": built_from}
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"git.commit": commit, "git.dirty": str(bool(_git("status", "--porcelain"))).lower()}


def _git(*arguments: str) -> str | None:
    folder = Path(__file__).resolve().parent
    try:
        completed = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout.strip()


def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def pin(*packages: str) -> list[str]:
    """Return requirement lines that pin the installed versions of `packages`.

    A package of another distribution, such as xgboost of xgboost-cpu, is pinned by that name.

    Examples
    --------
    >>> [line.partition("==")[0] for line in pin("joblib", "sklearn", "not_installed")]
    ['joblib', 'scikit-learn']
    """
    distributions = [_find_distribution(package) for package in packages]
    return [
        f"{distribution}=={version(distribution)}"
        for distribution in distributions
        if distribution is not None
    ]


def _find_distribution(package: str) -> str | None:
    try:
        version(package)
    except PackageNotFoundError:
        return next(iter(packages_distributions().get(package, [])), None)
    return package
