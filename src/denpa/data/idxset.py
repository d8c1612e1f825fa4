"""IDX files that belong together: images with their labels, training part with test part, found by MNIST's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from denpa.data.dataset import Array, Dataset, Inputs, as_inputs, largest_pixel
from denpa.data.files import DataFile, combined_sha256, folder_names, listed, opened, shown, shown_path
from denpa.data.idx import read_array
from denpa.data.targets import Target, decide, follow
from denpa.errors import DataError

TARGET = "label"

Settle = Callable[[Array, str], Target]  # raw labels and where they are -> what is learned from them

# train-images-idx3-ubyte as published; train-images.idx3-ubyte as some mirrors unpack it; a prefix as EMNIST has it
_NAME = re.compile(r"(?P<prefix>.*?)(?P<part>train|t10k|test)-(?P<what>images|labels)([-.]idx[1-4]-ubyte)?(\.gz)?")


def has_idx_names(names: list[str]) -> bool:
    return any(_NAME.fullmatch(name) for name in names)


def read_folder(folder: Path, task: str) -> Dataset:
    """MNIST's four files, or the first two of them: train-images, train-labels, t10k-images, t10k-labels.

    Each with or without `-idx3-ubyte` and `.gz`.  DataError when the training pair is not there or a name is doubtful.
    """
    found = _find(folder)
    with ExitStack() as stack:
        files = {key: stack.enter_context(opened(path)) for key, path in sorted(found.items())}
        train = _read_pair(files["train", "images"], files["train", "labels"], _decided(task))
        test = None
        if ("test", "images") in files:
            test = _read_pair(files["test", "images"], files["test", "labels"], _followed(train.classes))
            _check_same_shape(train, test)
        together = combined_sha256(list(files.values()))
    return replace(train, source=shown_path(folder), sha256=together, test=test)


def _find(folder: Path) -> dict[tuple[str, str], Path]:
    where = shown_path(folder)
    found: dict[tuple[str, str], Path] = {}
    names = folder_names(folder, where)
    for name in names:
        if not (match := _NAME.fullmatch(name)):
            continue
        key = ("train" if match["part"] == "train" else "test", match["what"])
        if key in found:
            raise DataError(
                f"two files could be the {key[0]} {key[1]}",
                where=where,
                got=listed([found[key].name, name]),
                fix="keep one of them in the folder",
            )
        found[key] = folder / name
    for part in ("train", "test"):
        missing = [what for what in ("images", "labels") if (part, what) not in found]
        if missing and (part == "train" or len(missing) == 1):
            raise DataError(
                f"the folder has no {part} {' and no '.join(missing)}",
                where=where,
                got=f"{len(names)} files: {listed(names)}" if names else "an empty folder",
                want="train-images-idx3-ubyte and train-labels-idx1-ubyte (.gz or not), t10k-… likewise for a test "
                "set; or x.npy and y.npy; or a folder of pictures for each class",
            )
    return found


def read_file(images: DataFile, task: str) -> Dataset:
    """An IDX file of images with its labels file, found beside it by name: images → labels."""
    with _labels_beside(images) as labels:
        return _read_pair(images, labels, _decided(task))


def read_file_like(images: DataFile, classes: tuple[str, ...] | None) -> Dataset:
    """The same, the labels in the terms of `classes`."""
    with _labels_beside(images) as labels:
        return _read_pair(images, labels, _followed(classes))


def read_images(file: DataFile) -> Inputs:
    """An IDX file of images alone."""
    values = _images(file)
    return Inputs(values, file.where, file.sha256, maximum=largest_pixel(values))


def _check_same_shape(train: Dataset, test: Dataset) -> None:
    if test.inputs.shape[1:] != train.inputs.shape[1:]:
        raise DataError(
            "the test images have another size than the training images",
            where=test.source,
            got=f"{test.inputs.shape[1:]}",
            want=f"{train.inputs.shape[1:]}",
        )


@contextmanager
def _labels_beside(images: DataFile) -> Iterator[DataFile]:
    name, match = images.path.name, _NAME.fullmatch(images.path.name)
    if match is None or match["what"] != "images":
        is_labels = match is not None
        raise DataError(
            "this is the labels file" if is_labels else "the name does not tell which file has the labels",
            where=images.where,
            got=f"the name {shown(name)}",
            want="a name such as train-images-idx3-ubyte.gz, with train-labels-idx1-ubyte.gz beside it",
            fix="give the images file" if is_labels else "rename the pair, or save both arrays as one NPZ file",
        )
    wanted = (match["prefix"], match["part"], "labels")
    folder = images.path.parent
    near = [n for n in folder_names(folder, images.where) if (m := _NAME.fullmatch(n)) and m.group(1, 2, 3) == wanted]
    if len(near) != 1:
        raise DataError(
            f"{'no' if not near else 'more than one'} labels file beside the images",
            where=images.where,
            got=listed(near) if near else "none",
            want=f"one {''.join(wanted[:2])}-labels… in the same folder",
        )
    with opened(folder / near[0]) as labels:
        yield labels


def _images(file: DataFile) -> Array:
    array = read_array(file)
    if array.ndim == 1:
        raise DataError(
            "this IDX file has one dimension: labels, not inputs",
            where=file.where,
            got=f"shape {array.shape}",
            want="(n, height, width), (n, features) or (n, height, width, channels)",
            fix="give the images file",
        )
    return as_inputs(array, file.where)


def _read_pair(images: DataFile, labels: DataFile, settle: Settle) -> Dataset:
    values, answers = _images(images), read_array(labels)
    if answers.ndim != 1:
        raise DataError(
            "a labels file has one dimension",
            where=labels.where,
            got=f"shape {answers.shape}",
            want=f"({len(values)},)",
        )
    if len(values) != len(answers):
        raise DataError(
            "images and labels differ in number",
            where=f"{images.where} and {labels.where}",
            got=f"{len(values):,} images, {len(answers):,} labels",
            want="one label for each image",
        )
    target = settle(answers.astype(answers.dtype.newbyteorder("=")), labels.where)
    return Dataset(
        inputs=values,
        targets=target.values,
        target_name=TARGET,
        classes=target.classes,
        task_reason=target.reason,
        source=images.where,
        sha256=combined_sha256([images, labels]),
        maximum=largest_pixel(values),
    )


def _decided(task: str) -> Settle:
    def settle(raw: Array, where: str) -> Target:
        return decide(raw, TARGET, task, where, "an IDX labels file holds classes" if raw.dtype.kind in "iu" else None)

    return settle


def _followed(classes: tuple[str, ...] | None) -> Settle:
    return lambda raw, where: follow(raw, classes, TARGET, where)
