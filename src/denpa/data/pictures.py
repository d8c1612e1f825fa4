"""Folders of pictures: a folder for each class, or pictures alone to predict.

Pillow decodes them.  Sizes are compared by the headers of all files before memory is taken, and no link is followed.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from denpa.data.dataset import Array, Dataset, Inputs
from denpa.data.files import MIB, listed, shown, shown_path, unreadable
from denpa.data.streaming import free_memory
from denpa.data.targets import Labels, decide, follow
from denpa.errors import DataError, require

TARGET = "class"
ENDS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # a closed list: Pillow knows 40 more
MAGICS = (b"\x89PNG\r\n", b"\xff\xd8\xff")  # of pictures that are given as a file
GREY, COLOUR = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA")
LARGEST = 256 * MIB  # of a file
SHARE = 0.5  # of the free memory
ORIENTATION = 0x0112  # the EXIF tag; from 5 on, width and height are exchanged
VALIDATION = ("val", "valid", "validation", "dev")


@dataclass(frozen=True)
class _File:
    """name: with its class folder, as messages and predictions show it."""

    name: str
    path: str


@dataclass(frozen=True)
class _Found:
    """classes: by name, sorted, with their files in the order of their names."""

    classes: dict[str, list[_File]]
    notices: tuple[str, ...]

    @property
    def files(self) -> list[_File]:
        return [file for files in self.classes.values() for file in files]


def holds_pictures(folder: Path, deep: int = 2) -> bool:
    """Whether there are pictures in a folder, or `deep` folders below it: train/cat/1.png is two."""
    entries = _entries(folder)
    if any(_is_picture(entry.name) for entry in entries):
        return True
    below = (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    return deep > 0 and any(holds_pictures(path, deep - 1) for path in below)


def read_pictures(folder: Path, task: str, shape: tuple[int, ...] | None = None) -> Dataset:
    """The pictures of each class folder as uint8: (n, height, width) when all are grey, else (n, height, width, 3).

    Folders called train and test are the training part and the test part.  shape: of the pictures that a network knows.
    DataError for files that cannot be decoded, transparent pixels, more than 8 bits, and sizes that differ.
    """
    parts = _parts(folder)
    found = {part: _classes(path) for part, path in parts.items()}
    form = _form([file for one in found.values() for file in one.files], shape, shown_path(folder))
    train = _dataset(parts["train"], found["train"], form, task, None)
    if "test" not in found:
        return train
    test = _dataset(parts["test"], found["test"], form, task, train.classes)
    together = hashlib.sha256(f"{train.sha256}{test.sha256}".encode()).hexdigest()
    return replace(train, source=shown_path(folder), sha256=together, test=test)


def read_picture_inputs(path: Path, shape: tuple[int, ...] | None) -> Inputs:
    """Pictures to predict: one file, the files of a folder, or those of its class folders; their names are the ids.

    Of a folder with a test part, that part.  shape: of the pictures that the network knows.
    """
    if path.is_dir():
        parts = _parts(path)
        where = parts.get("test", parts["train"])
        found = _classes(where, flat=True)
    else:
        where, found = path, _Found({"": [_File(path.name, str(path))]}, ())
    form = _form(found.files, shape, shown_path(where))
    values, digest, notices = _decoded(found.files, form, shown_path(where))
    return Inputs(
        values,
        shown_path(where),
        digest,
        maximum=255.0,
        notices=(*found.notices, *notices),
        ids=tuple(file.name for file in found.files),
    )


def _dataset(folder: Path, found: _Found, form: tuple[int, ...], task: str, classes: tuple[str, ...] | None) -> Dataset:
    where = shown_path(folder)
    names = tuple(found.classes)
    codes = np.repeat(np.arange(len(names)), [len(files) for files in found.classes.values()])
    labels = Labels(codes.astype(np.int64), names)
    target = decide(labels, TARGET, task, where) if classes is None else follow(labels, classes, TARGET, where)
    values, digest, notices = _decoded(found.files, form, where)
    return Dataset(
        inputs=values,
        targets=target.values,
        target_name=TARGET,
        classes=target.classes,
        task_reason="each folder is a class",
        source=where,
        sha256=digest,
        maximum=255.0,
        notices=(*found.notices, *notices),
    )


# -- which files -------------------------------------------------------------------------------------------------------
def _parts(folder: Path) -> dict[str, Path]:
    folders = [entry.name for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]
    lower = {name.lower(): name for name in folders}
    if "train" not in lower:
        return {"train": folder}
    others = [name for name in folders if name.lower() not in ("train", "test")]
    if others:
        held = any(name.lower() in VALIDATION for name in others)
        raise DataError(
            "a folder called train, and others beside it",
            where=shown_path(folder),
            got=listed(others),
            want="train and test, or one folder for each class",
            fix=f"give {shown_path(folder / lower['train'])}: --valid keeps a share of it out" if held else None,
        )
    return {part: folder / lower[part] for part in ("train", "test") if part in lower}


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name, without hidden files."""
    try:
        with os.scandir(folder) as found:
            return sorted((e for e in found if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise unreadable(shown_path(folder), error) from error


def _classes(folder: Path, flat: bool = False) -> _Found:
    """flat: pictures may also stand in the folder itself."""
    where, left = shown_path(folder), []
    classes: dict[str, list[_File]] = {}
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            classes[entry.name], others = _files(Path(entry.path), f"{entry.name}/")
            left += others
            if not classes[entry.name]:
                raise DataError("a class folder has no pictures", where=shown_path(entry.path), fix="remove it")
    loose, others = _files(folder, "", top=True)
    left += others
    if loose and (classes or not flat):
        raise DataError(
            f"{len(loose):,} pictures stand in no class folder",
            where=where,
            got=listed([file.name for file in loose], 4),
            want="one folder for each class, pictures in it",
        )
    if loose:
        classes[""] = loose
    if not classes:
        raise DataError("the folder has no pictures", where=where, got=listed(left) or "an empty folder")
    notices = [f"{len(left):,} files that are no pictures, or links, are left out: {listed(left, 6)}"] if left else []
    return _Found(classes, tuple(notices))


def _files(folder: Path, before: str, top: bool = False) -> tuple[list[_File], list[str]]:
    """The pictures of one folder, and the names of what is left out."""
    files, left = [], []
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            if not top:
                raise DataError(
                    "a folder inside a class folder",
                    where=shown_path(folder),
                    got=shown(entry.name),
                    want="one folder for each class, pictures in it",
                )
        elif entry.is_file(follow_symlinks=False) and _is_picture(entry.name):
            files.append(_File(before + entry.name, entry.path))
        else:
            left.append(before + entry.name)
    return files, left


def _is_picture(name: str) -> bool:
    return name.lower().endswith(ENDS) and not name.startswith(".")


# -- what is in them ---------------------------------------------------------------------------------------------------
def _form(files: list[_File], shape: tuple[int, ...] | None, where: str) -> tuple[int, ...]:
    """(height, width), or (height, width, 3) when one is coloured or the network knows colours, from all headers."""
    first: tuple[_File, tuple[int, int]] | None = None
    coloured: _File | None = None
    for file in files:
        with _opened(file, _bytes(file)) as picture:
            size = _size(picture)
            coloured = file if coloured is None and picture.mode in COLOUR else coloured
        if first is None:
            first = file, size
        elif size != first[1]:
            raise DataError(
                "the pictures have different sizes",
                where=where,
                got=f"{shown(first[0].name)} of {_pixels(first[1])}, {shown(file.name)} of {_pixels(size)}",
                want="width and height the same in all",
                fix="bring them to one size first: mogrify -resize 64x64! FILES",
            )
    assert first is not None
    grey_wanted = shape is not None and len(shape) == 2
    if grey_wanted and coloured is not None:
        raise DataError(
            "the network was trained on grey pictures, and these are coloured",
            where=where,
            got=shown(coloured.name),
            fix="make them grey first: mogrify -colorspace Gray FILES",
        )
    colour = coloured is not None or (shape is not None and len(shape) == 3)
    form = (*first[1], 3) if colour else first[1]
    need, free = len(files) * int(np.prod(form)), free_memory()
    if need > SHARE * free:
        raise DataError(
            "the pictures do not fit into memory",
            where=where,
            got=f"{len(files):,} of {form}: {need / 1e9:,.1f} GB",
            want=f"at most half of the {free / 1e9:,.1f} GB that are free",
            fix="make them smaller, or train on a part of them",
        )
    return form


def _decoded(files: list[_File], form: tuple[int, ...], where: str) -> tuple[Array, str, list[str]]:
    """uint8 (n, *form), the hash of names and contents, and notices."""
    values = np.empty((len(files), *form), np.uint8)
    digest, grey = hashlib.sha256(), 0
    for i, file in enumerate(files):
        data = _bytes(file)
        digest.update(f"{file.name} {hashlib.sha256(data).hexdigest()}\n".encode("utf-8", "surrogateescape"))
        with _opened(file, data) as picture:
            grey += picture.mode in GREY
            pixels = _pixels_of(picture, len(form) == 3, file)
        if pixels.shape != form:
            raise DataError("the file changed while it was read", where=shown_path(file.path))
        values[i] = pixels
    mixed = len(form) == 3 and 0 < grey < len(files)
    notices = [f"{grey:,} of {len(files):,} pictures are grey: taken as colours like the others"] if mixed else []
    return values, digest.hexdigest(), notices


def _bytes(file: _File) -> bytes:
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as handle:
            data = handle.read(LARGEST + 1)
    except OSError as error:
        raise unreadable(shown_path(file.path), error) from error
    if len(data) > LARGEST:
        raise DataError("the picture's file is too large", where=shown_path(file.path), want=f"{LARGEST // MIB} MiB")
    return data


@contextmanager
def _opened(file: _File, data: bytes) -> Iterator[Any]:
    """The picture, its header read.  DataError for what Pillow cannot read, or takes for a decompression bomb."""
    image = require("PIL.Image", for_="reading pictures", extra="data")
    where = shown_path(file.path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dates and places that a camera wrote wrongly
            warnings.simplefilter("error", image.DecompressionBombWarning)
            with image.open(io.BytesIO(data), formats=FORMATS) as picture:
                if getattr(picture, "n_frames", 1) > 1:
                    raise DataError("the file holds several pictures", where=where, got=f"{picture.n_frames}")
                if picture.mode not in (*GREY, *COLOUR):
                    raise DataError(
                        "a picture of this kind cannot be read",
                        where=where,
                        got=f"mode {picture.mode}",
                        want="8 bits of grey or of red, green and blue for each pixel",
                        fix="convert it first: mogrify -depth 8 -colorspace sRGB FILES",
                    )
                yield picture
    except DataError:
        raise
    except (image.DecompressionBombError, image.DecompressionBombWarning) as error:
        raise DataError(
            "the picture is too large: it looks like a decompression bomb", where=where, got=str(error)[:100]
        ) from error
    except (OSError, ValueError, SyntaxError, TypeError, IndexError, EOFError, MemoryError, OverflowError) as error:
        raise DataError(
            "the picture is damaged, or no picture",
            where=where,
            got=" ".join(str(error).split())[:120].replace(str(io.BytesIO), "file") or type(error).__name__,
            want=f"one of {', '.join(FORMATS)}",
            fix="fetch it again, or remove it",
        ) from error


def _size(picture: Any) -> tuple[int, int]:
    """(height, width) as a viewer shows it."""
    width, height = picture.size
    return (width, height) if picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8) else (height, width)


def _pixels_of(picture: Any, colour: bool, file: _File) -> Array:
    """uint8 (height, width) or (height, width, 3)."""
    turned = require("PIL.ImageOps", for_="reading pictures", extra="data").exif_transpose(picture)
    if turned.mode in ("LA", "PA", "RGBA") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
        if np.asarray(turned)[..., 3].min() < 255:
            raise DataError(
                "the picture has transparent pixels",
                where=shown_path(file.path),
                want="a picture that covers its whole area",
                fix="put it on a ground: mogrify -background white -alpha remove FILES",
            )
    return np.asarray(turned.convert("RGB" if colour else "L"))


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]} pixels"
