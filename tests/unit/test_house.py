"""The rules of the house hold in src, and the checker of tools/house.py sees every way to break them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import house, sources

ROOT = Path(__file__).resolve().parents[2]
CHECKS = {check.__name__: check for check in house.CHECKS}


@pytest.mark.parametrize("check", CHECKS)
def test_the_source_keeps_the_rules_of_the_house(check):
    assert list(CHECKS[check](sources.modules(ROOT / "src"))) == []


def test_the_checker_reads_the_real_source():
    assert {"errors", "config", "project"} <= sources.modules(ROOT / "src").keys()


@pytest.mark.skipif(not (ROOT / "src/stancemap/predict.py").exists(), reason="predict.py is not written yet")
def test_importing_predict_loads_nothing_heavy():
    code = f"import sys, stancemap.predict; print(sorted(set({sorted(house.HEAVY)}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def faults(tmp_path):
    """Return a function that writes modules of a synthetic package and returns what a check finds."""

    def find(check, **files):
        for name, code in files.items():
            path = tmp_path / "stancemap" / (name.replace("__", "/") + ".py" if name != "init" else "__init__.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
        return list(CHECKS[check](sources.modules(tmp_path)))

    return find


UPWARD = "stancemap/config.py:{line}: imports point down: config stands below predict (import of {name})"


@pytest.mark.parametrize(
    ("code", "line", "name"),
    [
        ("import stancemap.predict", 1, "stancemap.predict"),
        ("from stancemap import predict", 1, "stancemap.predict"),
        ("from stancemap.predict import load", 1, "stancemap.predict.load"),
        ("from . import predict", 1, "stancemap.predict"),
        ("from .predict import load", 1, "stancemap.predict.load"),
        ("def f():\n    from stancemap.predict import load", 2, "stancemap.predict.load"),
        ("if TYPE_CHECKING:\n    from stancemap import predict", 2, "stancemap.predict"),
        ("import importlib\nimportlib.import_module('stancemap.predict')", 2, "stancemap.predict"),
        ("import_module('.predict', __package__)", 1, "stancemap.predict"),
        ("__import__('stancemap.predict')", 1, "stancemap.predict"),
    ],
)
def test_an_upward_import_is_seen_in_every_spelling(faults, code, line, name):
    assert faults("directions", config=code) == [UPWARD.format(line=line, name=name)]


@pytest.mark.parametrize("code", ["import stancemap", "from stancemap import load"])
def test_the_package_itself_counts_as_predict(faults, code):
    (found,) = faults("directions", config=code)
    assert found.startswith("stancemap/config.py:1: imports point down: config stands below the package itself")


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("cli", "from stancemap.stages import fit, track\nfrom stancemap import predict, load"),
        ("cli", "import_module(f'stancemap.stages.{name}')"),
        ("predict", "from stancemap import __version__, registry\nfrom stancemap.models.base import Model"),
        ("models__ngram", "from stancemap.models import base\nfrom .base import Model\nfrom stancemap import heads"),
        ("models__base", "import_module(f'stancemap.models.{kind}')"),
        ("models__base", "import_module(f'.{kind}', __package__)"),
        ("datasets__jsonl", "from stancemap.datasets.base import Reader\nfrom datasets import load_dataset"),
        ("init", "def __getattr__(name):\n    from stancemap import predict"),
        ("config", "import yaml\nimport os.path\nfrom stancemap import errors"),
    ],
)
def test_imports_that_point_down_are_allowed(faults, module, code):
    base = {"models__base": "", "datasets__base": ""} if module != "models__base" else {}
    assert faults("directions", **{module: code}, **base) == []


@pytest.mark.parametrize(
    ("module", "code", "named"),
    [
        ("stages__fit", "from stancemap.stages import track", "stages.fit must not import its neighbour stages.track"),
        ("repair", "from stancemap.splits import split", "repair must not import its neighbour splits"),
        ("models__ngram", "from . import majority", "models.ngram must not import its neighbour models.majority"),
        ("models__ngram", "from stancemap.models import load", "models.ngram must not import its neighbour models"),
        (
            "models__ngram",
            "import_module(f'stancemap.models.{k}')",
            "models.ngram must not import its neighbour models.*",
        ),
        (
            "datasets__jsonl",
            "import stancemap.datasets.csv",
            "datasets.jsonl must not import its neighbour datasets.csv",
        ),
    ],
)
def test_a_neighbour_is_not_imported(faults, module, code, named):
    others = {"stages__track": "", "splits": "", "models__majority": "", "datasets__csv": ""}
    (found,) = faults("directions", **{module: code}, **others)
    assert named in found


@pytest.mark.parametrize("code", ["from stancemap.config import read", "def f():\n    from stancemap import config"])
def test_the_package_imports_predict_only(faults, code):
    (found,) = faults("directions", init=code)
    assert "stancemap/__init__.py imports from predict only" in found


def test_an_unknown_module_is_told_where_to_go(faults):
    where = "add 'helpers' on a line of its own, below all that import it and above all that it imports"
    assert faults("directions", helpers="") == [
        f"stancemap/helpers.py:1: on no line of LAYERS in tools/house.py: {where}"
    ]


def test_importing_an_unknown_module_is_a_fault_too(faults):
    found = faults("directions", helpers="", config="from stancemap.helpers import f")
    assert any("helpers stands on no line of LAYERS" in fault for fault in found)


@pytest.mark.parametrize("code", ["import mlflow", "def f():\n    from mlflow import log_param"])
def test_mlflow_stays_in_its_homes(faults, code):
    (found,) = faults("libraries", report=code, tracking=code, serving=code)
    assert found.startswith("stancemap/report.py:")


@pytest.mark.parametrize("library", sorted(house.HEAVY - {"mlflow"}))
@pytest.mark.parametrize("module", ["predict", "article", "registry", "models__embedding", "runtime"])
def test_what_predicts_loads_nothing_heavy(faults, module, library):
    (found,) = faults("libraries", **{module: f"from {library} import thing"})
    assert f"{library} is imported where it is used" in found


def test_what_predict_loads_in_turn_is_checked_as_well(faults):
    (found,) = faults("libraries", predict="from stancemap import config", config="import torch", export="import torch")
    assert found.startswith("stancemap/config.py:1: torch")


@pytest.mark.parametrize("code", ["def f():\n    import torch", "if TYPE_CHECKING:\n    import torch"])
def test_heavy_libraries_are_allowed_where_they_are_used(faults, code):
    assert faults("libraries", predict=code) == []


@pytest.mark.parametrize("library", sorted(house.PICKLES))
def test_pickles_are_refused(faults, library):
    assert faults("libraries", fetch=f"def f():\n    import {library}.x") == [
        f"stancemap/fetch.py:2: no pickle, ever: {library}"
    ]


@pytest.mark.parametrize(
    "code",
    [
        "print('x')",
        "sys.exit(1)",
        "exit()",
        "raise SystemExit(1)",
        "raise SystemExit",
        "os._exit(1)",
        "typer.echo('x')",
        "raise typer.Exit(1)",
        "from typer import echo",
        "from sys import exit",
        "from rich import print",
        "rich.print('x')",
        "sys.stdout.write('x')",
    ],
)
def test_only_the_command_line_prints_or_exits(faults, code):
    (found,) = faults("calls", report=code, cli=code)
    assert found.startswith("stancemap/report.py:1: only cli.py prints or exits: ")


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("eval('1')", "no eval"),
        ("exec('1')", "no exec"),
        ("builtins.eval('1')", "no builtins.eval"),
        ("load(trust_remote_code=True)", "trust_remote_code is never set"),
        ("load(**{'trust_remote_code': True})", "trust_remote_code is never set"),
    ],
)
def test_nothing_runs_foreign_code(faults, code, fault):
    assert faults("calls", config=code, cli="") == [f"stancemap/config.py:1: {fault}"]


@pytest.mark.parametrize("code", ["model.eval()", "re.compile('x')", '"""Never print(); no eval()."""', "pprint(1)"])
def test_what_only_looks_forbidden_is_allowed(faults, code):
    assert faults("calls", config=code) == []


def test_a_long_file_is_refused(faults):
    assert faults("sizes", config="x = 1\n" * 250) == []
    assert faults("sizes", config="x = 1\n" * 251) == ["stancemap/config.py:251: 251 lines; 250 are allowed"]


def body(lines):
    """Return a function of so many lines, and many short ones beside it to keep the median low."""
    return "def long():\n" + "    x = 1\n" * (lines - 1) + "def short(): pass\n" * 9


def test_a_long_function_is_refused(faults):
    assert faults("sizes", config=body(45)) == []
    assert faults("sizes", config=body(46)) == ["stancemap/config.py:1: long has 46 lines; 45 are allowed"]


def test_a_docstring_does_not_count_as_lines_of_a_function(faults):
    doc = '    """One.\n' + "\n" * 60 + '    """\n'
    assert faults("sizes", config=f"def f():\n{doc}    return 1\n") == []


def test_functions_are_short_in_the_median(faults):
    functions = "".join(f"def f{i}():\n" + "    x = 1\n" * 11 for i in range(3))
    assert faults("sizes", config=functions) == ["the median function has 12 lines; fewer than 12 are allowed"]


@pytest.mark.parametrize(
    ("signature", "count"), [("a, b, c, d, e, f", 6), ("a, /, b, *c, d, e, **f", 6), ("a, b, c, *, d, e, f, g", 7)]
)
def test_many_parameters_are_refused(faults, signature, count):
    assert faults("sizes", config=f"def f({signature}): pass") == [
        f"stancemap/config.py:1: f takes {count} parameters; 5 are allowed"
    ]


def test_self_is_no_parameter(faults):
    assert faults("sizes", config="class A:\n    def f(self, a, b, c, d, e): pass") == []


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("x = 1", "the module"),
        ('"""M."""\ndef f(): pass', "f"),
        ('"""M."""\nclass A: pass', "A"),
        ('"""M."""\nclass A:\n    """A."""\n    def f(self): pass', "f"),
    ],
)
def test_what_is_public_has_a_docstring(faults, code, named):
    (found,) = faults("docstrings", config=code)
    assert found.endswith(f": {named} has no docstring")


@pytest.mark.parametrize(
    "code",
    [
        "def _f(): pass",
        "class _A:\n    def f(self): pass",
        "class A:\n    '''A.'''\n    def __init__(self): pass",
        "def f():\n    '''F.'''\n    def inner(): pass",
        "@overload\ndef f(): ...",
    ],
)
def test_what_is_private_needs_no_docstring(faults, code):
    assert faults("docstrings", config=f'"""M."""\n{code}') == []
