"""Run records for the tests: a classification of images, a regression, and variations of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from denpa.explain.words import T
from denpa.train.record import (
    CheckRow,
    DataSummary,
    Epoch,
    GradientCheck,
    Misclassified,
    NetworkSpec,
    RunRecord,
)


def history(epochs: int = 5, **changes: Any) -> list[Epoch]:
    lines: list[Epoch] = [
        {
            "epoch": e,
            "step": 24 * e,
            "train_loss": 2.0 / e,
            "train_accuracy": 1 - 0.5 / e,
            "valid_loss": 2.2 / e,
            "valid_accuracy": 1 - 0.6 / e,
            "learning_rate": 0.1,
            "seconds": 0.25,
            "rows_per_second": 4800.0,
            "gradient_norms": {"0.weight": 0.1 / e, "0.bias": 0.2 / e, "2.weight": 0.4 / e, "2.bias": 0.3 / e},
        }
        for e in range(1, epochs + 1)
    ]
    for key, value in changes.items():
        for line in lines:
            line[key] = value  # type: ignore[literal-required]
    return lines


CHECK = GradientCheck(
    rows=(
        CheckRow(
            parameter="0.weight[3,17]", analytic=0.00123, numeric=0.00123000001, difference=8.1e-9, verdict="agrees"
        ),
        CheckRow(parameter="2.bias[1]", analytic=-0.25, numeric=-0.25, difference=0.0, verdict="agrees"),
        CheckRow(parameter="0.bias[4]", analytic=0.0, numeric=3e-4, difference=1.0, verdict="kink"),
    ),
    tolerance=1e-6,
    samples=20,
    method=T(en="central difference", ja="中心差分"),
)


def classification() -> RunRecord:
    """A record with every part: 3 classes of 4 × 4 images."""
    image = np.arange(16.0).reshape(4, 4)
    return RunRecord(
        run_id="20261120-233100-ab12",
        command="denpa train digits --hidden 5 --seed 0",
        config={
            "source": "digits",
            "optimizer": {"name": "sgd", "lr": 0.1},
            "hidden": [5],
            "valid": None,
            "shuffle": True,
        },
        data=DataSummary(
            source="digits",
            rows_train=1200,
            rows_valid=300,
            rows_test=60,
            features=tuple(f"pixel {i},{j}" for i in range(4) for j in range(4)),
            target="digit",
            classes=("zero", "one", "two"),
            class_counts=(400, 500, 300),
            task="classification",
            task_reason=T(en="the target has 3 distinct values", ja="目的変数の値が3種類である"),
            image_shape=(4, 4),
            scaling=T(en="divided by 16", ja="16で割った"),
            sha256="ab" * 32,
        ),
        network=NetworkSpec(
            sizes=(16, 5, 3), activations=("relu", "softmax"), loss="softmax_cross_entropy", parameters=103
        ),
        history=history(),
        seconds=3725.0,
        started="2026-11-20T23:31:00+00:00",
        best_epoch=4,
        metrics={"loss": 0.123456789, "accuracy": 0.95},
        baseline={"accuracy": 0.41},
        baseline_name=T(en="the most frequent class, one", ja="最も多いクラス one"),
        confusion=((20, 1, 0), (0, 18, 2), (0, 0, 19)),
        misclassified=tuple(
            Misclassified(row=10 * i, inputs=image, true=0, predicted=1, probability=0.9 - 0.1 * i) for i in range(3)
        ),
        misclassified_total=3,
        gradient_check=CHECK,
        threads=2,
        seed=0,
        versions={"denpa": "0.1.0", "numpy": "2.4"},
        fallbacks=("erf: no native kernel",),
        warnings=(T(en="column x is constant", ja="列 x は定数"),),
    )


def regression() -> RunRecord:
    """A record of a regression without validation rows."""
    record = classification()
    targets = tuple(float(i) for i in range(50))
    lines = history()
    for line in lines:
        for key in ("train_accuracy", "valid_loss", "valid_accuracy"):
            line[key] = None  # type: ignore[literal-required]
    return replace(
        record,
        data=replace(
            record.data,
            classes=None,
            class_counts=None,
            image_shape=None,
            task="regression",
            rows_valid=0,
            target="price",
        ),
        history=lines,
        confusion=None,
        misclassified=(),
        misclassified_total=None,
        targets=targets,
        predictions=tuple(t + 0.5 for t in targets),
        metrics={"mean_absolute_error": 0.5, "r2": 0.998},
        baseline={"mean_absolute_error": 12.5},
        baseline_name=T(en="the mean of the training targets", ja="訓練データの目標値の平均"),
        warnings=(),
    )
