"""Lease on a registered model: mutual exclusion of processes that only share a store."""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sentiment.errors import PromotionBusyError, TrackingStoreError
from sentiment.tracking.processes import HEARTBEAT_TIMEOUT, is_alive, name_owner

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PREFIX = "promotion.lease."
_CHOOSING = 0
_POLL = 0.2
# A lease is held for a second or two. The lease of a dead process on another machine ends after the
# heartbeat timeout.
_PATIENCE = 3 * HEARTBEAT_TIMEOUT
# Keys of the leases that this process holds or waits for.
_held: set[str] = set()


class Lease:
    """One attempt to become the only process that changes a registered model.

    MLflow has no atomic compare-and-set. So each process writes its own tag with a number above all
    others, and waits until no other process has a smaller number. This is Lamport's bakery
    algorithm (1974), which only requires that each process reads the tags that others have written.

    Parameters
    ----------
    client : MlflowClient
        Of a store that is ready.
    name : str
        An existing registered model.
    """

    def __init__(self, client: "MlflowClient", name: str) -> None:
        self._client, self._name = client, name
        self._key = f"{_PREFIX}{uuid.uuid4().hex[:12]}"

    def acquire(self) -> None:
        """Wait until no living process has a smaller number.

        Raises
        ------
        PromotionBusyError
            Another process has held the lease for minutes.
        """
        _held.add(self._key)
        self._write(_CHOOSING)
        number = 1 + max((n for n, _, _ in self._read_others().values()), default=0)
        self._write(number)
        deadline = time.monotonic() + _PATIENCE
        while True:
            owners_ahead = [
                owner
                for key, (other_number, _, owner) in self._read_others().items()
                if other_number == _CHOOSING or (other_number, key) < (number, self._key)
            ]
            if not owners_ahead:
                return
            if time.monotonic() > deadline:
                raise PromotionBusyError(self._name, owners_ahead[0])
            time.sleep(_POLL)

    def release(self) -> None:
        """Release the lease.

        If the store does not answer, the lease ends when this process ends or leases again.
        """
        _held.discard(self._key)
        self._delete(self._key)

    def _write(self, number: int) -> None:
        value = json.dumps([number, time.time(), name_owner()])
        self._client.set_registered_model_tag(self._name, self._key, value)

    def _read_others(self) -> dict[str, tuple[int, float, str]]:
        """Return number, time and owner of other living processes; remove the tags of dead ones."""
        others = {}
        for key, value in self._client.get_registered_model(self._name).tags.items():
            if key.startswith(_PREFIX) and key != self._key:
                number, heartbeat, owner = json.loads(value)
                is_abandoned = owner == name_owner() and key not in _held
                if is_alive(owner, heartbeat) and not is_abandoned:
                    others[key] = (number, heartbeat, owner)
                else:
                    self._delete(key)
        return others

    def _delete(self, key: str) -> None:
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(MlflowException, TrackingStoreError):
            self._client.delete_registered_model_tag(self._name, key)


@contextlib.contextmanager
def hold_lease(client: "MlflowClient", name: str) -> Iterator[None]:
    """Let one process at a time change the registered model `name` in the ``with`` block."""
    lease = Lease(client, name)
    try:
        lease.acquire()
        yield
    finally:
        lease.release()
