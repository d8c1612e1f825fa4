"""Cross-validated scores and time beside scikit-learn's MLP: the same network, solver, folds and epochs.

    python benchmarks/tabular.py FOLDER [--rounds 3] [--json out.json]

FOLDER has the UCI files that FILES names, without headers, the target last.  Both sides train one hidden layer of 20
ReLU units by SGD with Nesterov momentum 0.9, L2 penalty 1e-4, batches of 32, in 10 folds that are divided alike, on
standardised and one-hot columns; numbers to predict are standardised for both.  scikit-learn gets its columns encoded,
standardises them in a pipeline, and computes in float32 too; both draw their weights from Glorot's uniform range.
Both run in turn; the ratio is taken round by round.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from timing import installed

from denpa.data import Dataset, InputEncoding, read, splits
from denpa.train.config import Config
from denpa.train.cross import cross_validate

# file, the target's column, what it is
FILES = (
    ("iris", "c5", "classification"),
    ("wine", "c14", "classification"),
    ("pima-indians-diabetes", "c9", "classification"),
    ("banknote_authentication", "c5", "classification"),
    ("breast-cancer-wisconsin", "c10", "classification"),
    ("glass", "c10", "classification"),
    ("phoneme", "c6", "classification"),
    ("abalone", "c9", "regression"),
    ("winequality-red", "c12", "regression"),
)
FOLDS, HIDDEN, BATCH, RATE, PENALTY, EPOCHS = 10, 20, 32, 0.01, 1e-4, 100


def config_of(folder: Path, name: str, target: str, task: str, seed: int) -> Config:
    return Config(
        source=str(folder / f"{name}.csv"),
        target=target,
        task=task,
        header="no",
        na=("?",),
        hidden=(HIDDEN,),
        init="glorot_uniform",
        optimizer="nesterov",
        learning_rate=RATE,
        weight_decay=PENALTY,
        batch_size=BATCH,
        epochs=EPOCHS,
        split="random",
        seed=seed,
    )


def rival(data: Dataset, config: Config) -> tuple[float, float]:
    """Mean score over the folds and seconds, of scikit-learn."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import cross_validate as crossed
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    encoding = InputEncoding.fit(data)
    x = encoding.decode(encoding.encode(data.inputs, "float64")).astype(np.float32)
    classify = data.classes is not None
    network = (MLPClassifier if classify else MLPRegressor)(
        hidden_layer_sizes=(HIDDEN,),
        solver="sgd",
        alpha=PENALTY * BATCH,  # it divides the penalty by the rows of a batch
        batch_size=BATCH,
        learning_rate_init=RATE,
        momentum=0.9,
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=EPOCHS,
        random_state=config.seed,
    )
    model: Any = network if classify else TransformedTargetRegressor(network, transformer=StandardScaler())
    divided = list(splits.folds(data, FOLDS, config.seed, "random"))
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = crossed(
            make_pipeline(StandardScaler(), model),
            x,
            data.targets,
            cv=divided,
            scoring="accuracy" if classify else "neg_root_mean_squared_error",
            error_score="raise",
        )
    return abs(float(np.mean(found["test_score"]))), time.perf_counter() - began


def own(data: Dataset, config: Config) -> tuple[float, float]:
    began = time.perf_counter()
    found = cross_validate(config, data, FOLDS).summary()
    seconds = time.perf_counter() - began
    return found["accuracy" if data.classes is not None else "root_mean_squared_error"][0], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="each with another seed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print(f"{'file':<26}{'score':<10}{'denpa':>8}{'sklearn':>9}{'s denpa':>9}{'s sklearn':>11}{'ratio':>8}")
    for name, target, task in FILES:
        if not (options.folder / f"{name}.csv").exists():
            print(f"{name:<26}not there")
            continue
        scores: list[tuple[float, float]] = []
        seconds: list[tuple[float, float]] = []
        for seed in range(options.rounds):
            config = config_of(options.folder, name, target, task, seed)
            data = read(config.source, config.target, config.task, config.options())
            if seed == 0:
                own(data, config)  # the kernels of this network are compiled or loaded once
            ours, theirs = own(data, config), rival(data, config)
            scores.append((ours[0], theirs[0]))
            seconds.append((ours[1], theirs[1]))
        row = {
            "file": name,
            "score": "accuracy" if task == "classification" else "RMSE",
            "denpa": mean(a for a, _ in scores),
            "sklearn": mean(b for _, b in scores),
            "denpa_seconds": median(a for a, _ in seconds),
            "sklearn_seconds": median(b for _, b in seconds),
            "ratio": median(b / a for a, b in seconds),
        }
        rows.append(row)
        print(
            f"{name:<26}{row['score']:<10}{row['denpa']:>8.4f}{row['sklearn']:>9.4f}{row['denpa_seconds']:>9.2f}"
            f"{row['sklearn_seconds']:>11.2f}{row['ratio']:>8.1f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"packages": installed(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
