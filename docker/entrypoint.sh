#!/bin/sh
# numba takes compiled kernels only from a folder where it may write, and an image may be read-only:
# so they are copied (2 MB) to where it may. Then the command becomes this process.
set -eu
if [ ! -d "$NUMBA_CACHE_DIR" ]; then
    cp -R "${SENTIMENT_KERNELS:-/kernels}" "$NUMBA_CACHE_DIR"
fi
exec "$@"
