"""Folders of pictures: a class each, in a fixed order; sizes, kinds and damaged files are told by name."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import refused, write

from denpa.data import InputEncoding, TargetEncoding, read, read_inputs, read_like
from denpa.errors import DataError, UsageError

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (8, 5, 4)).astype("u1")
COLOUR = RNG.integers(0, 256, (8, 5, 4, 3)).astype("u1")


def picture(pixels: Any, kind: str = "PNG", **how: Any) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(stream, kind, **how)
    return stream.getvalue()


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """cat/0.png, dog/1.png, cat/2.png, …"""
    for i, pixels in enumerate(GREY):
        write(tmp_path / "pets" / ("cat", "dog")[i % 2] / f"{i}.png", picture(pixels))
    return tmp_path / "pets"


def test_classes_are_folders_in_the_order_of_their_names(pets: Path) -> None:
    data = read(pets)
    assert data.classes == ("cat", "dog")
    np.testing.assert_array_equal(data.inputs, GREY[[0, 2, 4, 6, 1, 3, 5, 7]])
    np.testing.assert_array_equal(data.targets, [0, 0, 0, 0, 1, 1, 1, 1])
    assert (data.inputs.dtype, data.image_shape, data.maximum) == (np.uint8, (5, 4), 255)
    assert (data.target_name, data.notices) == ("class", ())


def test_colours_and_other_formats(tmp_path: Path) -> None:
    kinds = ["PNG", "BMP", "TIFF", "PPM", "WEBP", "PNG", "BMP", "TIFF"]
    for i, (pixels, kind) in enumerate(zip(COLOUR, kinds, strict=True)):
        how = {"lossless": True} if kind == "WEBP" else {}
        end = {"TIFF": "tif", "PPM": "ppm"}.get(kind, kind.lower())
        write(tmp_path / "ab"[i // 4] / f"{i}.{end.upper() if i % 2 else end}", picture(pixels, kind, **how))
    data = read(tmp_path)
    np.testing.assert_array_equal(data.inputs, COLOUR)
    write(tmp_path / "a" / "9.jpg", picture(COLOUR[0], "JPEG"))
    assert read(tmp_path).inputs.shape == (9, 5, 4, 3)


def test_grey_ones_among_coloured_ones_are_said(pets: Path) -> None:
    write(pets / "dog" / "8.png", picture(COLOUR[0]))
    write(pets / "dog" / "9.gif", picture(Image.fromarray(GREY[0]).convert("P"), "GIF"))
    data = read(pets)
    assert data.image_shape == (5, 4, 3)
    np.testing.assert_array_equal(data.inputs[0], np.repeat(GREY[0][..., None], 3, axis=2))
    np.testing.assert_array_equal(data.inputs[-2], COLOUR[0])
    assert "pictures are grey" in data.notices[0]


def test_other_files_are_named_and_hidden_ones_and_links_left_out(pets: Path, tmp_path: Path) -> None:
    first = read(pets)
    write(pets / "cat" / ".DS_Store", "x")
    write(pets / ".cache" / "1.png", picture(GREY[0]))
    assert read(pets).sha256 == first.sha256
    write(pets / "cat" / "notes.txt", "x")
    os.symlink(pets / "cat" / "0.png", pets / "dog" / "link.png")
    os.symlink(pets / "cat", pets / "bird")
    data = read(pets)
    assert data.sha256 == first.sha256
    assert data.classes == first.classes
    assert data.notices == (
        "3 files that are no pictures, or links, are left out: 'cat/notes.txt', 'dog/link.png', 'bird'",
    )


def test_the_hash_is_of_names_and_contents(pets: Path) -> None:
    found = {read(pets).sha256}
    (pets / "cat" / "0.png").rename(pets / "cat" / "00.png")
    found.add(read(pets).sha256)
    write(pets / "cat" / "00.png", picture(GREY[1]))
    found.add(read(pets).sha256)
    assert len(found) == 3


def test_a_train_and_a_test_folder(pets: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    pets.rename(both / "train")
    write(both / "test" / "dog" / "a.png", picture(GREY[3]))
    data = read(both)
    assert data.test is not None
    assert (len(data), data.test.targets.tolist(), data.test.classes) == (8, [1], ("cat", "dog"))
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    assert len(read_like(both, inputs, targets)) == 1
    assert read_inputs(both, inputs).ids == ("dog/a.png",)
    write(both / "test" / "bird" / "a.png", picture(GREY[3]))
    with refused("labels that the training data did not have: 'bird'"):
        read(both)
    (both / "test").rename(both / "val")
    with refused("a folder called train, and others beside it", "'val'", f"give {both / 'train'}: --valid"):
        read(both)


def test_predicting_knows_files_by_name(pets: Path, tmp_path: Path) -> None:
    data = read(pets)
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    for i in (3, 1, 2):
        write(tmp_path / "new" / f"{i}.png", picture(GREY[i]))
    found = read_inputs(tmp_path / "new", inputs)
    assert found.ids == ("1.png", "2.png", "3.png")
    np.testing.assert_array_equal(found.inputs, GREY[1:4])
    assert read_inputs(pets, inputs).ids == tuple(
        f"{'cat' if i % 2 == 0 else 'dog'}/{i}.png" for i in (0, 2, 4, 6, 1, 3, 5, 7)
    )
    one = read_inputs(tmp_path / "new" / "2.png", inputs)
    np.testing.assert_array_equal(one.inputs, GREY[2:3])
    assert one.ids == ("2.png",)
    np.testing.assert_array_equal(read_like(pets, inputs, targets).targets, data.targets)
    write(tmp_path / "new" / "4.png", picture(COLOUR[0]))
    with refused("trained on grey pictures", "'4.png'"):
        read_inputs(tmp_path / "new", inputs)
    with refused("in no class folder"):
        read(tmp_path / "new")


def test_a_network_of_colours_takes_grey_pictures(pets: Path, tmp_path: Path) -> None:
    for i, pixels in enumerate(COLOUR):
        write(tmp_path / "colours" / ("cat", "dog")[i % 2] / f"{i}.png", picture(pixels))
    data = read(tmp_path / "colours")
    inputs, targets = InputEncoding.fit(data), TargetEncoding.fit(data)
    assert read_inputs(pets, inputs).image_shape == (5, 4, 3)
    assert read_like(pets, inputs, targets).image_shape == (5, 4, 3)


def test_a_turned_photograph_is_turned_back(pets: Path) -> None:
    turned = Image.fromarray(np.rot90(GREY[0]))
    exif = Image.Exif()
    exif[0x0112] = 6  # show it turned by 90° clockwise
    write(pets / "cat" / "0.png", picture(turned, exif=exif))
    np.testing.assert_array_equal(read(pets).inputs[0], GREY[0])


def test_transparency(pets: Path) -> None:
    whole = np.dstack([COLOUR[0], np.full((5, 4), 255, "u1")])
    write(pets / "cat" / "0.png", picture(whole))
    np.testing.assert_array_equal(read(pets).inputs[0], COLOUR[0])
    whole[0, 0, 3] = 254
    write(pets / "cat" / "0.png", picture(whole))
    with refused("transparent pixels", "0.png", "white"):
        read(pets)


def bomb() -> bytes:
    """A PNG of 60,000 × 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("cat/x.png", picture(GREY[0][:4]), ("different sizes", "'cat/0.png' of 4×5 pixels, 'cat/x.png' of 4×4")),
        ("cat/x.png", b"no picture", ("damaged, or no picture", "cat/x.png")),
        ("cat/x.png", b"", ("damaged, or no picture", "cat/x.png")),
        ("cat/x.png", picture(GREY[0])[:60], ("damaged, or no picture", "cat/x.png")),
        ("cat/x.png", bomb(), ("decompression bomb", "cat/x.png")),
        ("cat/x.png", picture(GREY[0].astype("u2") * 257), ("mode I;16", "cat/x.png")),
        ("cat/x.jpg", picture(Image.new("CMYK", (4, 5)), "JPEG"), ("mode CMYK", "cat/x.jpg")),
        (
            "cat/x.gif",
            picture(Image.fromarray(GREY[0]), "GIF", save_all=True, append_images=[Image.fromarray(GREY[1])]),
            ("several pictures", "cat/x.gif"),
        ),
        ("cat/x.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 5\n", ("damaged, or no picture", "cat/x.png")),
        ("cat/deep/x.png", picture(GREY[0]), ("a folder inside a class folder", "'deep'")),
        ("x.png", picture(GREY[0]), ("stand in no class folder", "'x.png'")),
        ("bird/x.txt", b"", ("a class folder has no pictures", "bird")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_learned_from(name: str, content: bytes, fragments: tuple[str, ...], pets: Path) -> None:
    write(pets / name, content)
    with refused(*fragments):
        read(pets)


def test_one_class_and_no_class(pets: Path, tmp_path: Path) -> None:
    write(tmp_path / "one" / "cat" / "1.png", picture(GREY[0]))
    with refused("1 class"):
        read(tmp_path / "one")
    with refused("this is one picture"):
        read(tmp_path / "one" / "cat" / "1.png")
    with refused("regression"):
        read(pets, task="regression")
    with pytest.raises(UsageError, match="only a table has a target"):
        read(pets, "y")


def test_memory_is_looked_at_first(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("denpa.data.pictures.free_memory", lambda: 300)
    with refused("do not fit into memory"):
        read(pets)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_damaged_pictures_give_one_error_or_other_pixels(kind: str, pets: Path) -> None:
    rng, content = random.Random(kind), picture(GREY[0], kind)
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(rng.choice((1, 2, 8))):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        write(pets / "cat" / "0.png", bytes(broken[: rng.choice((len(broken), rng.randrange(len(broken))))]))
        with suppress(DataError):
            read(pets)
