"""From a training that has just ended to the record its report is made of."""

from __future__ import annotations

import shlex
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from denpa.data import TargetEncoding, stream
from denpa.data.shuffle import sample
from denpa.explain.words import T, Words
from denpa.train import machine, scores
from denpa.train.config import Config
from denpa.train.doctor import doctor_of
from denpa.train.gradient_check import ROWS, check_network
from denpa.train.inside import inside_of
from denpa.train.metrics import Evaluation, counts_of
from denpa.train.parts import Parts
from denpa.train.record import DataSummary, Epoch, GradientCheck, Misclassified, NetworkSpec, RunRecord
from denpa.train.scores import Curve
from denpa.train.training import Trained, evaluated_rows

SHOWN_MISTAKES = 40
CURVES = 8  # classes with a ROC curve: the styles that can be told apart
SHOWN_POINTS = 2000  # of a regression's scatter plot
_STATUS = {"stopped": "interrupted", "failed": "diverged"}


def record_of(trained: Trained) -> RunRecord:
    """The record of a run, with a gradient check of the trained network on a few rows."""
    run, config, prepared = trained.run, trained.config, trained.parts
    info = run.info
    return RunRecord(
        run_id=run.id,
        command=str(info.get("command") or _command(config)),
        config=asdict(config),
        data=_data(prepared, trained.evaluation if trained.evaluated_on == "test" else None),
        network=_network(trained),
        history=[_epoch(row) for row in run.history],
        status="stopped early" if info.get("stopped_early") else _STATUS.get(run.status, run.status),
        started=info.get("created"),
        seconds=info.get("seconds"),
        gradient_check=_check(trained),
        diagnosis=doctor_of(run, trained.model.network, prepared),
        inside=inside_of(trained.model.network, prepared),
        engine=config.engine,
        dtype=config.dtype,
        threads=config.threads,
        seed=config.seed,
        versions={**machine.versions(), **_kernels(config.engine)},
        fallbacks=trained.fallbacks,
        warnings=trained.warnings,
        best_epoch=(info.get("best") or {}).get("epoch"),
        **_outcome(trained),
    )


def _kernels(engine: str) -> dict[str, str]:
    facts = machine.facts(engine)
    return {name: str(facts[name]) for name in ("blas", "compiler", "processor") if name in facts}


def _outcome(trained: Trained) -> dict[str, Any]:
    """The fields that a stopped run does not have."""
    evaluation = trained.evaluation
    if evaluation is None:
        return {}
    facts: dict[str, Any] = {
        "evaluated_on": trained.evaluated_on,
        "metrics": evaluation.values,
        "baseline": evaluation.baseline,
        "baseline_name": _guess(trained),
    }
    if evaluation.confusion is not None:
        wrong = np.flatnonzero(evaluation.predictions != evaluation.targets)
        facts["confusion"] = tuple(tuple(row) for row in evaluation.confusion.tolist())
        facts["misclassified"] = _mistakes(trained, evaluation, wrong)
        facts["misclassified_total"] = len(wrong)
        facts["roc"], facts["calibration"] = _roc(trained, evaluation), _calibration(evaluation)
    elif evaluation.label_counts is not None:
        names = trained.model.targets.labels
        counts = zip(names, evaluation.label_counts.tolist(), strict=True)
        facts["labels"] = tuple((name, *map(int, three)) for name, three in counts)
    elif evaluation.targets.ndim == 1:
        chosen = _sample(trained.config.seed, evaluation.rows, SHOWN_POINTS)
        facts["targets"] = tuple(evaluation.targets[chosen].tolist())
        facts["predictions"] = tuple(evaluation.predictions[chosen].tolist())
    return facts


def _roc(trained: Trained, e: Evaluation) -> tuple[tuple[str, Curve], ...]:
    classes = trained.model.targets.classes
    chosen = range(1, 2) if len(classes) == 2 else range(min(len(classes), CURVES))
    curves = ((classes[c], scores.roc_curve(e.targets == c, e.outputs[:, c])) for c in chosen)
    return tuple((name, curve) for name, curve in curves if curve is not None)


def _calibration(e: Evaluation) -> Curve | None:
    """Of the second of two classes; of more, of whichever class was predicted."""
    if not scores.probabilities(e.outputs):
        return None
    if e.outputs.shape[1] == 2:
        return scores.calibration(e.targets == 1, e.outputs[:, 1])
    return scores.calibration(e.predictions == e.targets, e.outputs.max(axis=1))


def _guess(trained: Trained) -> Words:
    targets = trained.model.targets
    if targets.kind == "classes":
        guess = trained.model.guess
        assert guess is not None  # a training has rows, and so a most frequent class
        name = targets.classes[int(guess)]
        return T(f"the most frequent class, {name}", f"最も多いクラス {name}")
    if targets.kind == "labels":
        return T("each label's frequency", "各ラベルの頻度")
    return T("the mean of the training targets", "訓練データの目標値の平均")


def _sample(seed: int, n: int, most: int) -> Any:
    return np.sort(stream(seed, "sample").permutation(n)[:most])


def _mistakes(trained: Trained, evaluation: Evaluation, wrong: Any) -> tuple[Misclassified, ...]:
    """Most confident mistakes first; the first rows first among equals."""
    data, inputs = trained.parts.data, trained.parts.inputs
    confidence = evaluation.outputs[wrong, evaluation.predictions[wrong]]
    chosen = wrong[np.argsort(-confidence, kind="stable")[:SHOWN_MISTAKES]]
    if data.test is not None:
        source = data.test.inputs[chosen]
    else:
        source = data.inputs[evaluated_rows(trained.parts, trained.evaluated_on)[chosen]]
    return tuple(
        Misclassified(
            row=int(i),
            inputs=inputs.readable(values).reshape(inputs.image_shape or (-1,)),
            true=int(evaluation.targets[i]),
            predicted=int(evaluation.predictions[i]),
            probability=float(evaluation.outputs[i, evaluation.predictions[i]]),
            true_probability=float(evaluation.outputs[i, evaluation.targets[i]]),
        )
        for i, values in zip(chosen.tolist(), source, strict=True)
    )


def _data(parts: Parts, test: Evaluation | None) -> DataSummary:
    data, targets = parts.data, parts.targets
    counts = None
    if targets.kind == "classes":
        counts = tuple(counts_of(data.targets, parts.train, targets.outputs).tolist())
    own = len(data.test) if data.test is not None else 0
    return DataSummary(
        source=data.source,
        rows_train=len(parts.train),
        rows_valid=len(parts.valid),
        rows_test=own or len(parts.test) or (test.rows if test else 0),
        features=parts.inputs.names,
        columns=tuple(column.name for column in parts.inputs.cells),
        target=data.target_name,
        classes=targets.classes or None,
        class_counts=counts,
        task=data.task,
        task_reason=data.task_reason,
        image_shape=data.image_shape,
        scaling=_scaling(parts),
        sha256=data.sha256,
    )


def _scaling(parts: Parts) -> Words:
    inputs = parts.inputs
    if inputs.kind == "image":
        return T(f"pixels divided by {inputs.maximum:g}", f"画素値を {inputs.maximum:g} で割る")
    note_en, note_ja = ("; targets likewise", "。目標値も同じ") if _standardised(parts.targets) else ("", "")
    if any(column.kind == "category" or column.missing for column in inputs.cells):
        note_en += "; an input of 0 or 1 for each category, and for missing cells"
        note_ja += "。カテゴリごと、および欠損の有無に 0 か 1 の入力を置く"
    return T(
        f"each column minus its mean, divided by its standard deviation, both of the training rows{note_en}",
        f"各列から訓練データの平均を引き、標準偏差で割る{note_ja}",
    )


def _standardised(targets: TargetEncoding) -> bool:
    return targets.kind == "numbers"


def _network(trained: Trained) -> NetworkSpec:
    network = trained.model.network
    count = sum(int(p.size) for p in network.parameters().values())
    return NetworkSpec(
        sizes=network.units,
        activations=(*network.hidden, network.output),
        loss=network.loss_function.name,
        parameters=count,
    )


def _epoch(row: dict[str, Any]) -> Epoch:
    known = Epoch.__annotations__
    epoch: Epoch = {key: value for key, value in row.items() if key in known}  # type: ignore[assignment]
    return epoch


def _check(trained: Trained) -> GradientCheck:
    parts = trained.parts
    rows = sample(parts.train, trained.config.seed, ROWS)
    return check_network(trained.model.network, parts.x[rows], parts.t[rows], trained.config.seed)


def _command(config: Config) -> str:
    """A shell line that does the run again: every setting that is not the command's own default."""
    default = Config()
    words = ["denpa", "train", config.source]
    for name, flag in _flags().items():
        value = getattr(config, name)
        if value is not None and value != getattr(default, name):
            if isinstance(value, bool):
                words.append(flag if value else flag.replace("--", "--no-"))
            else:
                words += [flag, _text(value)]
    return shlex.join(words)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={number!r}" for name, number in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _flags() -> dict[str, str]:
    names = [f.name for f in fields(Config) if f.name != "source"]
    return {name: "--lr" if name == "learning_rate" else "--" + name.replace("_", "-") for name in names}
