"""What a process loads that only answers: nothing that takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = [
    *("torch", "transformers", "sklearn", "scipy", "mlflow", "datasets", "pandas", "dvc", "pydantic"),
    *("pyarrow", "matplotlib", "huggingface_hub", "onnx", "requests"),
]
LOADED = f"print(sorted(set({HEAVY}) & sys.modules.keys()))"
TINY = "models/withdrawal/embedding-tiny"
PREDICT = "predict(['The troops should leave.', 'They stay.'], target='withdrawal of the UN force', model={model!r})"


def python(code, folder, **environment):
    """What a fresh interpreter prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "STANCEMAP"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys\n{code}\n{LOADED}"],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("module", ["stancemap", "stancemap.predict", "stancemap.registry", "stancemap.cli"])
def test_importing_loads_nothing_heavy(module, tmp_path):
    assert python(f"import {module}", tmp_path) == "[]\n"


def test_an_encoder_model_answers_without_anything_heavy(finished):
    code = f"from stancemap import predict\nprint(len({PREDICT.format(model=TINY)}))"
    assert python(code, finished.root) == "2\n[]\n"


def test_the_environment_may_name_the_model_of_a_light_process(finished):
    code = f"from stancemap import predict\nprint(len({PREDICT.format(model=None)}))"
    assert python(code, finished.root, STANCEMAP_MODEL=TINY) == "2\n[]\n"


def test_the_command_line_answers_a_text_without_anything_heavy(finished):
    code = f"sys.argv = ['stancemap', 'predict', 'They stay.', '--model', {TINY!r}]\nfrom stancemap.cli import main\n"
    found = python(f"{code}try:\n    main()\nexcept SystemExit as end:\n    print(end.code)", finished.root)
    assert found.endswith("0\n['pydantic']\n")  # which typer itself loads


def test_the_champion_is_found_without_mlflow_and_nothing_written(finished, tmp_path):
    before = sorted((str(path), path.stat().st_mtime_ns) for path in finished.root.rglob("*"))
    answers = "\n".join(PREDICT.format(model=model) for model in (None, TINY))
    code = f"from stancemap import predict\n{answers}\nprint('mlflow' in sys.modules)"
    found = python(code, finished.root, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert found.startswith("False\n")
    assert sorted((str(path), path.stat().st_mtime_ns) for path in finished.root.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []  # ONNX Runtime would keep a device id here
