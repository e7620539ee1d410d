#!/usr/bin/env python3
"""Set up stancemap on a fresh machine and run it: the two commands of a newcomer, with nothing but Python.

    python3 bootstrap.py repro [...]   run the pipeline: everything after the word goes to `dvc repro`
    python3 bootstrap.py test  [...]   run the tests: everything after the word goes to pytest (test -k repair)
    python3 bootstrap.py setup         only make the environment

The first run makes the folder .venv beside this file and installs the pinned packages of requirements.lock into it;
later runs see that nothing has changed and go straight on. Delete .venv to start afresh.
Packages come from where pip's settings say (find-links, index-url, extra-index-url, cert), also for uv. On Linux,
torch brings several GB of CUDA packages; UV_TORCH_BACKEND=cpu in the environment asks uv for the small one.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST, NEWEST = (3, 11), (3, 14)
UV = "uv==0.13.9"
COMMANDS = ("repro", "test", "setup")
UNFINISHED = "unfinished"  # what the stamp says while the environment is being made
QUIET = ("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "HF_HUB_DISABLE_TELEMETRY")
NEXT_STEPS = """
Done. Next:
  {enter}
  stancemap predict "Parliament asked the government to end the presence of foreign troops."
  mlflow ui     # runs and models, in a browser"""


class SetupError(Exception):
    """What went wrong, as a sentence for the person at the keyboard."""


def main(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        return run(arguments)
    except SetupError as failure:
        print(f"bootstrap: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"bootstrap: {error}. Mend that (or delete .venv) and run the same command again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbootstrap: Stopped. Run the same command again to go on from here.", file=sys.stderr)
        return 130


def run(arguments: list[str]) -> int:
    """Check, set up, and hand over to DVC or pytest."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0 if arguments else 2
    command, *extra = arguments
    check(command, extra, sys.version_info[:2])
    venv = ROOT / ".venv"
    set_up(venv)
    if command == "setup":
        print(f"To enter the environment: {enter(venv)}")
        return 0
    code = call(child(command, extra, venv), environment(venv))
    if command == "repro" and code == 0:
        print(NEXT_STEPS.format(enter=enter(venv)))
    return code


def check(command: str, extra: list[str], python: tuple[int, ...]) -> None:
    """Refuse early what cannot work later."""
    if not OLDEST <= python <= NEWEST:
        came = f"{dotted(OLDEST)} to {dotted(NEWEST)}; this is Python {dotted(python)} ({sys.executable})"
        raise SetupError(f"stancemap needs Python {came}. Run it with another, as in: python3.12 bootstrap.py test")
    if command not in COMMANDS:
        raise SetupError(f"There is no command {command!r}. Allowed: {', '.join(COMMANDS)}. `--help` explains them.")
    if command == "setup" and extra:
        raise SetupError(f"`setup` takes no arguments; got: {' '.join(extra)}.")
    if command == "repro":
        check_git()


def check_git() -> None:
    """Refuse a pipeline run where DVC would: without git, or outside a repository."""
    if shutil.which("git") is None:
        raise SetupError("DVC needs git, and there is none on the PATH. Install git, then run this again.")
    if not (ROOT / ".git").exists():
        wrong = f"DVC needs a git repository, and {ROOT} has no .git (a downloaded zip?). Clone the repository instead"
        raise SetupError(f"{wrong}, or make this folder one with: git init && git add --all && git commit -m start")


def set_up(venv: Path) -> None:
    """Make the environment match requirements.lock; do nothing when it does already."""
    started, stamp, due = time.monotonic(), venv / "stancemap.stamp", fingerprint(venv)
    before = stamp.read_text("utf-8") if stamp.is_file() else ""
    if before == due and python_of(venv).exists():
        print(f"The environment {venv.name} is up to date.", flush=True)
        return
    say(1, started, f"the environment {venv.name}, with Python {dotted(sys.version_info[:3])}")
    if not usable(venv, before, due):
        make(venv, stamp)
    stamp.write_text(UNFINISHED, encoding="utf-8")
    install(venv, started)
    stamp.write_text(due, encoding="utf-8")
    print(f"Ready after {time.monotonic() - started:.0f} s.", flush=True)


def fingerprint(venv: Path) -> str:
    """Return two lines: where and of which Python the environment is, and the sha256 of what it was made from."""
    read = [(ROOT / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")]
    return f"{venv} {dotted(sys.version_info[:2])}\n{hashlib.sha256(b''.join(read)).hexdigest()}\n"


def usable(venv: Path, before: str, due: str) -> bool:
    """Tell whether packages can go into the environment as it is: finished, not moved, same Python, pip runs."""
    if not venv.exists():
        return False
    here = not before or before.partition("\n")[0] == due.partition("\n")[0]
    probe = f"import pip._internal, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if here and python_of(venv).exists() and hear([str(python_of(venv)), "-c", probe])[0] == 0:
        return True
    print("      The one here is half-made, moved, or of another Python; making it anew.", flush=True)
    return False


def make(venv: Path, stamp: Path) -> None:
    """Make an empty environment with pip; the stamp comes first, so that an interruption is noticed."""
    if venv.is_dir() and not venv.is_symlink():
        shutil.rmtree(venv)
    elif venv.exists() or venv.is_symlink():
        raise SetupError(f"{venv} is no plain folder. Move it away, then run this again.")
    venv.mkdir()
    stamp.write_text(UNFINISHED, encoding="utf-8")
    base = getattr(sys, "_base_executable", None) or sys.executable  # outlives a .venv that is active right now
    code, told = hear([base, "-m", "venv", str(venv)])
    if code:
        raise SetupError(f"Python could not make an environment (Debian and Ubuntu: apt install python3-venv).\n{told}")


def install(venv: Path, started: float) -> None:
    """Install the lock and then stancemap itself, with uv, or with pip where uv is not to be had."""
    python, bare = str(python_of(venv)), environment(venv)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    say(2, started, "uv, which installs quickly")
    env = bare | uv_settings(pip_settings(hear([python, "-m", "pip", "config", "list"])[1]), bare)
    uv = [str(python_of(venv).with_name("uv")), "pip", "install", "--python", python]
    tools = {"pip": pip} if call([*pip, "--quiet", UV], bare) else {"uv": uv, "pip": pip}
    say(3, started, "the packages of requirements.lock (1.6 GB; a first time takes from half a minute to several)")
    with_tools(tools, ["-r", "requirements.lock"], env)
    say(4, started, "stancemap itself")
    with_tools(tools, ["--no-deps", "-e", "."], env)


def with_tools(tools: dict[str, list[str]], what: list[str], env: dict[str, str]) -> None:
    """Try one installer after the other, saying so."""
    for name, tool in tools.items():
        if name == "pip":
            print("      With pip, since uv cannot be had or failed: this is slower.", flush=True)
        if call([*tool, *what], env) == 0:
            return
    raise SetupError("The packages could not be installed; the reason stands above. Downloads are kept: try again.")


def pip_settings(listed: str) -> dict[str, str]:
    """Read the output of `pip config list`: variables beat [install], and that beats [global]."""
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section) and value[:1] in ("'", '"'):
                found[name[len(section) :]] = str(ast.literal_eval(value))
    return found


def uv_settings(pip: dict[str, str], env: dict[str, str]) -> dict[str, str]:
    """Translate pip's settings into uv's variables; what is set for uv already stays."""
    web = {name: [url for url in value.split() if url.startswith("http")] for name, value in pip.items()}
    said = {
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_DEFAULT_INDEX": " ".join(web.get("index-url", [])),
        "UV_INDEX": " ".join(web.get("extra-index-url", [])),
        "UV_INDEX_STRATEGY": "unsafe-best-match" if web.get("extra-index-url") else "",  # as pip does
        "SSL_CERT_FILE": pip.get("cert", ""),
    }
    return {name: value for name, value in said.items() if value and name not in env}


def python_of(venv: Path) -> Path:
    """Return the interpreter of an environment."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def enter(venv: Path) -> str:
    """Return the command that enters an environment."""
    return rf"{venv.name}\Scripts\activate" if os.name == "nt" else f"source {venv.name}/bin/activate"


def environment(venv: Path) -> dict[str, str]:
    """Return the variables of somebody who has entered the environment, with all telemetry off."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    quiet = dict.fromkeys(QUIET, "1") | {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_TERMINAL_PROMPT": "0"}
    path = os.pathsep.join((str(python_of(venv).parent), kept.get("PATH", os.defpath)))
    return kept | quiet | {"VIRTUAL_ENV": str(venv), "PATH": path}


def child(command: str, extra: list[str], venv: Path) -> list[str]:
    """Return the command line that does the work."""
    python = python_of(venv)
    work = [python, "-m", "pytest"] if command == "test" else [python.with_name("dvc"), "repro"]
    return [*map(str, work), *extra]


def call(command: list[str], env: dict[str, str]) -> int:
    """Run a child in the repository and return its exit code; after Ctrl-C let it tidy up first."""
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        try:
            process.wait(10)  # seconds for tidying up
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
        raise
    return code if code >= 0 else 128 - code


def hear(command: list[str]) -> tuple[int, str]:
    """Run a short child in silence; return its exit code and what it said."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def say(step: int, started: float, what: str) -> None:
    """Print a numbered step and the seconds since the start."""
    print(f"[{step}/4] {time.monotonic() - started:5.1f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
