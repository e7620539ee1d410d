"""`dvc repro` as a user runs it: real processes, the repository's own dvc.yaml, a small corpus and one model."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("prepare@withdrawal", "fit@withdrawal-ngram", "evaluate@withdrawal-ngram", "select@withdrawal")
SENTENCE = "The general said his men must leave the valley before winter."


class Repository:
    """A clone of sorts, and a shell in it."""

    def __init__(self, root, home):
        self.root = root
        (home / "gitconfig").write_text("[user]\nname = Somebody\nemail = somebody@example.org\n")
        dropped = {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "STANCEMAP_MODEL", "DVC_ROOT"}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in dropped},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "STANCEMAP_CACHE": str(home / "cache"),
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            **{
                f"DVC_{name}": str(home / name) for name in ("SITE_CACHE_DIR", "GLOBAL_CONFIG_DIR", "SYSTEM_CONFIG_DIR")
            },
        }

    def run(self, *words):
        done = subprocess.run(
            words, cwd=self.root, env=self.environment, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def commit(self):
        self.run("git", "add", "--all")
        self.run("git", "commit", "-q", "-m", "A step")

    def stages_of(self, output):
        return re.findall("^Running stage '(.*)':$", output, flags=re.MULTILINE)

    def query(self, sql):
        with contextlib.closing(sqlite3.connect(self.root / "mlflow.db")) as database:
            return database.execute(sql).fetchall()

    def tracked(self):
        return {
            "runs": self.query("SELECT name, status FROM runs ORDER BY start_time"),
            "versions": self.query("SELECT version FROM model_versions WHERE name = 'stancemap-withdrawal'"),
            "aliases": self.query("SELECT alias, version FROM registered_model_aliases"),
        }

    def answer(self):
        (line,) = self.run("stancemap", "predict", "--json", SENTENCE).splitlines()
        return json.loads(line)


def lay(root, bare_project):
    """Everything that `dvc.yaml` asks for, with one model and few resamples."""
    shutil.copytree(bare_project, root)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    pipeline = yaml.safe_load((ROOT / "configs" / "pipeline.yaml").read_text(encoding="utf-8"))
    pipeline |= {"models": ["ngram"], "threads": 1, "bootstrap": {"resamples": 100, "level": 0.95}}
    (root / "configs" / "pipeline.yaml").write_text(yaml.safe_dump(pipeline))


@pytest.fixture(scope="module")
def repository(tmp_path_factory, bare_project):
    """A repository in which nothing has run yet; the tests of this file go through its life in order."""
    home = tmp_path_factory.mktemp("home")
    made = Repository(tmp_path_factory.mktemp("repository") / "clone", home)
    lay(made.root, bare_project)
    made.run("git", "init", "-q")
    made.run("dvc", "init", "-q")
    shutil.copy(ROOT / ".dvc" / "config", made.root / ".dvc" / "config")
    made.commit()
    return made


@pytest.fixture(scope="module")
def trained(repository):
    """The same after the first `dvc repro`, with what that printed and how the champion then answers."""
    output = repository.run("dvc", "repro")
    repository.commit()
    return repository, output, repository.answer()


def test_one_command_runs_every_stage_and_registers_a_champion_that_answers(trained):
    repository, output, answer = trained
    assert repository.stages_of(output) == [*STAGES, "track@withdrawal"]
    assert repository.tracked() == {"runs": [("ngram", "FINISHED")], "versions": [(1,)], "aliases": [("champion", 1)]}
    assert answer["text"] == SENTENCE


def test_the_run_is_tagged_with_the_hashes_of_the_lock_file_and_the_commit(trained):
    repository, _, _ = trained
    stages = yaml.safe_load((repository.root / "dvc.lock").read_text())["stages"]
    hashes = {
        file["path"]: file["md5"] for stage in STAGES[:2] for key in ("deps", "outs") for file in stages[stage][key]
    }
    tags = dict(repository.query("SELECT key, value FROM tags WHERE key LIKE 'dvc.%' OR key = 'git.commit'"))
    first = repository.run("git", "rev-list", "--max-parents=0", "HEAD").strip()
    assert tags == {
        "dvc.data": hashes["data/withdrawal"],
        "dvc.model": hashes["models/withdrawal/ngram"],
        "git.commit": first,
    }


def test_a_second_repro_runs_track_alone_and_changes_nothing(trained):
    repository, _, _ = trained
    before = repository.tracked()
    output = repository.run("dvc", "repro")
    assert repository.stages_of(output) == ["track@withdrawal"]
    assert "\nMLflow matches the files already\n" in output
    assert repository.tracked() == before
    assert repository.run("git", "status", "--porcelain") == ""


def test_a_deleted_database_comes_back_without_a_fit(trained, snapshot):
    repository, _, answer = trained
    before, files = repository.tracked(), snapshot(repository.root / "models")
    (repository.root / "mlflow.db").unlink()
    assert repository.stages_of(repository.run("dvc", "repro")) == ["track@withdrawal"]
    assert repository.tracked() == before
    assert snapshot(repository.root / "models") == files
    assert repository.answer() == answer


def test_an_experiment_in_a_temporary_workspace_is_tracked_in_the_main_database(trained, snapshot):
    repository, _, answer = trained
    before, files = len(repository.tracked()["runs"]), snapshot(repository.root / "models")
    output = repository.run("dvc", "exp", "run", "--temp", "-S", "configs/pipeline.yaml:bootstrap.resamples=101")
    assert repository.stages_of(output) == [*STAGES[2:], "track@withdrawal"]
    assert repository.tracked()["runs"] == [("ngram", "FINISHED")] * (before + 1)
    assert snapshot(repository.root / "models") == files
    assert repository.run("git", "status", "--porcelain") == ""
    assert repository.answer() == answer
