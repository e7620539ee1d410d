"""Write the tables of README.md from the files that they describe, or check that they are up to date.

    python -m tools.readme            rewrite the tables
    python -m tools.readme --check    say which are stale, and exit with 1 if any is
A table stands between <!-- NAME --> and <!-- /NAME -->. To add one, add a function of that name to TABLES.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def stages(root: Path) -> list[list[str]]:
    """Each stage of dvc.yaml, what it does and what it writes."""
    found = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))["stages"]
    rows = [["stage", "what it does", "writes"]]
    for name, stage in found.items():
        outs = [*stage.get("outs", []), *stage.get("metrics", [])]
        paths = [one if isinstance(one, str) else next(iter(one)) for one in outs]
        plain = [re.sub(r"\$\{item\.(\w+)\}", lambda match: match[1].upper(), path) for path in paths]
        rows.append([f"`{name}`", stage["desc"], "<br>".join(f"`{path}`" for path in plain) or "MLflow"])
    return rows


def models(root: Path) -> list[list[str]]:
    """Each config of configs/models, its kind, what that is, and whether the pipeline runs it."""
    runs = yaml.safe_load((root / "configs" / "pipeline.yaml").read_text("utf-8"))["models"]
    rows = [["model", "kind", "what it is"]]
    for path in sorted((root / "configs" / "models").glob("*.yaml"), key=lambda path: _order(path.stem, runs)):
        config = yaml.safe_load(path.read_text("utf-8"))
        settings = ", ".join(f"{key} {value}" for key, value in config.items() if key != "kind")
        source = root / "src" / "stancemap" / "models" / f"{config['kind']}.py"
        first = (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").splitlines()[0]
        what = first.partition(": ")[2].rstrip(".")
        rows.append([f"`{path.stem}`", f"`{config['kind']}`", what + (f" ({settings})" if settings else "")])
    return rows


def results(root: Path) -> list[list[str]]:
    """The leaderboard of the dataset that the repository ships, as `select` wrote it."""
    lines = (root / "reports" / "withdrawal" / "leaderboard.md").read_text("utf-8").splitlines()
    champion = json.loads((root / "reports" / "withdrawal" / "selection.json").read_text("utf-8"))["champion"]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if "---" not in line]
    return [[f"**{cell}**" if cell == champion else cell for cell in row] for row in rows]


def _order(name: str, runs: list[str]) -> tuple[int, str]:
    return (runs.index(name) if name in runs else len(runs), name)


TABLES = {"stages": stages, "models": models, "results": results}


def written(text: str, root: Path = ROOT) -> str:
    """A README with all of its tables made anew."""
    parts = {}
    for name, make in TABLES.items():
        head, *body = [f"| {' | '.join(row)} |" for row in make(root)]
        table = "\n".join([head, "|" + " --- |" * (head.count(" | ") + 1), *body])
        parts[name] = f"\n{table}\n"
    return filled(text, parts, "README.md")


def filled(text: str, parts: dict[str, str], page: str) -> str:
    """A page with each part put between the marks of its name; `page` is what errors call it."""
    for name, part in parts.items():
        text, count = re.subn(
            rf"(<!-- {name} -->).*?(<!-- /{name} -->)",
            lambda match, part=part: f"{match[1]}{part}{match[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{page} needs one <!-- {name} --> and one <!-- /{name} -->; it has {count} pairs")
    return text


def renew(path: Path, make: Callable[[str], str], command: str, arguments: list[str]) -> int:
    """Rewrite or check a page; the exit code is 1 when a check finds it stale."""
    before = path.read_text("utf-8")
    after = make(before)
    if "--check" in arguments:
        if before != after:
            print(f"{path.relative_to(ROOT)} is stale: run {command}")
        return int(before != after)
    path.write_text(after, encoding="utf-8")
    return 0


def main(arguments: list[str]) -> int:
    """Rewrite or check README.md."""
    return renew(ROOT / "README.md", written, "python -m tools.readme", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
