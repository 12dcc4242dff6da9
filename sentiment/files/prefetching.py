"""Prefetching of items in a background thread."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")
_DEPTH = 2


def prefetch(items: Iterable[Item]) -> Generator[Item]:
    """Yield `items`, while another thread prepares the next few.

    Errors of `items` are raised here. If the caller stops early, the thread stops, too, and a
    generator is closed.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(_DEPTH)
    stopped = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None, bool]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    def produce() -> None:
        try:
            for item in items:
                put((item, None, False))
                if stopped.is_set():
                    return
        except BaseException as error:
            put((None, error, True))
        else:
            put((None, None, True))

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while True:
            item, error, is_last = ready.get()
            if error is not None:
                raise error
            if is_last:
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
        if isinstance(items, Generator):
            items.close()
