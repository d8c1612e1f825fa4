"""Training: from a Dataset to a run folder with a model that predicts, stoppable and resumable at any moment.

`train(Config(hidden=(50,)), data.read("digits"), "my-run")`, then `load_model("my-run").predict(rows)`.  The package
itself is callable: `dp.train("digits", hidden=50)` does all of it in one call.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from denpa.train.config import Config as Config
from denpa.train.cross import CrossValidation as CrossValidation, cross_validate as cross_validate
from denpa.train.loop import Progress as Progress
from denpa.train.metrics import Evaluation as Evaluation
from denpa.train.model_file import Predictor as Predictor, load_model as load_model, save_model as save_model
from denpa.train.run import Run as Run, fresh_folder as fresh_folder
from denpa.train.signals import stop_on_signals as stop_on_signals
from denpa.train.training import Trained as Trained, resume as resume, train as train


class _Callable(ModuleType):
    """Lets `denpa.train(source, …)` mean the function: Python binds the name to this package when it is loaded."""

    def __call__(self, *args: Any, **kwargs: Any) -> Trained:
        """See `denpa.train.entry.train`."""
        from denpa.train import entry

        return entry.train(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
