"""Soft votes with named members, so that config files can compose them."""

from sklearn.base import ClassifierMixin
from sklearn.ensemble import VotingClassifier


def make_soft_vote(
    members: dict[str, ClassifierMixin], weights: dict[str, float] | None = None
) -> VotingClassifier:
    """Return a classifier that averages the probabilities of its members.

    Parameters
    ----------
    members : dict of str to classifier
        Each has ``predict_proba``.
    weights : dict of str to float, optional
        Weights of members; default: 1.

    Raises
    ------
    ValueError
        A weight is not that of a member.
    """
    unknown = set(weights or {}) - set(members)
    if unknown:
        raise ValueError(f"weights for {sorted(unknown)}, but the members are {list(members)}")
    return VotingClassifier(
        estimators=list(members.items()),
        voting="soft",
        weights=[weights.get(name, 1.0) for name in members] if weights else None,
    )
