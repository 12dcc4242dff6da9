"""Database connections in forked processes."""

import gc
import sys


def forget_connections() -> None:
    """Make a forked process open its own database connections without closing its parent's.

    Two processes on one connection would read each other's results. MLflow does not expose its
    engines, so they are looked up among all objects. It already keeps HTTP sessions per process.
    """
    if "sqlalchemy.engine" not in sys.modules:
        return
    from sqlalchemy.engine import Engine

    gc.unfreeze()  # frozen objects are not listed
    engines = [instance for instance in gc.get_objects() if isinstance(instance, Engine)]
    gc.freeze()
    for engine in engines:
        engine.dispose(close=False)
