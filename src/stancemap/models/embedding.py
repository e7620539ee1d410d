"""`embedding`: a frozen encoder, features of text, target and their interaction, and a calibrated linear head.

Why: sentence vectors carry meaning that n-grams miss and cost no training. The bundle holds the ONNX graph that
serves, and the head is fitted on that graph's vectors, so nothing can drift between training and serving.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from stancemap.heads import LinearHead
from stancemap.models.base import Floats, Frame, StanceModel, State
from stancemap.runtime import GRAPH, TOKENIZER, SentenceEncoder, Vectors

TARGETS = 4096  # vectors of targets kept while a model is open: a few MB
SHARD = 512  # texts encoded between two files of the vector cache: what a Ctrl-C can lose


class Embedding(StanceModel):
    """Logistic regression on [text, target, text * target, |text - target|], the text also in earlier layers.

    The four blocks are those of Conneau et al. 2017 ("Supervised Learning of Universal Sentence
    Representations", section 3.1) for a pair of sentences. The last layers of an encoder made for similarity say
    what a sentence is about; those before it keep more of how it says it (Jawahar et al. 2019, "What Does BERT Learn
    about the Structure of Language?", section 4), and they cost nothing more.

    Parameters
    ----------
    encoder : str
        The name of a config in `configs/encoders/`.
    precision : {"fp32", "int8"}, default "int8"
        The graph that serves.
    c : float, default 1.0
        Inverse strength of the L2 penalty.
    layers : int, default 1
        How many of the encoder's last layers the text is read from.
    seed : int, default 0
        Seed of the folds that the calibration rests on.
    """

    def __init__(
        self,
        encoder: str,
        precision: Literal["fp32", "int8"] = "int8",
        c: Annotated[float, Gt(0)] = 1.0,
        layers: Annotated[int, Ge(1), Le(12)] = 1,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.encoder = encoder
        self.precision = precision
        self.c = c
        self.layers = layers
        self.seed = seed

    def _fit(self, frame: Frame, y: NDArray[np.int64]) -> None:
        self._open_encoder()
        features = self._features(frame, self._cached)
        self.head_ = LinearHead.learn(features, y, frame, c=self.c, seed=self.seed)

    def _open_encoder(self) -> None:
        from stancemap.config import Encoder
        from stancemap.encoders import find
        from stancemap.export import serving_graph
        from stancemap.project import require
        from stancemap.schema import read

        config = read(require().encoder_file(self.encoder), Encoder)
        self.folder_ = serving_graph(self.encoder, config, find(self.encoder, config), self.precision, self.layers)
        self.max_length_ = config.max_length
        self.sentences_ = SentenceEncoder(self.folder_, config.max_length)
        self.targets_: dict[str, Vectors] = {}

    def _features(self, frame: Frame, encode: Any) -> Vectors:
        texts = encode(list(frame["text"]))
        aims = self._aims(list(frame["target"]))
        # A product of unit vectors shrinks with their width; the root of it keeps the blocks on one scale.
        last = texts[:, : aims.shape[1]]
        product = last * aims * np.float32(np.sqrt(aims.shape[1]))
        return np.hstack([texts, aims, product, np.abs(last - aims)])

    def _aims(self, targets: list[str]) -> Vectors:
        """Vectors of targets, by the last layer; those seen before are kept, because most callers ask about one."""
        new = [target for target in dict.fromkeys(targets) if target not in self.targets_]
        if len(self.targets_) + len(new) > TARGETS:
            self.targets_.clear()
            new = list(dict.fromkeys(targets))
        width = self.sentences_.width // self.layers
        self.targets_.update(zip(new, self.sentences_.encode(new)[:, :width], strict=True))
        return np.stack([self.targets_[target] for target in targets])

    def _cached(self, texts: Sequence[str]) -> Vectors:
        """Encode through `datasets`: memory-mapped files of a shard each, so an interrupted run goes on."""
        import datasets

        from stancemap.encoders import cache
        from stancemap.progress import task

        folder = cache() / "vectors" / f"{self.folder_.name}-{self.max_length_}"
        folder.mkdir(parents=True, exist_ok=True)
        datasets.disable_progress_bars()
        shards = []
        with task(f"encoding with {self.encoder}", len(texts), "texts") as advance:
            for start in range(0, len(texts), SHARD):
                part = list(texts[start : start + SHARD])
                shards.append(self._shard(part, folder))
                advance(len(part))
        return np.vstack(shards)

    def _shard(self, texts: list[str], folder: Path) -> Vectors:
        import datasets

        key = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]
        kind = datasets.Features({"vector": datasets.List(datasets.Value("float32"), length=self.sentences_.width)})
        encoded = datasets.Dataset.from_dict({"text": texts}).map(
            lambda batch: {"vector": self.sentences_.encode(batch["text"])},
            batched=True,
            batch_size=None,
            remove_columns=["text"],
            features=kind,
            cache_file_name=str(folder / f"{key}.arrow"),
            new_fingerprint=key,
        )
        vectors: Vectors = np.asarray(encoded.with_format("numpy")["vector"][:], dtype=np.float32)
        return vectors

    def _logits(self, frame: Frame) -> Floats:
        return self.head_.logits(self._features(frame, self.sentences_.encode))

    def _state(self) -> State:
        return self.head_.arrays(), {"max_length": self.max_length_}

    def _extra_files(self, folder: Path) -> None:
        for name in (GRAPH, TOKENIZER):
            shutil.copy(self.folder_ / name, folder / name)

    def _restore(self, arrays: dict[str, NDArray[Any]], state: dict[str, Any], folder: Path) -> None:
        self.head_ = LinearHead.from_arrays(arrays)
        self.folder_ = folder
        self.max_length_ = int(state["max_length"])
        self.sentences_ = SentenceEncoder(folder, self.max_length_)
        self.targets_ = {}
