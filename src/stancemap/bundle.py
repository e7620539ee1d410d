"""A model as a folder: `model.json`, arrays as safetensors, and whatever files the kind adds. No pickle.

Why: a folder that anyone can read, that says what is in it, that a truncated copy cannot pass for, and that is
there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stancemap.errors import ModelError, explain

FORMAT = 1
HEAD = "model.json"
ARRAYS = "arrays.safetensors"
PARTS = ("kind", "params", "classes", "state", "about", "files")


def write_bundle(
    folder: Path,
    head: Mapping[str, Any],
    arrays: dict[str, NDArray[Any]],
    extra: Callable[[Path], None],
) -> None:
    """Write a bundle beside its place, then move it there."""
    from safetensors.numpy import save_file

    with replacing(folder) as draft:
        save_file({name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}, draft / ARRAYS)
        extra(draft)
        files = {path.name: {"bytes": path.stat().st_size, "sha256": digest(path)} for path in sorted(draft.iterdir())}
        write_json(draft / HEAD, {"format": FORMAT, **head, "files": files})


def read_bundle(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the head and the arrays of a bundle; sizes of all files are checked, hashes by `verify`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    head = _whole(folder)
    try:
        return head, load_file(folder / ARRAYS)
    except SafetensorError as error:
        raise ModelError(explain(f"{folder / ARRAYS} cannot be read: {error}", then="Fit the model again")) from None


def _whole(folder: Path) -> dict[str, Any]:
    """The head of a bundle of which every file is there, in its full size."""
    head = read_head(folder)
    for name, known in head["files"].items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != known["bytes"]:
            state = "is missing" if size is None else f"has {size:,} bytes instead of {known['bytes']:,}"
            then = "The copy was cut short: fit the model again, or copy the folder afresh"
            raise ModelError(explain(f"The model file {path} {state}", then=then))
    return head


def read_head(folder: Path) -> dict[str, Any]:
    """Read `model.json`, refusing what is no bundle and what a newer stancemap wrote."""
    path = folder / HEAD
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        then = "Pass a folder such as models/withdrawal/ngram, a models:/ address, or train with `dvc repro`"
        raise ModelError(explain(f"{folder} is no model: it holds no {HEAD}", then=then)) from None
    except (OSError, ValueError) as error:
        raise ModelError(explain(f"{path} cannot be read: {error}", then="Fit the model again")) from None
    if not isinstance(head, dict):
        raise ModelError(explain(f"{path} is no mapping of keys to values", got=head, then="Fit the model again"))
    written = head.get("format", FORMAT)
    if written != FORMAT:
        allowed = f"format {FORMAT}"
        then = "Upgrade stancemap, or fit the model again"
        raise ModelError(explain(f"{folder} is of another format", got=written, allowed=allowed, then=then))
    lacking = [part for part in PARTS if part not in head]
    if lacking:
        raise ModelError(explain(f"{path} lacks {', '.join(lacking)}", then="Fit the model again"))
    return head


def verify(folder: Path) -> None:
    """Compare every file of a bundle with its recorded sha256.

    Raises
    ------
    ModelError
        When a file was changed after it was written.
    """
    for name, known in _whole(folder)["files"].items():
        if digest(folder / name) != known["sha256"]:
            raise ModelError(explain(f"The model file {folder / name} was changed", then="Fit the model again"))


def fingerprint(folder: Path) -> str:
    """The sha256 of `model.json`, which holds the sha256 of every other file."""
    return digest(folder / HEAD)


def digest(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one move: readers see the old file or the new one, never half of one."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder that takes the place of `folder` when the block ends well, and vanishes when it does not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    old = draft.with_name(f"{draft.name}-old")
    try:
        yield draft
        draft.chmod(0o755)
        if folder.exists():
            folder.replace(old)  # a rename, so that nobody ever meets half of a folder
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
