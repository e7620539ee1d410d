"""The number of threads of every library that computes, pinned: other numbers can change the last digits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Pin BLAS, OpenMP and, where it is loaded, torch."""
    from threadpoolctl import threadpool_limits

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    with threadpool_limits(limits=threads):
        yield
