"""Who stands where, sentence by sentence.

`predict` answers with the registered champion; `load` opens any model folder or registry version.
"""

from __future__ import annotations

# Bound here and at once: a module and a function share the name `predict`, and the function must win. The module
# imports numpy and everything heavier where it is used, so this costs a few milliseconds.
from stancemap.predict import Prediction, load, predict

__version__ = "0.1.0"
__all__ = ["Prediction", "__version__", "load", "predict"]
