"""Database connections in forked processes."""

import gc
import sys


def forget_connections() -> None:
    """Make a forked process open its own database connections, and leave those of its parent alone.

    Two processes on one connection would read each other's results. MLflow has no access to its
    engines, so they are looked up among all objects. Its HTTP sessions belong to one process
    already.
    """
    if "sqlalchemy.engine" not in sys.modules:
        return
    from sqlalchemy.engine import Engine

    gc.unfreeze()  # frozen objects are not listed
    engines = [one for one in gc.get_objects() if isinstance(one, Engine)]
    gc.freeze()
    for engine in engines:
        engine.dispose(close=False)
