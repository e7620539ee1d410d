"""Who stands where, sentence by sentence.

`predict` answers with the registered champion; `load` opens any model folder or registry version.
Both are imported when they are first used, so that `import stancemap` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stancemap.predict import Prediction, load, predict

__version__ = "0.1.0"
__all__ = ["Prediction", "__version__", "load", "predict"]


def __getattr__(name: str) -> Any:
    if name not in ("Prediction", "load", "predict"):
        raise AttributeError(f"module 'stancemap' has no attribute {name!r}")
    from stancemap import predict as face

    value = getattr(face, name)
    globals()[name] = value
    return value
