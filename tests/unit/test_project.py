"""The project is found from any folder inside it, and every path is spelled once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from stancemap import project
from stancemap.errors import ConfigError
from stancemap.project import Project, locate, require

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path):
    """A project with a folder deep inside."""
    (tmp_path / "mine" / "configs").mkdir(parents=True)
    (tmp_path / "mine" / "configs" / "pipeline.yaml").write_text("seed: 7\n")
    (tmp_path / "mine" / "data" / "withdrawal").mkdir(parents=True)
    return tmp_path / "mine"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as it lies when it is not edited in place: in no project."""
    monkeypatch.setattr(project, "__file__", str(tmp_path / "site-packages" / "stancemap" / "project.py"))


@pytest.mark.parametrize("inside", [".", "configs", "data/withdrawal"])
def test_a_project_is_found_from_any_folder_inside(root, inside):
    assert locate(root / inside) == Project(root)


def test_a_project_is_found_from_the_current_folder(root, monkeypatch):
    monkeypatch.chdir(root / "data")

    assert locate() == Project(root)


def test_the_innermost_project_is_the_one(root):
    inner = root / "data" / "theirs"
    (inner / "configs").mkdir(parents=True)
    (inner / "configs" / "pipeline.yaml").write_text("seed: 8\n")

    assert locate(inner / "configs") == Project(inner)


def test_outside_of_any_project_the_one_that_the_package_is_edited_in_is_taken(root, tmp_path, monkeypatch):
    monkeypatch.setattr(project, "__file__", str(root / "src" / "stancemap" / "project.py"))

    assert locate(tmp_path) == Project(root)


def test_an_installed_package_finds_no_project_outside_of_any(tmp_path, installed):
    assert locate(tmp_path) is None


def test_a_missing_project_is_an_error_that_says_where_to_go(tmp_path, installed):
    with pytest.raises(ConfigError) as error:
        require(Path("/"))

    assert str(error.value) == (
        "There is no stancemap project here: no folder above holds configs/pipeline.yaml. Got: '/'. "
        "Change into the repository."
    )


def test_a_missing_project_is_looked_for_from_the_current_folder(tmp_path, installed, monkeypatch):
    monkeypatch.chdir("/")

    with pytest.raises(ConfigError, match=r"Got: '/'\."):
        require()


def test_a_project_that_is_there_is_what_require_returns(root):
    assert require(root / "configs") == Project(root)


def test_every_path_lies_where_the_documents_say():
    here = Project(Path("root"))
    found = {
        "pipeline_file": here.pipeline_file,
        "dataset_file": here.dataset_file("withdrawal"),
        "model_file": here.model_file("ngram"),
        "encoder_file": here.encoder_file("tiny"),
        "raw": here.raw("withdrawal"),
        "prepared": here.prepared("withdrawal"),
        "model": here.model("withdrawal", "ngram"),
        "reports": here.reports("withdrawal"),
        "report": here.report("withdrawal", "ngram"),
    }

    assert {name: path.as_posix() for name, path in found.items()} == {
        "pipeline_file": "root/configs/pipeline.yaml",
        "dataset_file": "root/configs/datasets/withdrawal.yaml",
        "model_file": "root/configs/models/ngram.yaml",
        "encoder_file": "root/configs/encoders/tiny.yaml",
        "raw": "root/data/withdrawal",
        "prepared": "root/data/prepared/withdrawal",
        "model": "root/models/withdrawal/ngram",
        "reports": "root/reports/withdrawal",
        "report": "root/reports/withdrawal/models/ngram",
    }


def test_every_shipped_dataset_lies_where_the_project_looks_for_it():
    here = Project(ROOT)
    names = [path.stem for path in (ROOT / "configs" / "datasets").glob("*.yaml")]

    assert "withdrawal" in names
    assert [name for name in names if not here.raw(name).is_dir()] == []


@pytest.mark.parametrize("value", [None, ""])
def test_the_database_lies_in_the_project(root, monkeypatch, value):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    if value is not None:
        monkeypatch.setenv("DVC_ROOT", value)

    assert Project(root).home == root


def test_in_a_temporary_workspace_of_dvc_the_database_lies_in_the_main_checkout(root, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))

    assert Project(root).home == tmp_path / "main"


def test_in_a_temporary_workspace_of_dvc_everything_else_stays_there(root, tmp_path, monkeypatch):
    plain = Project(root).model("withdrawal", "ngram")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))

    assert Project(root).model("withdrawal", "ngram") == plain


def test_a_project_is_its_root_and_nothing_else():
    assert [field.name for field in fields(Project)] == ["root"]
