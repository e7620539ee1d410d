"""Sentence vectors from an ONNX graph: what an encoder is at predict time, without torch or transformers.

Why: importing torch and transformers costs seconds, ONNX Runtime and `tokenizers` tenths of one. Each text is
run alone and unpadded, several at a time on several threads: so a batch equals its single texts to the last
bit, also under int8, whose activation scales would otherwise depend on the neighbours in the batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

GRAPH = "encoder.onnx"
TOKENIZER = "tokenizer.json"
Vectors = NDArray[np.float32]
# Read when ONNX Runtime is imported: else it writes a device id into the home and calls its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


class SentenceEncoder:
    """Unit-length vectors of texts.

    Parameters
    ----------
    folder : Path
        Holds the graph and the tokenizer.
    max_length : int
        Tokens after which a text is cut.
    threads : int, optional
        Texts run side by side; all processors that this process may use by default.
    """

    def __init__(self, folder: Path, max_length: int, threads: int | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self.threads = threads or processors()

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return int(self._session.get_outputs()[0].shape[-1])

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, with the special tokens, cut at the maximum."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def encode(self, texts: Sequence[str], advance: Callable[[float], None] | None = None) -> Vectors:
        """Vectors of shape (n_texts, width); `advance` is called with 1 after each text."""
        if not texts:
            return np.zeros((0, self.width), dtype=np.float32)
        ids = self.tokenize(texts)
        vectors = np.empty((len(ids), self.width), dtype=np.float32)
        with ThreadPoolExecutor(self.threads) as pool:
            run = pool.map if len(ids) > 1 else map
            for row, vector in enumerate(run(self._one, ids)):
                vectors[row] = vector
                if advance is not None:
                    advance(1)
        return vectors

    def _one(self, ids: list[int]) -> Vectors:
        vector: Vectors = self._session.run(None, {"input_ids": np.array([ids], dtype=np.int64)})[0][0]
        return vector


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
