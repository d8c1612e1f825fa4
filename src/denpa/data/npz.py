"""NPZ files, read by hand: a ZIP archive of .npy arrays whose sizes are all checked before memory is taken.

To numpy.load, 128 bytes can claim 32 GiB, and a pickled array can run any code.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import replace

from denpa.data.dataset import Array, Dataset, Inputs, as_inputs, largest_pixel
from denpa.data.files import DataFile, check_expansion, listed, shown
from denpa.data.npy import read_npy
from denpa.data.targets import Target, decide, follow
from denpa.errors import DataError

PAIRS = (("x", "y"), ("X", "y"), ("inputs", "targets"), ("x_train", "y_train"))
TEST_PAIR = ("x_test", "y_test")


def read_npz(file: DataFile, task: str) -> Dataset:
    """x and y, under one of the PAIRS of names, with x_test and y_test as the test part when they are there."""
    with Archive(file) as archive:
        x, y = _pair(archive)
        train = _dataset(archive, x, y, task)
        tests = [name for name in TEST_PAIR if name in archive.keys]
        if len(tests) == 1:
            raise _unknown_keys(archive, f"both of {' and '.join(TEST_PAIR)}, or neither")
        return replace(train, test=_dataset(archive, *TEST_PAIR, task, train)) if tests else train


def read_npz_like(file: DataFile, classes: tuple[str, ...] | None) -> Dataset:
    """x and y as rows to evaluate: the test part when the file has one; the targets in the terms of `classes`."""
    with Archive(file) as archive:
        x, y = TEST_PAIR if set(TEST_PAIR) <= set(archive.keys) else _pair(archive)
        inputs, target = archive.read(x), archive.read(y)
    return _build(file, inputs, y, follow(target, classes, y, file.where))


def read_npz_inputs(file: DataFile) -> Inputs:
    """x alone, as rows to predict: the test part when the file has one."""
    with Archive(file) as archive:
        names = [TEST_PAIR[0], *(x for x, _ in PAIRS)]
        found = [name for name in names if name in archive.keys]
        if not found:
            raise _unknown_keys(archive, f"inputs called {', '.join(names)}")
        values = as_inputs(archive.read(found[0]), f"{file.where}, array {shown(found[0])}")
    return Inputs(values, file.where, file.sha256, maximum=largest_pixel(values))


def _dataset(archive: Archive, x: str, y: str, task: str, train: Dataset | None = None) -> Dataset:
    file = archive.file
    inputs, raw = archive.read(x), archive.read(y)
    if train is not None:
        test = _build(file, inputs, y, follow(raw, train.classes, y, file.where))
        if test.inputs.shape[1:] != train.inputs.shape[1:]:
            raise DataError(
                "the test rows have another shape than the training rows",
                where=file.where,
                got=f"{test.inputs.shape[1:]}",
                want=f"{train.inputs.shape[1:]}",
            )
        return test
    labels = inputs.ndim > 2 and raw.ndim == 1 and raw.dtype.kind in "iu"
    return _build(file, inputs, y, decide(raw, y, task, file.where, "images with integer labels" if labels else None))


def _build(file: DataFile, inputs: Array, y: str, target: Target) -> Dataset:
    values = as_inputs(inputs, f"{file.where}, inputs of {shown(y)}")
    return Dataset(
        inputs=values,
        targets=target.values,
        target_name=y,
        classes=target.classes,
        task_reason=target.reason,
        source=file.where,
        sha256=file.sha256,
        maximum=largest_pixel(values),
    )


def _pair(archive: Archive) -> tuple[str, str]:
    found = [pair for pair in PAIRS if set(pair) <= set(archive.keys)]
    if len(found) != 1:
        raise _unknown_keys(archive, "one pair of " + " or ".join(f"({x}, {y})" for x, y in PAIRS))
    return found[0]


def _unknown_keys(archive: Archive, want: str) -> DataError:
    return DataError(
        "which arrays are the inputs and the targets?",
        where=archive.file.where,
        got=f"arrays called {listed(archive.keys)}" if archive.keys else "no arrays",
        want=want,
        fix='save them with numpy.savez("data.npz", x=inputs, y=targets)',
    )


class Archive:
    """The .npy members of an open NPZ file by key (the name without .npy)."""

    def __init__(self, file: DataFile) -> None:
        self.file = file
        try:
            self._zip = zipfile.ZipFile(file.handle)
        except _ZIP_FAULTS as error:
            raise _damaged(file.where, error) from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if not info.filename.endswith(".npy"):
                continue
            key = info.filename.removesuffix(".npy")
            if key in self._members:
                raise DataError(f"two arrays are called {shown(key)}", where=file.where, want="distinct names")
            self._members[key] = info
        if not self._members:
            raise DataError(
                "a ZIP archive without NumPy arrays (a spreadsheet, perhaps)",
                where=file.where,
                got=listed(self._zip.namelist()) or "an empty archive",
                want="an NPZ file with the arrays x and y",
                fix="save a spreadsheet as CSV (UTF-8)",
            )

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def keys(self) -> list[str]:
        return list(self._members)

    def read(self, key: str) -> Array:
        """One array, in native byte order.  DataError when its sizes disagree, or it is damaged or pickled."""
        info = self._members[key]
        where = f"{self.file.where}, array {shown(key)}"
        _check_member(info, self.file.size, where)
        try:
            with self._zip.open(info) as member:
                return read_npy(member, info.file_size, where)
        except _ZIP_FAULTS as error:
            raise _damaged(where, error) from error


# What zipfile and zlib raise for damaged input; no ValueError, which DataError is.  RuntimeError: encrypted members;
# NotImplementedError: unknown compression; OSError: offsets outside the file.
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    UnicodeDecodeError,
    struct.error,
)


def _damaged(where: str, why: object) -> DataError:
    return DataError(
        "the NPZ archive is damaged or cut off",
        where=where,
        got=str(why) or type(why).__name__,
        want="a complete file as numpy.savez writes it",
        fix="fetch or write it again",
    )


def _check_member(info: zipfile.ZipInfo, file_size: int, where: str) -> None:
    """Before memory is taken: stored and declared sizes against each other and the file."""
    if info.flag_bits & 1:
        raise DataError("the array is encrypted", where=where, want="an NPZ file as numpy.savez writes it")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            "the array is compressed in an unknown way",
            where=where,
            got=f"method {info.compress_type}",
            want="stored or deflated, as numpy.savez and numpy.savez_compressed write them",
        )
    stored = info.compress_type == zipfile.ZIP_STORED
    if info.compress_size > file_size or (stored and info.file_size != info.compress_size):
        raise _damaged(where, f"{info.file_size:,} bytes declared, {info.compress_size:,} stored in {file_size:,}")
    check_expansion(info.compress_size, info.file_size, where)
