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
VERSION = 3  # raise it when the graph changes for the same weights
BLOCK = 128  # weights that share a scale
TOLERANCE = 1e-4  # largest difference of a unit vector's component that two float32 runtimes may show
PROBES = ("Troops.", "The council voted on Monday to ask the foreign troops to leave the country within a year.")


def serving_graph(name: str, encoder: Encoder, weights: Path, precision: Precision, layers: int = 1) -> Path:
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
        int8 quantises the weights of every product in blocks of `BLOCK`, each with a scale of its own: less than
        half the bytes, about half the time, vectors at a cosine of 0.999. Scales for whole tensors are quicker
        still, but the few large activations of such encoders spoil them (cosine 0.90 on mpnet, and three points
        of macro-F1).
    layers : int, default 1
        How many of the last layers give a vector; the vectors stand side by side, the last layer's first.

    Raises
    ------
    EncoderError
        When the encoder has fewer layers, or the graph's vectors differ from torch's.
    """
    key = f"{digest(weights / WEIGHTS)[:16]}-{encoder.pooling}-{precision}-{layers}-{VERSION}"
    folder = cache() / "graphs" / key
    if not (folder / GRAPH).is_file():
        with task(f"exporting {name} ({precision})"), replacing(folder) as draft:
            shutil.copy(weights / TOKENIZER, draft / TOKENIZER)
            module = _pooled(name, weights, encoder.pooling, layers)
            _export(module, draft / GRAPH)
            _strip(draft / GRAPH)
            _check(name, encoder, module, draft)
            if precision == "int8":
                _quantise(draft / GRAPH)
    return folder


def _export(module: Any, path: Path) -> None:
    import torch

    example = torch.arange(5, 22).repeat(2, 1)
    shapes = {"input_ids": {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2, max=512)}}
    with quiet():  # the exporter deprecates its own insides, and misses libraries that nobody asked for
        torch.onnx.export(
            module,
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


def _pooled(name: str, weights: Path, pooling: str, layers: int) -> Any:
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
            states = self.encoder(input_ids=input_ids, attention_mask=mask, output_hidden_states=True).hidden_states
            some = [states[-1 - layer] for layer in range(layers)]
            pooled = [hidden.mean(dim=1) if pooling == "mean" else hidden[:, 0] for hidden in some]
            return torch.cat([torch.nn.functional.normalize(one, dim=-1) for one in pooled], dim=-1)

    module = Pooled().eval()  # the wrapper too, or dropout is exported
    there = module.encoder.config.num_hidden_layers
    if layers > there:
        wrong = f"The encoder {name} has {there} layers"
        raise EncoderError(
            explain(wrong, got=layers, allowed=f"1 to {there}", then="Mend `layers` in the model's config")
        )
    return module


def _check(name: str, encoder: Encoder, module: Any, folder: Path) -> None:
    import torch

    served = SentenceEncoder(folder, encoder.max_length)
    with torch.inference_mode():
        expected = [module(torch.tensor([ids]))[0].numpy() for ids in served.tokenize(PROBES)]
    gap = float(np.abs(served.encode(PROBES) - np.stack(expected)).max())
    if not gap <= TOLERANCE:
        wrong = f"The ONNX graph of {name} differs from torch by {gap:.1e} in a unit vector"
        raise EncoderError(explain(wrong, allowed=f"up to {TOLERANCE:.0e}", then="Report the encoder and the versions"))


def _quantise(path: Path) -> None:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    with quiet():  # it tells of every product
        quantiser = MatMulNBitsQuantizer(onnx.load(path), bits=8, block_size=BLOCK, is_symmetric=True, accuracy_level=4)
        quantiser.process()
    onnx.save(quantiser.model.model, path)
