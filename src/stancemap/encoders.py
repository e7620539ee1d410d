"""Find the pretrained weights of an encoder, fetch them where they are missing, and trust them by their sha256 only.

Why: the same bytes lie in many places (a folder that somebody copied, a cache, the hub, a package that carries
them), and not every machine reaches each. One order, and one hash, give every machine the same encoder.
To add an encoder, add `configs/encoders/NAME.yaml`; to add a place, add a line to `_places`.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs

from stancemap import config, fetch
from stancemap.bundle import digest
from stancemap.errors import EncoderError, explain
from stancemap.progress import task

WEIGHTS = "model.safetensors"
FILES = ("config.json", "tokenizer.json", WEIGHTS)  # the weights last: a folder that has them has everything
NETWORKED = 2  # so many of the places, the last ones, need a network
PROBE_SECONDS = 3.0

_Place = tuple[str, Callable[[], Path]]
_digests: dict[tuple[int, int, int, int], str] = {}


def find(name: str, encoder: config.Encoder, *, offline: bool = False) -> Path:
    """Find a folder that holds an encoder's three files, fetching them when no folder on this machine does.

    Parameters
    ----------
    name : str
        The encoder's name: that of its file in `configs/encoders/`.
    encoder : config.Encoder
        What that file says.
    offline : bool, default False
        Whether only this machine is searched.

    Returns
    -------
    Path
        A folder with `model.safetensors`, verified, and `tokenizer.json` and `config.json`.

    Raises
    ------
    RefusedError
        When weights are found that are not the pinned ones, or none are pinned.
    EncoderError
        When the files are nowhere; the message lists every place that was tried, and what was wrong with it.
    """
    failures = ["the hub and the packages: not asked, because only this machine was to be searched"] if offline else []
    for place, look in _places(name, encoder)[: -NETWORKED if offline else None]:
        try:
            folder = look()
        except fetch.RefusedError:
            raise
        except ImportError as error:
            failures.append(f"{place}: {error.name} is not installed (pip install 'stancemap[train]')")
        except (OSError, ValueError, zipfile.BadZipFile) as error:  # a strange hub name is a ValueError to its client
            failures.append(f"{place}: {error}")
        else:
            _verify(folder / WEIGHTS, name, encoder)
            return folder
    raise EncoderError(_nowhere(name, failures))


def cache() -> Path:
    """Where fetched files are kept: `$STANCEMAP_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("STANCEMAP_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("stancemap")


def _places(name: str, encoder: config.Encoder) -> list[_Place]:
    home = cache() / "encoders" / name
    places: list[_Place] = [
        (f"the cache {home}", lambda: _complete(home)),
        ("the hub's cache", lambda: _hub_cache(encoder)),
        ("the hub", lambda: _hub(encoder)),
        ("the packages", lambda: _packages(name, encoder, home)),
    ]
    if Path(encoder.hub).is_dir():
        places.insert(0, (f"the folder {encoder.hub}", lambda: _complete(Path(encoder.hub))))
    if chosen := os.environ.get("STANCEMAP_ENCODERS"):
        places.insert(0, ("$STANCEMAP_ENCODERS", lambda: _complete(Path(chosen).expanduser() / name)))
    return places


def _nowhere(name: str, failures: Sequence[str]) -> str:
    tried = "\n".join(f"  - {failure.rstrip('.')}" for failure in failures)
    return (
        f"The encoder {name} was found nowhere:\n{tried}\n"
        f"Connect to a network and run the same command again, or put {', '.join(FILES)} into a folder "
        f"FOLDER/{name} and set STANCEMAP_ENCODERS=FOLDER."
    )


def _complete(folder: Path) -> Path:
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise EncoderError(f"{folder} lacks {', '.join(missing)}" if folder.is_dir() else f"{folder} does not exist")
    return folder


def _verify(weights: Path, name: str, encoder: config.Encoder, origin: str | None = None) -> None:
    """Refuse weights that are not pinned, or not the pinned ones; `origin` names what they were taken out of."""
    pin = f"configs/encoders/{name}.yaml"
    # To delete a link in the hub's cache would be in vain: the bytes behind it would only be linked again.
    shown = f"The {WEIGHTS} in {origin}" if origin else str(weights.resolve())
    found = _digest(weights)
    if encoder.sha256 is None:
        then = f"If you trust it, add `sha256: {found}` to {pin}"
        raise fetch.RefusedError(explain(f"{shown} is refused, because {pin} pins no sha256", then=then))
    if found != encoder.sha256:
        step = "Name other packages" if origin else "Delete it and run the same command again"
        raise fetch.refusal(shown, found, encoder.sha256, f"{step}; or pin its sha256 in {pin}, if you trust it")


def _digest(path: Path) -> str:
    """The sha256 of a file, computed once in a process for as long as the file stays as it is."""
    status = path.stat()
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if state not in _digests:
        _digests[state] = digest(path)
    return _digests[state]


def _hub_cache(encoder: config.Encoder) -> Path:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(encoder.hub, file, revision=encoder.revision) for file in FILES]
    missing = [file for file, path in zip(FILES, found, strict=True) if not isinstance(path, str)]
    if missing:
        raise EncoderError(f"it lacks {', '.join(missing)} of {encoder.hub} at revision {encoder.revision}")
    return Path(found[0]).parent


def _hub(encoder: config.Encoder) -> Path:
    import requests
    from huggingface_hub import constants, hf_hub_download

    url = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        raise EncoderError("not asked, because HF_HUB_OFFLINE is set")
    # The hub's own client tries for most of a minute; and a socket's timeout counts for each address of a name.
    probe = ThreadPoolExecutor(1)
    try:
        trusted = fetch.certificates(url)
        probe.submit(requests.head, url, timeout=PROBE_SECONDS, verify=trusted).result(PROBE_SECONDS)
    except (requests.RequestException, TimeoutError):
        raise EncoderError(f"{url} gave no answer within {PROBE_SECONDS:.0f} s") from None
    finally:
        probe.shutdown(wait=False)
    with ExitStack() as shown:
        how = {"revision": encoder.revision, "tqdm_class": _bars(shown)}
        try:
            found = [hf_hub_download(encoder.hub, file, **how) for file in FILES]
        except Exception as error:  # noqa: BLE001 - whatever its client raises, the next place may have the files
            said = (str(error).strip().splitlines() or [""])[0]
            raise EncoderError(f"{type(error).__name__}: {said}") from None
    return Path(found[0]).parent


def _bars(shown: ExitStack) -> type[Any]:
    """The hub client's progress bar, drawing nothing and advancing a `task` instead."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **how: Any) -> None:
            super().__init__(*args, **{**how, "disable": True})
            self.advance = shown.enter_context(task(f"fetching {how.get('desc')}", how.get("total"), "bytes"))
            self.advance(how.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.advance(n or 0)

    return Bar


def _packages(name: str, encoder: config.Encoder, home: Path) -> Path:
    from filelock import FileLock

    if encoder.carrier is None:
        raise EncoderError(f"configs/encoders/{name}.yaml names none")
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.with_name(f"{name}.lock")):
        if not all((home / file).is_file() for file in FILES):  # else another process came first
            _fill(name, encoder, encoder.carrier, home)
    return home


def _fill(name: str, encoder: config.Encoder, carrier: config.Carrier, home: Path) -> None:
    """Fetch the packages, take the files out beside their place, verify them, and move them there."""
    wheels = [fetch.wheel(wheel, cache() / "wheels") for wheel in carrier.wheels]
    draft = home.with_name(f".{name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed; the lock says that it is gone
    draft.mkdir()
    try:
        origin = ", ".join(f"{wheel.package}=={wheel.version}" for wheel in carrier.wheels)
        with task(f"unpacking {name}"):
            archives = [_join(wheels, carrier.zip_parts, draft)] if carrier.zip_parts else wheels
            if not any(_take(archive, draft) for archive in archives):
                raise EncoderError(f"no folder in {origin} holds {', '.join(FILES)}")
        _verify(draft / WEIGHTS, name, encoder, origin)
        home.mkdir(exist_ok=True)
        for file in FILES:
            (draft / file).replace(home / file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for wheel in wheels:
        wheel.unlink()


def _take(archive: Path, draft: Path) -> bool:
    """Take the three files out of the folder in an archive that has them all, if there is one."""
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        # A config.json also lies in 1_Pooling/: the encoder's is the one beside the weights.
        homes = [PurePosixPath(name).parent for name in names if PurePosixPath(name).name == WEIGHTS]
        whole = [home for home in homes if all(str(home / file) in names for file in FILES)]
        for file in FILES if whole else ():
            with opened.open(str(whole[0] / file)) as source, (draft / file).open("wb") as target:
                shutil.copyfileobj(source, target, fetch.CHUNK)
    return bool(whole)


def _join(wheels: Sequence[Path], stem: str, draft: Path) -> Path:
    """Put a zip together again whose parts `STEM.001`, `STEM.002`, ... lie in wheels."""
    with ExitStack() as stack:
        parts = {}
        for opened in [stack.enter_context(zipfile.ZipFile(wheel)) for wheel in wheels]:
            for name in opened.namelist():
                if number := re.search(rf"(?:^|/){re.escape(stem)}\.(\d+)$", name):
                    parts[int(number[1])] = (opened, name)
        if sorted(parts) != list(range(1, len(parts) + 1)):
            raise EncoderError(f"of the parts of {stem}, only {sorted(parts)} are there")
        with (draft / "joined.zip").open("wb") as whole:
            for _, (opened, name) in sorted(parts.items()):
                with opened.open(name) as source:
                    shutil.copyfileobj(source, whole, fetch.CHUNK)
    return draft / "joined.zip"
