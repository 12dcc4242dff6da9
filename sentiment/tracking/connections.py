"""Connections to stores in a fork of a process that has opened them."""

import gc
import sys


def forget_connections() -> None:
    """Let a fork connect to databases anew, and leave the connections of its parent alone.

    Two processes that use one connection read each other's answers. MLflow keeps its engines where
    they cannot be asked for, so they are looked up among all objects; its sessions of HTTP are
    those of one process already.
    """
    if "sqlalchemy.engine" not in sys.modules:
        return
    from sqlalchemy.engine import Engine

    gc.unfreeze()  # what is frozen is not among the objects
    engines = [one for one in gc.get_objects() if isinstance(one, Engine)]
    gc.freeze()
    for engine in engines:
        engine.dispose(close=False)
