"""README.md says what is there: its tables are made from files, its links lead somewhere, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stancemap.cli import app
from stancemap.config import Dataset
from stancemap.schema import parse
from tools import readme

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/README.md", "data/withdrawal/README.md", "benchmarks/README.md")


def test_the_tables_of_the_readme_are_what_the_files_say():
    text = (ROOT / "README.md").read_text("utf-8")
    assert readme.written(text) == text


def test_a_readme_without_a_place_for_a_table_is_refused():
    with pytest.raises(
        ValueError, match=r"^README\.md needs one <!-- stages --> and one <!-- /stages -->; it has 0 pairs$"
    ):
        readme.written("# stancemap\n")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_one(page):
    targets = re.findall(r"\]\((?!http|#)([^)#]+)", (ROOT / page).read_text("utf-8"))
    assert [target for target in targets if not ((ROOT / page).parent / target).exists()] == []


def test_every_command_of_the_readme_exists():
    named = set(re.findall(r"^stancemap (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert named <= {command.callback.__name__ for command in app.registered_commands}
    assert "predict" in named


def test_stages_of_dvc_and_commands_bear_the_same_names():
    stages = list(yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"])
    assert stages == ["prepare", "fit", "evaluate", "select", "track"]
    assert [command.callback.__name__ for command in app.registered_commands] == [*stages, "predict", "audit"]
    assert sorted(stages) == sorted(path.stem for path in (ROOT / "src/stancemap/stages").glob("[a-z]*.py"))


def test_the_dataset_config_of_the_readme_is_a_right_one():
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert parse(yaml.safe_load(block[1]), Dataset, "README.md").classes == ("for", "contra", "none")


def test_the_page_on_the_house_names_every_module():
    text = (ROOT / "docs/README.md").read_text("utf-8")
    modules = {path.name for path in (ROOT / "src/stancemap").glob("[a-z]*.py")}
    assert sorted(name for name in modules if name not in text) == []
