"""Files of one array each that belong together: x.npy with y.npy, training part with test part, found by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from denpa.data.dataset import Array, Dataset, Inputs, as_inputs, largest_pixel
from denpa.data.files import MIB, DataFile, combined_sha256, folder_names, listed, opened, shown, shown_path
from denpa.data.npy import read_npy
from denpa.data.npz import PAIRS, TEST_PAIR
from denpa.data.targets import Target, decide, follow
from denpa.errors import DataError, UsageError

ENDS = (".npy", ".npy.gz", ".npy.zst")
_WANT = " or ".join(f"{x}.npy with {y}.npy" for x, y in PAIRS)


def is_array_file(name: str) -> bool:
    return name.endswith(ENDS)


def read_array_folder(folder: Path, task: str) -> Dataset:
    """One of the PAIRS of names in a folder, x_test and y_test as its test part.  DataError when it is not just one."""
    where = shown_path(folder)
    stems = {_stem(name) for name in folder_names(folder, where) if is_array_file(name)}
    found = [pair for pair in PAIRS if stems.issuperset(pair)]
    if len(found) != 1:
        raise DataError(
            "which files are the inputs and the targets?",
            where=where,
            got=f"arrays called {listed(sorted(stems))}",
            want=_WANT,
            fix="give the file of the inputs, and with --target the name of the other",
        )
    with opened(_path(folder, found[0][0])) as file:
        return replace(read_array_file(file, None, task), source=where)


def read_array_file(file: DataFile, target: str | None, task: str) -> Dataset:
    """A file of inputs with its targets from a file in the same folder: `target`, or by the PAIRS of names.

    x_train has x_test and y_test as its test part when both are there.
    """
    with ExitStack() as stack:
        answers = stack.enter_context(_beside(file, target))
        name = _stem(answers.path.name)
        inputs, raw = _array(file), _array(answers)
        labels = inputs.ndim > 2 and raw.ndim == 1 and raw.dtype.kind in "iu"
        hint = "images with integer labels" if labels else None
        train = _build(file, inputs, name, decide(raw, name, task, answers.where, hint))
        files, test = [file, answers], None
        near = {_stem(name) for name in folder_names(file.path.parent, file.where) if is_array_file(name)}
        if _stem(file.path.name) == "x_train" and near.issuperset(TEST_PAIR):
            more = [stack.enter_context(opened(_path(file.path.parent, stem))) for stem in TEST_PAIR]
            values = follow(_array(more[1]), train.classes, name, more[1].where)
            test, files = _build(more[0], _array(more[0]), name, values), [*files, *more]
            if test.inputs.shape[1:] != train.inputs.shape[1:]:
                raise DataError(
                    "the test rows have another shape than the training rows",
                    where=more[0].where,
                    got=f"{test.inputs.shape[1:]}",
                    want=f"{train.inputs.shape[1:]}",
                )
        return replace(train, sha256=combined_sha256(files), test=test)


def read_array_file_like(file: DataFile, classes: tuple[str, ...] | None, target: str) -> Dataset:
    """The same rows to evaluate on.  target: what the targets were called in training."""
    known = any(x == _stem(file.path.name) for x, _ in (*PAIRS, TEST_PAIR))
    with _beside(file, None if known else target) as answers:
        name = _stem(answers.path.name)
        return _build(file, _array(file), name, follow(_array(answers), classes, name, answers.where))


def read_array_inputs(file: DataFile) -> Inputs:
    """The file of inputs alone, to predict."""
    values = as_inputs(_array(file), file.where)
    return Inputs(values, file.where, file.sha256, maximum=largest_pixel(values))


def _build(file: DataFile, inputs: Array, name: str, target: Target) -> Dataset:
    values = as_inputs(inputs, file.where)
    return Dataset(
        inputs=values,
        targets=target.values,
        target_name=name,
        classes=target.classes,
        task_reason=target.reason,
        source=file.where,
        sha256=file.sha256,
        maximum=largest_pixel(values),
    )


def _array(file: DataFile) -> Array:
    size = file.size
    if file.packing:
        stream = file.stream()
        while stream.read(MIB):
            pass
        size = stream.taken
    return read_npy(cast("IO[bytes]", file.stream()), size, file.where)


@contextmanager
def _beside(file: DataFile, target: str | None) -> Iterator[DataFile]:
    """The targets' file, opened."""
    folder, stem = file.path.parent, _stem(file.path.name)
    partner = target if target is not None else dict((*PAIRS, TEST_PAIR)).get(stem)
    if partner is None:
        raise DataError(
            "a .npy file holds one array: which file has the targets?",
            where=file.where,
            got=f"the name {shown(file.path.name)}",
            want=_WANT,
            fix="name it with --target: labels.npy, a file in the same folder; or save both as one NPZ file",
        )
    if "/" in partner or "\\" in partner:
        raise UsageError(
            "the targets' file is named without a folder: it stands beside the inputs",
            got=shown(partner),
            fix=f"put it into {shown_path(folder)}",
        )
    with opened(_path(folder, _stem(partner))) as answers:
        yield answers


def _path(folder: Path, stem: str) -> Path:
    """The file of that array in a folder; what is opened is a name that the folder itself has."""
    where = shown_path(folder)
    names = [name for name in folder_names(folder, where) if is_array_file(name)]
    found = [name for name in names if _stem(name) == stem]
    if len(found) != 1:
        raise DataError(
            f"{'no' if not found else 'more than one'} file {shown(stem + '.npy')}",
            where=where,
            got=listed(found or names) or "no arrays",
            want="one array of targets beside the inputs",
        )
    return folder / found[0]


def _stem(name: str) -> str:
    return next((name.removesuffix(end) for end in ENDS if name.endswith(end)), name)
