"""Check the rules of the house on the source: who may import whom, what is banned, how long things may be.

Why: an order of imports that nobody enforces is gone in a month. The checks read syntax trees only, so imports inside
functions and TYPE_CHECKING blocks count as well, and nothing is imported or run. tests/unit/test_house.py runs them;
`python -m tools.house` prints what they find.
To add a module, put its name on its own line of LAYERS: below everything that imports it, above everything it imports.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tools.sources import PACKAGE, Function, Import, Module, dotted, modules, text, walk

LAYERS = (
    ("__main__",),
    ("cli",),
    ("stages.*",),
    ("serving",),
    ("tables",),
    ("answers",),
    ("article",),
    ("predict",),
    ("registry",),
    ("tracking",),
    ("page",),
    ("audit",),
    ("card",),
    ("report",),
    ("likeness", "agreement"),
    ("shortcuts",),
    ("metrics",),
    ("training",),
    ("noise",),
    ("checks",),
    ("splits", "repair", "calibration"),
    ("prepared",),
    ("datasets.*",),
    ("kinds",),
    ("models.*",),
    ("heads",),
    ("export",),
    ("runtime",),
    ("encoders",),
    ("fetch",),
    ("bundle",),
    ("examples",),
    ("config",),
    ("schema",),
    ("project",),
    ("progress", "quiet", "threads"),
    ("errors",),
)
MLFLOW_HOMES = {"tracking", "serving"}
LIGHT = ("", "predict", "article", "registry", "models.embedding", "runtime")
HEAVY = {"dvc", "torch", "transformers", "datasets", "mlflow"}
PICKLES = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
SCREEN = {"print", "exit", "quit", "sys.exit", "os._exit", "sys.stdout.write", "sys.stderr.write", "SystemExit"}
SCREEN |= {f"{library}.{name}" for library in ("typer", "click") for name in ("echo", "secho", "Exit", "Abort")}
SCREEN |= {"rich.print", "rich.print_json"}
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES, PARAMETERS = 250, 45, 12, 5


def layer(name: str) -> int | None:
    """Return the line of LAYERS that a module stands on; None when it stands on none."""
    folder = f"{name.partition('.')[0]}.*"
    return next((line for line, names in enumerate(LAYERS) if name in names or folder in names), None)


def resolve(target: str, known: dict[str, Module]) -> str | None:
    """Return which module of the package an import means; None for other libraries and for __version__.

    What is no module is an attribute, so it means the folder that it is imported from, or the package itself: "".
    """
    parts = target.split(".")[1:]
    if target.partition(".")[0] != PACKAGE or (parts and parts[0].startswith("__") and parts[0] != "__main__"):
        return None
    longest = ".".join(parts[:2])
    if longest in known or (len(parts) > 1 and parts[1] == "*") or (len(parts) > 2 and in_folder(longest)):
        return longest
    single = parts[0] if parts else ""
    return single if single in known or layer(single) is not None else ""


def in_folder(name: str) -> bool:
    """Whether LAYERS knows the folder that a module is in."""
    return any(f"{name.partition('.')[0]}.*" in names for names in LAYERS)


def directions(known: dict[str, Module]) -> Iterator[str]:
    """Imports point down LAYERS only."""
    for module in known.values():
        if module.name and layer(module.name) is None:
            where = "on a line of its own, below all that import it and above all that it imports"
            yield module.at(1, f"on no line of LAYERS in tools/house.py: add {module.name!r} {where}")
            continue
        for found in module.imports:
            target = resolve(found.target, known)
            fault = None if target is None else forbidden(module, target, found)
            if fault:
                yield module.at(found.line, f"{fault} (import of {found.target})")


def forbidden(module: Module, target: str, found: Import) -> str | None:
    """Return why a module must not import another; None when it may."""
    if not module.name:
        return None if target == "predict" else "stancemap/__init__.py imports from predict only"
    here, there = layer(module.name), layer(target or "predict")
    if there is None:
        return f"{target} stands on no line of LAYERS in tools/house.py"
    if here is None or here > there:
        return f"imports point down: {module.name} stands below {target or 'the package itself'}"
    return None if here < there else sideways(module, target)


def sideways(module: Module, target: str) -> str | None:
    """Return why a module must not import one of its own line: only a folder's base is there for its neighbours."""
    folder = target.partition(".")[0]
    dynamic = target.endswith("*") and (module.is_package or module.name == f"{folder}.base")
    if dynamic or (folder in ("datasets", "models") and target == f"{folder}.base"):
        return None
    return f"{module.name} must not import its neighbour {target}"


def libraries(known: dict[str, Module]) -> Iterator[str]:
    """Keep mlflow in its homes, heavy libraries out of what must load quickly, and pickles out of everything."""
    light = closure(known)
    for module in known.values():
        for found in module.imports:
            library = found.target.partition(".")[0]
            if library == "mlflow" and module.name not in MLFLOW_HOMES:
                yield module.at(found.line, "only tracking.py and serving.py import mlflow")
            if library in HEAVY and found.eager and module.name in light:
                yield module.at(found.line, f"{library} is imported where it is used: predict loads this module")
            if library in PICKLES:
                yield module.at(found.line, f"no pickle, ever: {library}")


def closure(known: dict[str, Module]) -> set[str]:
    """Return the light modules and all that they load as they are loaded."""
    light: set[str] = set()
    queue = [name for name in LIGHT if name in known]
    while queue:
        name = queue.pop()
        if name not in light:
            light.add(name)
            loaded = {resolve(found.target, known) for found in known[name].imports if found.eager}
            queue += [target for target in loaded if target in known]
    return light


def calls(known: dict[str, Module]) -> Iterator[str]:
    """Find what only cli.py may do, and what nobody may."""
    for module in known.values():
        for node, _ in walk(module.tree):
            fault = banned(node, module)
            if fault:
                yield module.at(getattr(node, "lineno", 1), fault)


def banned(node: ast.AST, module: Module) -> str | None:
    """Return what is wrong with one node."""
    used = {dotted(node.func)} if isinstance(node, ast.Call) else set(map(str, module.named(node)))
    used |= {dotted(node.exc)} if isinstance(node, ast.Raise) and node.exc else set()
    if module.name != "cli" and used & SCREEN:
        return f"only cli.py prints or exits: {', '.join(sorted(used & SCREEN))}"
    if used & {"eval", "exec", "compile", "builtins.eval", "builtins.exec"}:
        return f"no {', '.join(sorted(used))}"
    if (isinstance(node, ast.keyword) and node.arg == "trust_remote_code") or text(node) == "trust_remote_code":
        return "trust_remote_code is never set"
    return None


def sizes(known: dict[str, Module]) -> Iterator[str]:
    """Hold files, functions and parameters to their sizes; docstrings do not count as a function's lines."""
    lengths = []
    for module in known.values():
        if (lines := len(module.path.read_text("utf-8").splitlines())) > FILE_LINES:
            yield module.at(lines, f"{lines} lines; {FILE_LINES} are allowed")
        for node in (node for node, _ in walk(module.tree) if isinstance(node, Function)):
            lengths.append(length(node))
            if lengths[-1] > FUNCTION_LINES:
                yield module.at(node.lineno, f"{node.name} has {lengths[-1]} lines; {FUNCTION_LINES} are allowed")
            if (count := len(parameters(node))) > PARAMETERS and not is_command(node):
                yield module.at(node.lineno, f"{node.name} takes {count} parameters; {PARAMETERS} are allowed")
    if lengths and median(lengths) >= MEDIAN_LINES:
        yield f"the median function has {median(lengths)} lines; fewer than {MEDIAN_LINES} are allowed"


def is_command(node: Function) -> bool:
    """Whether a function is a command of the command line, whose parameters are options that people type by name."""
    return any(isinstance(mark, ast.Call) and dotted(mark.func) == "app.command" for mark in node.decorator_list)


def length(node: Function) -> int:
    """Count a function's lines without its docstring."""
    doc = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    return span(node) - (span(doc) if doc else 0)


def span(node: ast.stmt) -> int:
    """Count the lines of a statement."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def parameters(node: Function) -> list[str]:
    """Name a function's parameters, of every kind, but for self and cls."""
    given = node.args
    stars = [star for star in (given.vararg, given.kwarg) if star]
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, *stars)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def docstrings(known: dict[str, Module]) -> Iterator[str]:
    """Every module, and every public class, function and method, says what it is for."""
    for module in known.values():
        for node in public(module.tree):
            if ast.get_docstring(node) is None:
                named = getattr(node, "name", "the module")
                yield module.at(getattr(node, "lineno", 1), f"{named} has no docstring")


def public(node: ast.Module | ast.ClassDef | Function) -> Iterator[ast.Module | ast.ClassDef | Function]:
    """Yield a node and what is public in it; what is inside functions is nobody's business."""
    yield node
    for child in node.body if not isinstance(node, Function) else []:
        if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_") and not repeated(child):
            yield from public(child)


def repeated(node: ast.ClassDef | Function) -> bool:
    """Whether a definition repeats one that has a docstring: an overload, or a property's setter."""
    return any(dotted(mark).rpartition(".")[2] in ("overload", "setter") for mark in node.decorator_list)


CHECKS = (directions, libraries, calls, sizes, docstrings)


def main() -> int:
    """Print what is wrong and return 1 if anything is."""
    known = modules(Path(__file__).resolve().parent.parent / "src")
    faults = [fault for check in CHECKS for fault in check(known)]
    print("\n".join(faults) or f"{len(known)} modules keep the rules of the house.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
