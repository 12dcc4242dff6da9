"""A soft vote whose members are named, so that config files can compose it."""

from sklearn.base import ClassifierMixin
from sklearn.ensemble import VotingClassifier


def make_soft_vote(
    members: dict[str, ClassifierMixin], weights: dict[str, float] | None = None
) -> VotingClassifier:
    """Return a classifier that averages the members' probabilities.

    Parameters
    ----------
    members : dict of str to classifier
        Each has ``predict_proba``.
    weights : dict of str to float, optional
        Weight of each member, one where it is not given; equal weights without it.

    Raises
    ------
    ValueError
        A weight names no member.
    """
    unknown = set(weights or {}) - set(members)
    if unknown:
        raise ValueError(f"weights for {sorted(unknown)}, but the members are {list(members)}")
    return VotingClassifier(
        estimators=list(members.items()),
        voting="soft",
        weights=[weights.get(name, 1.0) for name in members] if weights else None,
    )
