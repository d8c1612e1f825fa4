"""What a training run leaves to be read: one plain record, from which the report is made.

The loop fills it; nothing here computes.  A part that a run does not have is None (or empty), and the report says in a
sentence why the section is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

from denpa.explain.doctor import Diagnosis
from denpa.explain.words import Words
from denpa.train.inside import Inside
from denpa.train.scores import Curve


class Epoch(TypedDict, total=False):
    """One line of the metrics.  `epoch` and `train_loss` are always there; what was not measured is None or absent.

    Epoch 0, if present, is the state before the first update.
    """

    epoch: int  # 1 after the first pass over the training rows
    step: int  # updates done so far
    train_loss: float  # mean over the epoch's batches; NaN and infinities are kept
    train_accuracy: float | None  # 0…1
    valid_loss: float | None
    valid_accuracy: float | None
    valid_loss_unweighted: float | None  # where rows or classes have weights, `valid_loss` is weighted
    valid_accuracy_unweighted: float | None
    test_loss: float | None
    test_accuracy: float | None
    learning_rate: float | None
    seconds: float | None  # wall time of this epoch
    rows_per_second: float | None
    gradient_norms: dict[str, float]  # parameter name -> ‖∂L/∂parameter‖, mean over up to 8 batches after the epoch


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """Where the rows came from and how they were divided."""

    source: str  # as the user named it: a path or "digits"
    rows_train: int
    rows_valid: int = 0
    rows_test: int = 0
    features: tuple[str, ...]  # names of the inputs after encoding, in order; images: "pixel 0,0", ...
    columns: tuple[str, ...] = ()  # of a table, before encoding; empty where a feature is a column
    target: str | None = None  # the target's column; None where the format has only one
    classes: tuple[str, ...] | None = None  # None: regression
    class_counts: tuple[int, ...] | None = None  # training rows of each class, in the order of `classes`
    task: str  # "classification" or "regression"
    task_reason: Words  # why this task was chosen: "the target has 10 distinct whole numbers"
    image_shape: tuple[int, ...] | None = None  # (height, width) or (height, width, 3) where a row is an image
    scaling: Words = ""  # how inputs were scaled: "bytes divided by 255"
    sha256: str | None = None  # of the source's bytes


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """The network's shape."""

    sizes: tuple[int, ...]  # inputs, hidden units ..., outputs: (784, 50, 10)
    activations: tuple[str, ...]  # after each Linear layer, the output's last: ("relu", "softmax")
    loss: str  # "softmax_cross_entropy"
    parameters: int  # scalars that are trained


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One parameter element whose gradient was compared with a numerical one."""

    parameter: str  # "0.weight[3,17]"
    analytic: float  # by backpropagation
    numeric: float  # by differences of the loss
    difference: float  # |analytic − numeric| / max(|analytic|, |numeric|); 0 where both are 0
    verdict: str  # "agrees", "differs", "kink" or "cannot tell"


@dataclass(frozen=True, kw_only=True)
class GradientCheck:
    """The check of the trained network's gradients on a few rows of data, in float64."""

    rows: tuple[CheckRow, ...]
    tolerance: float  # agreement: |analytic − numeric| ≤ tolerance × size + the error of the numerical value
    samples: int  # rows of data the loss was taken over
    method: Words = ""  # "central difference, step 6e-6"


@dataclass(frozen=True, kw_only=True)
class Misclassified:
    """One evaluated row that the network got wrong."""

    row: int  # counted from 0 in the evaluated rows
    inputs: Any  # array of `image_shape` where rows are images, (features,) otherwise; before scaling
    true: int  # index of the class
    predicted: int
    probability: float  # what the network gave the predicted class, 0…1
    true_probability: float | None = None  # what it gave the true class


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A whole run.  `evaluated_on` names the rows of `metrics`, `confusion`, `predictions` and `misclassified`."""

    run_id: str
    command: str  # a shell line that does the run again, options all resolved
    config: dict[str, Any]  # the resolved config, nested dicts allowed
    data: DataSummary
    network: NetworkSpec
    history: list[Epoch]
    status: str = "finished"  # "finished", "interrupted", "stopped early", "diverged", "running"
    started: str | None = None  # ISO 8601 with offset
    seconds: float | None = None  # wall time of the whole run, pauses between resumes not counted

    best_epoch: int | None = None  # whose weights are in the model file; None: the last
    evaluated_on: str = "test"  # "test", "valid" or "train"
    metrics: dict[str, float] = field(default_factory=dict)  # "loss", "accuracy", "mean_absolute_error", ...
    baseline: dict[str, float] = field(default_factory=dict)  # same keys, for always guessing `baseline_name`
    baseline_name: Words = ""  # "the most frequent class, 3" or "the mean of the training targets"
    confusion: tuple[tuple[int, ...], ...] | None = None  # [true][predicted] rows; None: regression or not evaluated
    roc: tuple[tuple[str, Curve], ...] = ()  # of the second of two classes, or of each against the rest
    calibration: Curve | None = None  # None: the outputs are no probabilities
    labels: tuple[
        tuple[str, int, int, int], ...
    ] = ()  # of several labels: name, rows given it rightly, having it, given it
    targets: tuple[float, ...] | None = None  # regression: a sample of the evaluated rows' targets,
    predictions: tuple[float, ...] | None = None  # and what the network says for the same rows
    misclassified: tuple[Misclassified, ...] = ()  # a sample, most confident mistakes first
    misclassified_total: int | None = None  # of all evaluated rows
    gradient_check: GradientCheck | None = None
    diagnosis: Diagnosis | None = None  # the doctor's
    inside: Inside | None = None  # one row in the trained network; None: nobody looked

    engine: str = "eager"
    dtype: str = "float32"
    threads: int | None = None
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)  # "denpa", "python", "numpy", "platform", "blas", ...
    fallbacks: tuple[str, ...] = ()  # what the engine could not run natively, each with its reason
    warnings: tuple[Words, ...] = ()  # what the run warned of, in order
