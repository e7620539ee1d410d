"""Read the package's source as syntax trees: its modules, and what each imports, wherever the import stands.

Why: tools/house.py judges, and this reads. Relative imports, imports inside functions and TYPE_CHECKING blocks, and
`import_module("...")` with a literal name all become the same plain record.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "stancemap"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One import: what, on which line, and whether it runs as the module is loaded."""

    target: str
    line: int
    eager: bool


@dataclass(frozen=True)
class Module:
    """One source file of the package; `name` lacks the package's own name, which is the module ""."""

    path: Path
    name: str

    @property
    def is_package(self) -> bool:
        """Whether this is an __init__.py."""
        return self.path.name == "__init__.py"

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.path.read_text("utf-8"), str(self.path))

    @cached_property
    def imports(self) -> list[Import]:
        """Every import in the file, wherever it stands."""
        nodes = [(node, self.named(node), eager) for node, eager in walk(self.tree)]
        return [Import(name, getattr(node, "lineno", 1), eager) for node, names, eager in nodes for name in names]

    def named(self, node: ast.AST) -> list[str]:
        """Return the full names that a node imports."""
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            source = self.absolute("." * node.level + (node.module or ""))
            return [f"{source}.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in ("import_module", "__import__"):
            return [self.absolute(name) for name in (text(argument) for argument in node.args[:1]) if name]
        return []

    def absolute(self, name: str) -> str:
        """Resolve a relative name from where this module is."""
        level = len(name) - len(name.lstrip("."))
        if not level:
            return name
        here = [PACKAGE, *filter(None, self.name.split("."))]
        above = here[: len(here) + self.is_package - level]
        return ".".join([*above, *filter(None, [name[level:]])])

    def at(self, line: int, fault: str) -> str:
        """Say what is wrong on a line."""
        return f"{self.path.as_posix()[self.path.as_posix().rindex(f'{PACKAGE}/') :]}:{line}: {fault}"


def walk(node: ast.AST, eager: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node below one, and whether it runs as the module is loaded."""
    for child in ast.iter_child_nodes(node):
        yield child, eager
        lazy = isinstance(child, Function | ast.Lambda)
        typing = isinstance(child, ast.If) and dotted(child.test).endswith("TYPE_CHECKING")
        yield from walk(child, eager and not lazy and not typing)


def dotted(node: ast.AST) -> str:
    """Return a.b.c for the expression a.b.c, and nothing for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def text(node: ast.AST) -> str:
    """Return a literal string; of an f-string, its literal beginning and a star."""
    if isinstance(node, ast.JoinedStr) and node.values:
        return f"{text(node.values[0])}*"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def modules(source: Path) -> dict[str, Module]:
    """Find the modules of the package in a source folder."""
    found = {}
    for path in sorted((source / PACKAGE).rglob("*.py")):
        parts = path.relative_to(source / PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(path, name)
    return found
