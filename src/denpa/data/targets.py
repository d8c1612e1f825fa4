"""Targets: classes or numbers, decided from all the values and said why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from denpa.data.dataset import Array, check_finite
from denpa.data.files import listed, shown
from denpa.errors import DataError, UsageError

TASKS = ("auto", "classification", "regression", "multilabel")
FEW = 20  # distinct integers that may be classes …
SHARE = 0.05  # … when they are fewer than this share of the rows
MAXIMUM_CLASSES = 10_000  # more distinct texts are identifiers or prose; each class is an output unit


@dataclass(frozen=True, eq=False)
class Target:
    """values: (n,) int64 indices into classes, or (n,) or (n, k) float64 when classes is None; reason: one sentence."""

    values: Array
    classes: tuple[str, ...] | None
    reason: str


@dataclass(frozen=True, eq=False)
class Labels:
    """One label a row: codes (n,) int64, indices into the distinct `names`."""

    codes: Array
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Array) -> Labels:
        """The labels of an array (n,) of numbers, booleans or texts; names in their order."""
        distinct, codes = np.unique(values, return_inverse=True)
        return cls(codes.astype(np.int64), tuple(label_of(value) for value in distinct.tolist()))

    def in_order(self) -> Labels:
        """The same labels with the names sorted: classes then do not depend on the order of the rows."""
        position = {name: i for i, name in enumerate(sorted(self.names))}
        translate = np.array([position[name] for name in self.names], np.int64)
        return Labels(translate[self.codes], tuple(sorted(self.names)))

    def matched(self, classes: tuple[str, ...], where: str) -> Array:
        """The codes as indices into `classes`.  DataError naming the labels that are not among them."""
        position = {name: i for i, name in enumerate(classes)}
        unknown = [name for name in self.names if name not in position]
        if unknown:
            rows = np.isin(self.codes, [i for i, name in enumerate(self.names) if name not in position])
            raise DataError(
                f"labels that the training data did not have: {listed(unknown)}",
                where=f"{where}, first in row {int(np.argmax(rows)) + 1:,}",
                got=f"{int(rows.sum()):,} rows with such labels",
                want=f"one of {listed(classes)}",
                fix="correct or remove these rows, or train again with them",
            )
        return np.array([position[name] for name in self.names], np.int64)[self.codes]


RawTargets = Array | Labels


def label_of(value: object) -> str:
    """The name of a class: 3 for 3 and 3.0, 0.5 for 0.5, a text as it is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if not isinstance(value, bool) else str(int(value))


def decide(raw: RawTargets, name: str, task: str, where: str, hint: str | None = None) -> Target:
    """Classification or regression, as `task` says or, when it is "auto", from the values; `hint`: the reader's reason
    for classes.

    Classes: text; booleans; one-hot rows; two distinct integers; at most FEW distinct integers that are fewer than
    SHARE of the rows.  DataError when there is nothing to learn (one value only), or every text is another.
    """
    if task not in TASKS:
        raise UsageError("unknown task", got=repr(task), want=f"one of {', '.join(TASKS)}")
    if task == "multilabel":
        raise UsageError("only a table with several target columns has labels", where=where, fix="leave the task out")
    if isinstance(raw, np.ndarray):
        raw = _single_column(raw, name, where)
    reason = _reason_for_classes(raw, name, task, hint)
    if reason is None:
        return Target(_spread(_numbers(raw, name, where), name, where), None, _reason_for_numbers(raw, name, task))
    return _classes(raw, name, task, where, reason)


def follow(raw: RawTargets, classes: tuple[str, ...] | None, name: str, where: str) -> Target:
    """Targets of another part of the data, read as the training part was: same classes, or numbers."""
    if isinstance(raw, np.ndarray):
        raw = _single_column(raw, name, where)
    if classes is None:
        return Target(_numbers(raw, name, where), None, "numbers, as in the training data")
    reason = "classes, as in the training data"
    if isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.shape[1] == len(classes) and _is_one_hot(raw):
        return Target(raw.argmax(axis=1).astype(np.int64), classes, reason)
    return Target(_labels(raw, name, where).matched(classes, where), classes, reason)


def _single_column(raw: Array, name: str, where: str) -> Array:
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim not in (1, 2) or 0 in raw.shape:
        raise DataError(
            f"the target {shown(name)} has a shape that cannot be learned",
            where=where,
            got=f"{raw.shape}",
            want="(n,) or (n, outputs), with at least one row",
        )
    if raw.dtype.kind == "f":
        check_finite(raw, where, f"target {shown(name)} and its outputs" if raw.ndim == 2 else f"target {shown(name)}")
    return raw


def _reason_for_classes(raw: RawTargets, name: str, task: str, hint: str | None) -> str | None:
    reason = None
    if task != "auto":
        reason = f"{shown(name)}: classes, because classification was asked for" if task == "classification" else None
    elif isinstance(raw, Labels) or raw.dtype.kind == "U":
        reason = f"{shown(name)} holds text: one class for each distinct text"
    elif raw.ndim == 2:
        if raw.shape[1] > 1 and _is_one_hot(raw):
            reason = f"{shown(name)} is one-hot: exactly one 1 in each row of {raw.shape[1]}"
    elif hint or raw.dtype.kind == "b":
        reason = f"{shown(name)}: classes, because {hint or 'it is true or false'}"
    elif raw.dtype.kind != "f" or bool((raw == np.floor(raw)).all()):
        distinct = len(np.unique(raw))
        if distinct == 2 or (distinct <= FEW and distinct < SHARE * len(raw)):
            reason = f"{shown(name)} has {distinct} distinct integers in {len(raw):,} rows: read as {distinct} classes"
    return reason


def _reason_for_numbers(raw: RawTargets, name: str, task: str) -> str:
    if task == "regression":
        return f"{shown(name)}: numbers, because regression was asked for"
    if isinstance(raw, np.ndarray) and raw.ndim == 2:
        return f"{shown(name)} has {raw.shape[1]} columns of numbers: {raw.shape[1]} outputs, regression"
    distinct, rows = (len(np.unique(raw)), len(raw)) if isinstance(raw, np.ndarray) else (0, 0)
    return f"{shown(name)} has {distinct:,} distinct numbers in {rows:,} rows: regression"


def _is_one_hot(raw: Array) -> bool:
    return bool(((raw == 0) | (raw == 1)).all() and (raw.sum(axis=1) == 1).all())


def _numbers(raw: RawTargets, name: str, where: str) -> Array:
    if isinstance(raw, Labels) or raw.dtype.kind == "U":
        example = raw.names[0] if isinstance(raw, Labels) else str(raw.flat[0])
        raise DataError(
            f"the target {shown(name)} holds text, regression needs numbers",
            where=where,
            got=f"for example {shown(example)}",
            want="a plain decimal number in each row",
        )
    return np.ascontiguousarray(raw, np.float64)


def _spread(values: Array, name: str, where: str) -> Array:
    constant = np.flatnonzero(np.atleast_1d(values.min(axis=0) == values.max(axis=0)))
    if len(constant):
        column = f" column {int(constant[0]) + 1}" if values.ndim == 2 else ""
        raise DataError(
            f"the target {shown(name)}{column} has one value only: there is nothing to learn",
            where=where,
            got=f"{values.reshape(len(values), -1)[0, constant[0]]} in all {len(values):,} rows",
            want="at least two different values",
        )
    return values


def _labels(raw: RawTargets, name: str, where: str) -> Labels:
    if isinstance(raw, Labels):
        return raw
    if raw.ndim == 2:
        raise DataError(
            f"the target {shown(name)} has {raw.shape[1]} columns that are not one-hot: they are no classes",
            where=where,
            want="one column of labels, or rows with exactly one 1 and otherwise 0",
        )
    return Labels.of(raw)


def _classes(raw: RawTargets, name: str, task: str, where: str, reason: str) -> Target:
    text = isinstance(raw, Labels) or raw.dtype.kind == "U"
    if isinstance(raw, np.ndarray) and raw.ndim == 2 and _is_one_hot(raw):
        labels = Labels(raw.argmax(axis=1).astype(np.int64), tuple(map(str, range(raw.shape[1]))))
        seen = len(np.unique(labels.codes))
    else:
        found = _labels(raw, name, where)
        labels = found.in_order() if isinstance(raw, Labels) else found  # Labels.of has sorted numbers by value
        seen = len(labels.names)
    if seen < 2:
        raise DataError(
            f"the target {shown(name)} has 1 class: there is nothing to learn",
            where=where,
            got=f"{shown(labels.names[int(labels.codes[0])])} in all {len(labels.codes):,} rows",
            want="at least 2 classes",
            fix="check that the file is complete and the target is the right column",
        )
    if seen > MAXIMUM_CLASSES or (task == "auto" and text and seen == len(labels.codes) > 2):
        raise too_many_classes(name, where, seen, len(labels.codes))
    return Target(labels.codes, labels.names, reason)


def too_many_classes(name: str, where: str, distinct: int, rows: int) -> DataError:
    return DataError(
        f"the target {shown(name)} has too many classes to learn: it looks like an identifier or free text",
        where=where,
        got=f"{distinct:,} different labels in {rows:,} rows",
        want=f"labels that come again, at most {MAXIMUM_CLASSES:,} of them",
        fix="choose another target column",
    )
