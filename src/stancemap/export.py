"""From pretrained weights to the ONNX graph that serves: exported, checked against torch, quantised on demand.

Why: a head is fitted on the vectors of the very graph that will serve it, so the graph comes first. It is made
once for each (weights, precision) and kept in the user's cache.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stancemap.bundle import digest, replacing
from stancemap.config import Encoder
from stancemap.encoders import WEIGHTS, cache
from stancemap.errors import EncoderError, explain
from stancemap.progress import task
from stancemap.quiet import quiet
from stancemap.runtime import GRAPH, TOKENIZER, SentenceEncoder

Precision = Literal["fp32", "int8"]
VERSION = 2  # raise it when the graph changes for the same weights
TOLERANCE = 1e-4  # largest difference of a unit vector's component that two float32 runtimes may show
PROBES = ("Troops.", "The council voted on Monday to ask the foreign troops to leave the country within a year.")


def serving_graph(name: str, encoder: Encoder, weights: Path, precision: Precision) -> Path:
    """The folder with the graph and tokenizer of an encoder, made when it is not in the cache yet.

    Parameters
    ----------
    name : str
        The encoder's name, for messages.
    encoder : Encoder
        Its config: pooling and maximal length.
    weights : Path
        The folder that `stancemap.encoders.find` gave.
    precision : {"fp32", "int8"}
        int8 quantises weights per channel and activations dynamically: a quarter of the bytes, about a third of
        the time, other vectors.

    Raises
    ------
    EncoderError
        When the graph's vectors differ from torch's.
    """
    key = f"{digest(weights / WEIGHTS)[:16]}-{encoder.pooling}-{precision}-{VERSION}"
    folder = cache() / "graphs" / key
    if not (folder / GRAPH).is_file():
        with task(f"exporting {name} ({precision})"), replacing(folder) as draft:
            shutil.copy(weights / TOKENIZER, draft / TOKENIZER)
            _export(weights, encoder, draft / GRAPH)
            _strip(draft / GRAPH)
            _check(name, encoder, weights, draft)
            if precision == "int8":
                _quantise(draft / GRAPH)
    return folder


def _export(weights: Path, encoder: Encoder, path: Path) -> None:
    import torch

    example = torch.arange(5, 22).repeat(2, 1)
    shapes = {"input_ids": {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2, max=512)}}
    with quiet():  # the exporter deprecates its own insides, and misses libraries that nobody asked for
        torch.onnx.export(
            _pooled(weights, encoder.pooling),
            (example,),
            path,
            input_names=["input_ids"],
            output_names=["vector"],
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )


def _strip(path: Path) -> None:
    """Drop the exporter's notes: they name folders of this machine, and the same weights must give the same bytes."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for part in (*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output, graph, model):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


def _pooled(weights: Path, pooling: str) -> Any:
    """The encoder with its pooling as one torch module; no mask, because texts come unpadded."""
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(weights, attn_implementation="eager", local_files_only=True)

        def forward(self, input_ids: Any) -> Any:
            mask = torch.ones_like(input_ids)
            hidden = self.encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
            pooled = hidden.mean(dim=1) if pooling == "mean" else hidden[:, 0]
            return torch.nn.functional.normalize(pooled, dim=-1)

    return Pooled().eval()  # the wrapper too, or dropout is exported


def _check(name: str, encoder: Encoder, weights: Path, folder: Path) -> None:
    import torch

    served = SentenceEncoder(folder, encoder.max_length)
    module = _pooled(weights, encoder.pooling)
    with torch.inference_mode():
        expected = [module(torch.tensor([ids]))[0].numpy() for ids in served.tokenize(PROBES)]
    gap = float(np.abs(served.encode(PROBES) - np.stack(expected)).max())
    if not gap <= TOLERANCE:
        wrong = f"The ONNX graph of {name} differs from torch by {gap:.1e} in a unit vector"
        raise EncoderError(explain(wrong, allowed=f"up to {TOLERANCE:.0e}", then="Report the encoder and the versions"))


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    exact = path.with_name("exact.onnx")
    path.rename(exact)
    with quiet():  # it warns that shapes were not inferred first, which the exporter did
        # reduce_range: without it, processors that lack VNNI saturate and give other vectors
        quantize_dynamic(exact, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    exact.unlink()
