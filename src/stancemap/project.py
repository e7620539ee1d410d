"""The project on disk: where its configs, data, models and reports lie.

Why: every path is spelled once, here, after the picture in `docs/`; stages and `predict` ask for it by name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stancemap.errors import ConfigError, explain

MARK = Path("configs") / "pipeline.yaml"


@dataclass(frozen=True)
class Project:
    """The folders of a project, given its root."""

    root: Path

    @property
    def pipeline_file(self) -> Path:
        """What runs."""
        return self.root / MARK

    def dataset_file(self, dataset: str) -> Path:
        """The config of a dataset."""
        return self.root / "configs" / "datasets" / f"{dataset}.yaml"

    def model_file(self, model: str) -> Path:
        """The config of a model."""
        return self.root / "configs" / "models" / f"{model}.yaml"

    def encoder_file(self, encoder: str) -> Path:
        """The config of an encoder."""
        return self.root / "configs" / "encoders" / f"{encoder}.yaml"

    def raw(self, dataset: str) -> Path:
        """The raw files of a dataset."""
        return self.root / "data" / dataset

    def prepared(self, dataset: str) -> Path:
        """What `prepare` writes."""
        return self.root / "data" / "prepared" / dataset

    def model(self, dataset: str, model: str) -> Path:
        """What `fit` writes."""
        return self.root / "models" / dataset / model

    def reports(self, dataset: str) -> Path:
        """What `select` writes."""
        return self.root / "reports" / dataset

    def report(self, dataset: str, model: str) -> Path:
        """What `evaluate` writes."""
        return self.reports(dataset) / "models" / model

    @property
    def home(self) -> Path:
        """Where MLflow's database and artifacts lie: the main checkout, also inside a temporary workspace of DVC."""
        return Path(os.environ.get("DVC_ROOT") or self.root)


def locate(start: Path | None = None, *, packaged: bool = True) -> Project | None:
    """Find the project that holds a folder (default: the current one), else the one this package is edited in."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, *(Path(__file__).resolve().parents if packaged else ())):
        if (folder / MARK).is_file():
            return Project(folder)
    return None


def require(start: Path | None = None) -> Project:
    """Like `locate`, but a missing project is an error, and only folders above `start` count: stages write there.

    Raises
    ------
    ConfigError
        When no folder above `start` holds `configs/pipeline.yaml`.
    """
    project = locate(start, packaged=False)
    if project is None:
        wrong = f"There is no stancemap project here: no folder above holds {MARK}"
        raise ConfigError(explain(wrong, got=str(start or Path.cwd()), then="Change into the repository"))
    return project
