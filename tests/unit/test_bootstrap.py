"""The bootstrap says what is wrong before it does anything, hands pip's settings to uv, and passes exit codes on."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

import bootstrap

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with a lock, where every child is recorded instead of run, and succeeds."""
    (tmp_path / "requirements.lock").write_text("a==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def children(root, monkeypatch):
    """What the bootstrap would have run; a rule for its exit codes can be set as `children.code`."""

    class Children(list):
        code = staticmethod(lambda command: 0)

    seen = Children()

    def call(command, env):
        seen.append((command, env))
        return seen.code(command)

    def hear(command):
        if "config" not in command:
            seen.append((command, {}))
        if command[1:3] == ["-m", "venv"]:
            bootstrap.python_of(root / ".venv").parent.mkdir()
            bootstrap.python_of(root / ".venv").touch()
        return (0, "") if "config" in command else (seen.code(command), "what the child said")

    monkeypatch.setattr(bootstrap, "call", call)
    monkeypatch.setattr(bootstrap, "hear", hear)
    return seen


@pytest.fixture
def ready(root):
    """An environment that is up to date."""
    venv = root / ".venv"
    bootstrap.python_of(venv).parent.mkdir(parents=True)
    bootstrap.python_of(venv).touch()
    (venv / "stancemap.stamp").write_text(bootstrap.fingerprint(venv))
    return venv


def words(children):
    """Return the commands that were run, without the folders of their programs."""
    return [" ".join([Path(command[0]).stem, *command[1:]]) for command, _ in children]


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 15)])
def test_a_python_that_does_not_fit_is_named(monkeypatch, capsys, version):
    monkeypatch.setattr(sys, "version_info", version)
    assert bootstrap.main(["test"]) == 1
    assert capsys.readouterr().err == (
        f"bootstrap: stancemap needs Python 3.11 to 3.14; this is Python {version[0]}.{version[1]} ({sys.executable}). "
        "Run it with another, as in: python3.12 bootstrap.py test\n"
    )


def test_an_unknown_command_is_named(capsys):
    assert bootstrap.main(["tset"]) == 1
    assert capsys.readouterr().err == (
        "bootstrap: There is no command 'tset'. Allowed: repro, test, setup. `--help` explains them.\n"
    )


def test_setup_takes_no_arguments(capsys):
    assert bootstrap.main(["setup", "now"]) == 1
    assert capsys.readouterr().err == "bootstrap: `setup` takes no arguments; got: now.\n"


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["-h"], 0), ([], 2)])
def test_help_teaches_every_command(capsys, arguments, code):
    assert bootstrap.main(arguments) == code
    shown = capsys.readouterr().out
    assert all(f"bootstrap.py {command}" in shown for command in bootstrap.COMMANDS)


def test_the_pipeline_needs_git(root, children, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(root))
    assert bootstrap.main(["repro"]) == 1
    assert capsys.readouterr().err == (
        "bootstrap: DVC needs git, and there is none on the PATH. Install git, then run this again.\n"
    )
    assert children == []


def test_the_pipeline_needs_a_repository(root, children, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: name)
    (root / ".git").rmdir()
    assert bootstrap.main(["repro"]) == 1
    assert capsys.readouterr().err == (
        f"bootstrap: DVC needs a git repository, and {root} has no .git (a downloaded zip?). Clone the repository "
        "instead, or make this folder one with: git init && git add --all && git commit -m start\n"
    )
    assert children == []


def test_the_tests_need_no_repository(root, children, ready):
    (root / ".git").rmdir()
    assert bootstrap.main(["test"]) == 0


def test_a_fresh_machine_gets_an_environment_and_a_stamp(root, children, capsys):
    assert bootstrap.main(["setup"]) == 0
    venv = root / ".venv"
    ours = bootstrap.python_of(venv)
    assert words(children)[0].endswith(f"-m venv {venv}")
    assert words(children)[1:] == [
        f"python -m pip install --disable-pip-version-check --quiet {bootstrap.UV}",
        f"uv pip install --python {ours} -r requirements.lock",
        f"uv pip install --python {ours} --no-deps -e .",
    ]
    assert (venv / "stancemap.stamp").read_text() == bootstrap.fingerprint(venv)
    assert [line[:5] for line in capsys.readouterr().out.splitlines()[:4]] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]


def test_without_uv_pip_does_the_work_and_this_is_said(children, capsys):
    children.code = lambda command: int(bootstrap.UV in command)
    assert bootstrap.main(["setup"]) == 0
    assert words(children)[2:] == [
        "python -m pip install --disable-pip-version-check -r requirements.lock",
        "python -m pip install --disable-pip-version-check --no-deps -e .",
    ]
    assert "With pip, since uv cannot be had or failed: this is slower." in capsys.readouterr().out


def test_where_uv_fails_pip_takes_over(children):
    children.code = lambda command: int(Path(command[0]).stem == "uv" and "-r" in command)
    assert bootstrap.main(["setup"]) == 0
    assert words(children)[3] == "python -m pip install --disable-pip-version-check -r requirements.lock"


def test_a_failed_installation_is_a_sentence_and_is_not_taken_for_done(root, children, capsys):
    children.code = lambda command: int("-r" in command)
    assert bootstrap.main(["setup"]) == 1
    assert capsys.readouterr().err == (
        "bootstrap: The packages could not be installed; the reason stands above. Downloads are kept: try again.\n"
    )
    assert (root / ".venv/stancemap.stamp").read_text() == bootstrap.UNFINISHED


def test_a_python_without_venv_is_told_of_the_package(children, capsys):
    children.code = lambda command: 1
    assert bootstrap.main(["setup"]) == 1
    assert capsys.readouterr().err == (
        "bootstrap: Python could not make an environment (Debian and Ubuntu: apt install python3-venv).\n"
        "what the child said\n"
    )


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_change_of_the_lock_or_the_project_installs_into_the_same_environment(root, children, ready, name):
    (root / name).write_text("changed")
    (ready / "kept").touch()
    assert bootstrap.main(["setup"]) == 0
    assert (ready / "kept").exists()
    assert [word for word in words(children) if "-m venv" in word] == []


@pytest.mark.parametrize("stamp", [bootstrap.UNFINISHED, f"/elsewhere/.venv {VERSION}\nabc\n"])
def test_a_half_made_or_moved_environment_is_made_anew(children, ready, capsys, stamp):
    (ready / "stancemap.stamp").write_text(stamp)
    (ready / "debris").touch()
    assert bootstrap.main(["setup"]) == 0
    assert not (ready / "debris").exists()
    assert "The one here is half-made, moved, or of another Python; making it anew." in capsys.readouterr().out


def test_an_environment_without_pip_is_made_anew(children, ready):
    (ready / "stancemap.stamp").unlink()
    children.code = lambda command: int("import pip" in command[-1])
    (ready / "debris").touch()
    assert bootstrap.main(["setup"]) == 0
    assert not (ready / "debris").exists()


def test_another_python_makes_another_fingerprint(root, monkeypatch):
    ours = bootstrap.fingerprint(root / ".venv")
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert bootstrap.fingerprint(root / ".venv") != ours


def test_a_file_in_the_place_of_the_environment_is_not_removed(root, children, capsys):
    (root / ".venv").write_text("mine")
    assert bootstrap.main(["setup"]) == 1
    assert capsys.readouterr().err == (
        f"bootstrap: {root / '.venv'} is no plain folder. Move it away, then run this again.\n"
    )
    assert (root / ".venv").read_text() == "mine"


def test_a_missing_lock_is_a_sentence(root, children, capsys):
    (root / "requirements.lock").unlink()
    assert bootstrap.main(["test"]) == 1
    shown = capsys.readouterr().err
    assert shown.endswith("requirements.lock'. Mend that (or delete .venv) and run the same command again.\n")


LISTED = """\
:env:.find-links='/wheels /more wheels'
global.cert='/ca.pem'
global.extra-index-url='file:///local/simple https://one.test/simple\\nhttps://two.test/simple'
global.find-links='/weaker'
global.index-url='https://main.test/simple'
global.timeout='60'
install.index-url="https://install.test/simple"
"""


def test_of_two_settings_the_one_that_pip_obeys_counts():
    settings = bootstrap.pip_settings(LISTED)
    assert settings["find-links"] == "/wheels /more wheels"
    assert settings["index-url"] == "https://install.test/simple"


def test_the_settings_of_pip_become_those_of_uv():
    assert bootstrap.uv_settings(bootstrap.pip_settings(LISTED), {}) == {
        "UV_FIND_LINKS": "/wheels,/more,wheels",
        "UV_DEFAULT_INDEX": "https://install.test/simple",
        "UV_INDEX": "https://one.test/simple https://two.test/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/ca.pem",
    }


def test_what_is_set_for_uv_already_stays():
    settings = {"cert": "/ca.pem", "find-links": "/wheels", "index-url": "https://main.test/simple"}
    assert bootstrap.uv_settings(settings, {"SSL_CERT_FILE": "/mine", "UV_DEFAULT_INDEX": ""}) == {
        "UV_FIND_LINKS": "/wheels"
    }


@pytest.mark.parametrize("settings", [{}, {"index-url": "file:///local/simple", "extra-index-url": "file:///more"}])
def test_without_settings_for_uv_nothing_is_set(settings):
    assert bootstrap.uv_settings(settings, {}) == {}


@pytest.mark.parametrize(("command", "ran"), [("repro", "dvc repro"), ("test", "python -m pytest")])
def test_arguments_and_exit_code_are_passed_on(children, ready, monkeypatch, command, ran):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: name)
    children.code = lambda command: 7
    assert bootstrap.main([command, "-k", "repair"]) == 7
    assert words(children) == [f"{ran} -k repair"]


def test_children_run_inside_the_environment_and_report_to_nobody(children, ready, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    bootstrap.main(["test"])
    env = children[0][1]
    assert env["PATH"].split(os.pathsep)[0] == str(bootstrap.python_of(ready).parent)
    assert "PYTHONHOME" not in env
    expected = {
        "VIRTUAL_ENV": str(ready),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DVC_NO_ANALYTICS": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    assert {name: env.get(name) for name in expected} == expected


def test_after_the_pipeline_the_next_steps_are_shown(children, ready, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: name)
    assert bootstrap.main(["repro"]) == 0
    shown = capsys.readouterr().out
    assert all(step in shown for step in (bootstrap.enter(ready), "mlflow ui", "stancemap predict"))


def test_after_a_failed_pipeline_no_next_steps_are_shown(children, ready, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: name)
    children.code = lambda command: 255
    assert bootstrap.main(["repro"]) == 255
    assert "mlflow ui" not in capsys.readouterr().out


def test_a_short_child_is_heard_in_silence(root, capfd):
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert bootstrap.hear([sys.executable, "-c", code]) == (3, "out\nerr\n")
    assert capfd.readouterr() == ("", "")


def test_a_child_that_is_killed_counts_as_a_shell_counts_it(root):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert bootstrap.call([sys.executable, "-c", code], dict(os.environ)) == 143
    assert bootstrap.call([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ)) == 3


def test_ctrl_c_is_a_sentence_and_130(children, ready, capsys):
    def interrupted(command):
        raise KeyboardInterrupt

    children.code = interrupted
    assert bootstrap.main(["test"]) == 130
    assert capsys.readouterr().err == "\nbootstrap: Stopped. Run the same command again to go on from here.\n"


def test_on_windows_the_programs_are_in_scripts(monkeypatch):
    monkeypatch.setattr(bootstrap.os, "name", "nt")
    here = bootstrap.ROOT / ".venv"
    assert bootstrap.python_of(here) == here / "Scripts" / "python.exe"
    assert bootstrap.enter(here) == ".venv\\Scripts\\activate"


def test_the_file_parses_on_older_pythons():
    source = Path(bootstrap.__file__).read_text("utf-8")
    ast.parse(source, feature_version=(3, 8))
