"""The number of threads of every library that computes, pinned: other numbers can change the last digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Pin BLAS and OpenMP; the encoders of `stancemap.runtime` run each text on one thread anyway."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield
