"""Write requirements.lock from pyproject.toml, or say whether the lock still covers it.

Why: one lock serves every Python from 3.11 to 3.14 and every platform, with or without CUDA. uv resolves for all of
them at once; then the CUDA packages go, because torch asks for its own where it needs them, and a machine whose
find-links offers the CPU wheel shall not fetch gigabytes for nothing. Standard library only; uv does the resolving.

    python tools/lock.py              resolve anew, keeping the pins that still fit
    python tools/lock.py --upgrade    resolve anew, taking the newest of everything
    python tools/lock.py --check      exit 1 when the lock does not cover pyproject.toml
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("train", "dev")
OLDEST = "3.11"
HEADER = "# Made by `python tools/lock.py` for Python 3.11 to 3.14; install it with `python3 bootstrap.py setup`."
STAMP = "# Covers the dependencies in pyproject.toml with sha256 "
CUDA = re.compile(r"(nvidia|cuda|triton)\b")
PIN = re.compile(r"[a-z0-9][a-z0-9-]*==[0-9][0-9a-z.]*( ; .+)?")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the lock is out of date")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping pins")
    asked = parser.parse_args(arguments)
    return check(ROOT) if asked.check else write(ROOT, upgrade=asked.upgrade)


def check(root: Path) -> int:
    """Print what is wrong with the lock, and return 1 if anything is."""
    lock = root / "requirements.lock"
    wrong = faults(lock.read_text("utf-8"), read_project(root)) if lock.is_file() else ["there is no requirements.lock"]
    for fault in wrong:
        print(f"requirements.lock: {fault}", file=sys.stderr)
    print("Run `python tools/lock.py`." if wrong else "requirements.lock covers pyproject.toml.")
    return 1 if wrong else 0


def faults(lock: str, project: dict[str, Any]) -> list[str]:
    """List what keeps a lock's text from being a lock of this project."""
    lines = lock.splitlines()
    pins = lines[2:]
    found = []
    if lines[:2] != header(project):
        found.append("the dependencies in pyproject.toml have changed since it was made")
    found += [f"not a plain pin: {pin!r}" for pin in pins if not PIN.fullmatch(pin) or CUDA.match(pin)]
    found += [f"{name} is missing" for name in sorted(wanted(project) - {pin.partition("==")[0] for pin in pins})]
    return found if pins == sorted(pins) else [*found, "the lines are not sorted"]


def write(root: Path, *, upgrade: bool) -> int:
    """Resolve the dependencies with uv and write the lock."""
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if uv is None:
        print("uv is not here. Run `python3 bootstrap.py setup` and use the environment's python.", file=sys.stderr)
        return 1
    lock = root / "requirements.lock"
    resolved = resolve(uv, root, None if upgrade else lock)
    if resolved is None:
        print("uv could not resolve the dependencies; requirements.lock is as it was.", file=sys.stderr)
        return 1
    pins = plain(resolved)
    lock.write_text("\n".join([*header(read_project(root)), *pins]) + "\n", encoding="utf-8", newline="\n")
    print(f"requirements.lock: {len(pins)} pins.")
    return 0


def resolve(uv: str, root: Path, pinned: Path | None) -> str | None:
    """Ask uv for pins that hold on every platform; None when it finds none."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "requirements.txt"
        if pinned is not None and pinned.is_file():
            shutil.copyfile(pinned, out)
        extras = [word for extra in EXTRAS for word in ("--extra", extra)]
        quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command = [uv, "pip", "compile", "--universal", "--python-version", OLDEST, *extras, *quiet]
        done = subprocess.run([*command, "pyproject.toml", "-o", str(out)], cwd=root, env=no_wheels(), check=False)
        return out.read_text("utf-8") if done.returncode == 0 else None


def no_wheels() -> dict[str, str]:
    """Return the environment without the setting that would let this machine's own wheels decide the lock."""
    return {name: value for name, value in os.environ.items() if name != "UV_FIND_LINKS"}


def plain(resolved: str) -> list[str]:
    """Keep the pins: no comments, no options, no CUDA packages, no local versions such as +cpu, sorted."""
    lines = (re.sub(r"\+[a-z0-9.]+", "", line.strip(), count=1) for line in resolved.splitlines())
    pins = {line for line in lines if line and line[0] not in "#-" and not CUDA.match(line)}
    return sorted({re.sub(r"^(torch==\S+).*", r"\1", pin) for pin in pins})


def header(project: dict[str, Any]) -> list[str]:
    """Return the two lines that a lock of this project starts with."""
    return [HEADER, STAMP + hashlib.sha256(json.dumps(inputs(project), sort_keys=True).encode()).hexdigest()]


def inputs(project: dict[str, Any]) -> dict[str, Any]:
    """Return what the lock depends on: the Pythons and the requirements, in any order."""
    extras = project["optional-dependencies"]
    listed = {"base": project["dependencies"]} | {extra: extras[extra] for extra in EXTRAS}
    return {"python": project["requires-python"]} | {group: sorted(needs) for group, needs in listed.items()}


def wanted(project: dict[str, Any]) -> set[str]:
    """Return the names of the packages that pyproject.toml asks for."""
    groups = [needs for group, needs in inputs(project).items() if group != "python"]
    names = (re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0] for needs in groups for need in needs)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def read_project(root: Path) -> dict[str, Any]:
    """Return the [project] table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return table


if __name__ == "__main__":
    sys.exit(main())
