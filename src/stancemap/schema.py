"""From YAML to a frozen and checked object, with errors that name file, key and reason.

Why: a typo in a config must be a sentence, not a wrong experiment; nothing in a config is ever evaluated.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from stancemap.errors import ConfigError, explain, nearest


class Frozen(BaseModel):
    """A schema that refuses unknown keys and never changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


Schema = TypeVar("Schema", bound=Frozen)


def read(path: Path, schema: type[Schema]) -> Schema:
    """Read one YAML file into its schema.

    Raises
    ------
    ConfigError
        When the file is missing, is no YAML, or breaks the schema; the message names file, key and reason.
    """
    return parse(load_yaml(path), schema, str(path))


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, with an error that names the file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        options = [other.stem for other in path.parent.glob("*.yaml")]
        wrong = f"There is no config {path}"
        raise ConfigError(explain(wrong, got=path.stem, allowed=nearest(path.stem, options))) from None
    except OSError as error:
        raise ConfigError(explain(f"{path} cannot be read: {error.strerror}")) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = re.sub(r"\s+", " ", str(error))
        raise ConfigError(explain(f"{path} is no YAML: {reason}", then="Mend the file")) from None
    if not isinstance(content, dict):
        raise ConfigError(explain(f"{path} is no mapping of keys to values", got=content, then="Mend the file"))
    return content


def parse(content: dict[str, Any], schema: type[Schema], where: str) -> Schema:
    """Check a mapping against a schema; `where` names its source in the error."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(describe(error, schema, where))) from None


def describe(error: ValidationError, schema: type[BaseModel], where: str) -> list[str]:
    """One sentence per fault of a config, with its path, the value that came, and what is allowed."""
    lines = []
    faults = error.errors()
    for fault in faults:
        inside = [other for other in faults if other is not fault and other["loc"][: len(fault["loc"])] == fault["loc"]]
        if fault["type"] == "too_short" and inside:  # pydantic counts only the items that are right
            continue
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            options = _fields_at(schema, fault["loc"][:-1])
            lines.append(f"{where}: " + explain(f"Unknown key {key}", allowed=nearest(str(fault["loc"][-1]), options)))
        elif fault["type"] == "missing":
            lines.append(f"{where}: " + explain(f"The key {key} is missing", then="Add it"))
        else:
            reason = fault["msg"].removeprefix("Value error, ")
            lines.append(f"{where}: " + explain(f"{key}: {reason}", got=fault["input"]))
    return lines


def _fields_at(schema: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        if isinstance(part, int):  # the place in a list: the list's schema is that of its items
            continue
        inner = schema.model_fields[part].annotation
        schema = next(one for one in (inner, *get_args(inner)) if isinstance(one, type) and issubclass(one, BaseModel))
    return list(schema.model_fields)
