"""Training: from a Dataset to a run folder with a model that predicts, stoppable and resumable at any moment.

`train(Config(hidden=(50,)), data.read("digits"), "my-run")`, then `load_model("my-run").predict(rows)`.
"""

from __future__ import annotations

from denpa.train.config import Config as Config
from denpa.train.cross import CrossValidation as CrossValidation, cross_validate as cross_validate
from denpa.train.loop import Progress as Progress
from denpa.train.metrics import Evaluation as Evaluation
from denpa.train.model_file import Predictor as Predictor, load_model as load_model, save_model as save_model
from denpa.train.run import Run as Run, fresh_folder as fresh_folder
from denpa.train.signals import stop_on_signals as stop_on_signals
from denpa.train.training import Trained as Trained, resume as resume, train as train
