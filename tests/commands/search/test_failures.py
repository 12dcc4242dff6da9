"""Policy on failed jobs of a sweep."""

from collections.abc import Sequence

import pytest
from sweeping import make_result

from sentiment.commands.search.failures import FailurePolicy, check_failures
from sentiment.errors import JobsFailedError, SweepStoppedError


def count_until_stop(policy: FailurePolicy, errors: Sequence[str]) -> int | None:
    """Return how many jobs ended before the policy stopped the sweep, or None if it did not."""
    for number, error in enumerate(errors):
        try:
            policy.add(make_result(number, error))
        except SweepStoppedError:
            return number + 1
    return None


@pytest.mark.parametrize(
    ("errors", "stops"),
    [
        (["E: C is -1", "E: C is -2.5e-3", "E: C is -7"], 3),
        (["E: C is -1", "F: C is -2", "E: C is -3", ""], None),
        (["", "E: 1", "E: 1", "E: 1"], None),
        (["E: 1", "E: 1", "", "E: 1", "E: 1", "E: 1"], None),
        (["", *["E: 1"] * 6], 7),
        (["", *["E: 1"] * 5, "", *["E: 1"] * 5], None),
    ],
)
def test_a_fresh_sweep_stops(errors: list[str], stops: int | None) -> None:
    assert count_until_stop(FailurePolicy(5, fresh=True), errors) == stops


def test_a_resumed_sweep_has_no_first_jobs() -> None:
    assert count_until_stop(FailurePolicy(3, fresh=False), ["E"] * 3) is None
    assert count_until_stop(FailurePolicy(0, fresh=False), ["", "E"]) == 2


def test_failures_are_counted_and_shown() -> None:
    check_failures([], 3)
    failed = [make_result(n, f"E: {n}") for n in range(7)]
    with pytest.raises(JobsFailedError) as caught:
        check_failures(failed, 9)
    assert str(caught.value).splitlines() == [
        "7 of 9 jobs failed:",
        *(f"  #{n}  E: {n}" for n in range(5)),
        "  and 2 more",
    ]
    assert caught.value.exit_code == 1
