"""From a config to a model, and from a folder to a model: the kinds are the files of `models/`.

Why: no list of kinds stands anywhere. A config's keys are checked against the type hints of the constructor of
its kind, so a new kind needs no schema of its own.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import stancemap.models
from stancemap.bundle import read_head
from stancemap.errors import ConfigError, ModelError, explain, nearest
from stancemap.models.base import StanceModel


def kinds() -> list[str]:
    """The names of all kinds, from the files of `models/`."""
    return sorted(module.name for module in pkgutil.iter_modules(stancemap.models.__path__) if module.name != "base")


def kind_class(kind: str) -> type[StanceModel]:
    """The class of a kind.

    Raises
    ------
    ConfigError
        When no file of `models/` has that name.
    """
    if kind not in kinds():
        raise ConfigError(explain("There is no such kind of model", got=kind, allowed=nearest(kind, kinds())))
    module = importlib.import_module(f"stancemap.models.{kind}")
    return next(
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, StanceModel) and value.__module__ == module.__name__
    )


def build(kind: str, params: dict[str, Any], where: str) -> StanceModel:
    """An unfitted model of a kind; `where` names the config in errors.

    Raises
    ------
    ConfigError
        When a parameter is unknown, missing, of a wrong type or out of range.

    Examples
    --------
    >>> build("majority", {"prior": 2}, "my.yaml")
    Majority(prior=2.0)
    """
    from pydantic import create_model

    from stancemap.schema import Frozen, parse

    made = kind_class(kind)
    fields: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is inspect.Parameter.empty else parameter.default)
        for name, parameter in inspect.signature(made, eval_str=True).parameters.items()
    }
    schema = create_model(f"{made.__name__}Config", __base__=Frozen, **fields)
    return made(**dict(parse(params, schema, where)))


def open_model(folder: Path) -> tuple[StanceModel, dict[str, Any]]:
    """A fitted model and what it knows of its dataset, from a folder that `StanceModel.save` wrote.

    Raises
    ------
    ModelError
        When the folder is missing, damaged, or of another format.
    """
    head = read_head(folder)
    if head.get("kind") not in kinds():
        then = "Upgrade stancemap, or fit the model again"
        raise ModelError(explain(f"{folder} is of an unknown kind", got=head.get("kind"), then=then))
    return kind_class(head["kind"]).restore(folder), head["about"]
