"""Damaged files of a run by the thousand: each is read as it should be, or is one clear error.

Bytes are wounded, and, where a hash would notice that at once, the description inside is changed and hashed again.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.data.formats import LONG, MUTATIONS, SLOW, mutated, write
from tests.train import worker

from denpa import tensorfile
from denpa.data import cache, read, streaming
from denpa.data.reading import read_schema
from denpa.data.schema import Options
from denpa.data.schemafile import dumps, read_schema_file
from denpa.data.store import MAGIC, PAGE, Store
from denpa.errors import DenpaError
from denpa.train import checkpoint, history
from denpa.train.config import Config
from denpa.train.model_file import load_model
from denpa.train.run import CONFIG, INFO, METRICS, MODEL, TIMINGS, Run
from denpa.train.training import train

Draw = random.Random
NASTY: list[Any] = [
    *(None, True, False, 0, -1, 1, 0.0, -0.5, 1e308, 1 << 31, 1 << 63, 10**40, "", "a", "\0", "../../x", "/etc/passwd"),
    *("os.system", "<img src=x>", "x" * 1000, "\ud800", [], {}, [[]], [None], [1, "a"], {"a": 1}, [[[[]]]], ["a", "a"]),
    *("number", "category", "classes", "numbers", "relu", "softmax", "nan", "float64", [0], [-1], [1 << 40], [0.0]),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value inside a JSON value."""
    found = [path] if path else []
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def changed(value: Any, draw: Draw) -> Any:
    """One to three values inside replaced, deleted, doubled or exchanged."""
    value = copy.deepcopy(value)
    for _ in range(draw.randint(1, 3)):
        ways = places(value)
        if not ways:
            return value
        *way, key = draw.choice(ways)
        inner = value
        for step in way:
            inner = inner[step]
        act = draw.randrange(6)
        if act == 0:
            del inner[key]
        elif act == 1 and isinstance(inner, list):
            inner.insert(draw.randint(0, len(inner)), copy.deepcopy(draw.choice([inner[key], *NASTY])))
        elif act == 1:
            inner[draw.choice(["", "sha256", "kind", "x", "__class__"])] = copy.deepcopy(draw.choice(NASTY))
        elif act == 2:
            *other, last = draw.choice(ways)
            try:
                source = value
                for step in (*other, last):
                    source = source[step]
            except (KeyError, IndexError, TypeError):
                continue
            inner[key] = copy.deepcopy(source)
        else:
            inner[key] = copy.deepcopy(draw.choice(NASTY))
    return value


@dataclass
class Target:
    """A file of a run: what is there, how it is wounded, and what reads it."""

    path: Path
    wound: Callable[[bytes, Draw], bytes]
    reader: Callable[[Path], object]


def described(data: bytes, draw: Draw) -> bytes:
    """A safetensors file whose description is changed and whose hash is right again."""
    file = tensorfile.decode(data, "sample")
    about = changed({key: value for key, value in file.about.items() if key != "sha256"}, draw)
    arrays = dict(file.arrays)
    if draw.randrange(4) == 0:
        arrays.pop(draw.choice(list(arrays)))
    if draw.randrange(4) == 0:
        name = draw.choice(list(arrays))
        arrays[draw.choice([name, "../x", "0.weight"])] = arrays[name].reshape(-1)[: draw.randint(0, 5)]
    return tensorfile.encode(arrays, about)


def header(data: bytes, draw: Draw) -> bytes:
    """A safetensors file with another header, of the right length."""
    size = int.from_bytes(data[:8], "little")
    found = changed(json.loads(data[8 : 8 + size]), draw)
    text = json.dumps(found).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def stored(data: bytes, draw: Draw) -> bytes:
    """A store whose header is changed and whose checksum is right again."""
    text = data[len(MAGIC) + 65 : PAGE].rstrip(b"\0").removesuffix(b"\n")
    found = json.loads(text)
    key = found["key"]
    found = changed(found, draw)
    if isinstance(found, dict):
        found["key"] = key
    text = json.dumps(found).encode()
    head = MAGIC + hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n"
    return head.ljust(PAGE, b"\0") + data[PAGE:]


def jsons(data: bytes, draw: Draw) -> bytes:
    lines = data.splitlines()
    if len(lines) > 1 and lines[0] != b"{":
        at = draw.randrange(len(lines))
        lines[at] = json.dumps(changed(json.loads(lines[at]), draw)).encode()
        return b"\n".join(lines) + b"\n"
    return json.dumps(changed(json.loads(data), draw)).encode()


def whole_run(path: Path) -> None:
    """All that listing, showing and reporting read of a run."""
    run = Run(path.parent)
    assert isinstance(run.id, str)
    assert run.status
    assert isinstance(run.history, list)
    assert run.config


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    run = train(worker.settings(epochs=3, engine="eager"), worker.dataset(), folder / "run").run.path
    saved = checkpoint.saved(run)[0]
    table = worker.table(folder / "table.csv", 60)
    schema = write(folder / "schema.toml", dumps(read_schema(table, Options(target="cluster"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "folder", lambda: folder / "cache")
        data: Any = read(table, "cluster", stream="yes")
    store = data.inputs.store

    def decoded(path: Path) -> object:
        return checkpoint.decode(path.read_bytes(), str(path))

    def foreign(path: Path) -> object:
        return tensorfile.decode(path.read_bytes(), str(path), foreign=True)

    def opened(path: Path) -> object:
        return streaming.dataset(Store(path, store.key)).inputs[0:5]

    def settings(path: Path) -> object:
        return Run(path.parent).config

    found = {
        "model, bytes": Target(run / MODEL, mutated, load_model),
        "model, description": Target(run / MODEL, described, load_model),
        "model, header": Target(run / MODEL, header, foreign),
        "checkpoint, bytes": Target(saved, mutated, decoded),
        "checkpoint, description": Target(saved, described, decoded),
        "run.json, bytes": Target(run / INFO, mutated, whole_run),
        "run.json, values": Target(run / INFO, jsons, whole_run),
        "metrics, bytes": Target(run / METRICS, mutated, history.read),
        "metrics, values": Target(run / METRICS, jsons, whole_run),
        "timings, values": Target(run / TIMINGS, jsons, whole_run),
        "config.toml, bytes": Target(run / CONFIG, mutated, settings),
        "config.toml, alone": Target(run / CONFIG, mutated, lambda path: Config.from_toml(path.read_text("latin-1"))),
        "schema.toml, bytes": Target(schema, mutated, read_schema_file),
        "rows, header": Target(store.path, stored, opened),
    }
    for path in (run / name for name in (INFO, METRICS, TIMINGS, CONFIG)):
        assert path.stat().st_size
    return found


NAMES = (
    *("model, bytes", "model, description", "model, header", "checkpoint, bytes", "checkpoint, description"),
    *("run.json, bytes", "run.json, values", "metrics, bytes", "metrics, values", "timings, values"),
    *("config.toml, bytes", "config.toml, alone", "schema.toml, bytes", "rows, header"),
)


def campaign(target: Target, count: int, seed: int) -> Counter[str]:
    """How `count` wounded files were taken: "read", "error", "slow", or the name of what escaped, once shown whole."""
    draw, taken, sample = random.Random(seed), Counter[str](), target.path.read_bytes()
    try:
        for _ in range(count):
            try:
                wounded = target.wound(sample, draw)
            except (ValueError, UnicodeError, OverflowError):  # it cannot be written: NaN, a lone surrogate
                continue
            target.path.write_bytes(wounded)
            began = time.process_time()
            try:
                target.reader(target.path)
                taken["read"] += 1
            except DenpaError:
                taken["error"] += 1
            except Exception as error:
                if not taken[type(error).__name__]:
                    write(target.path.with_name("escaped"), wounded)
                    last = error.__traceback__
                    while last is not None and last.tb_next is not None:
                        last = last.tb_next
                    where = "" if last is None else f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
                    taken[f"{type(error).__name__}: {error} at {where}"[:300]] += 1
                taken[type(error).__name__] += 1
            taken["slow"] += time.process_time() - began > SLOW
    finally:
        target.path.write_bytes(sample)
    return +taken


@pytest.mark.parametrize("name", NAMES)
def test_only_errors_of_denpa_escape(name: str, targets: dict[str, Target]) -> None:
    assert set(NAMES) == set(targets)
    taken = campaign(targets[name], 40 if name.startswith("rows") else MUTATIONS // 4, 0)
    assert set(taken) <= {"read", "error"}, taken
    assert taken["error"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_only_errors_of_denpa_escape_in_a_long_campaign(name: str, targets: dict[str, Target]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = LONG // len(NAMES) // (100 if name.startswith("rows") else 1)  # a store is 2 MiB
    taken = campaign(targets[name], count, random.getrandbits(32))
    assert set(taken) <= {"read", "error"}, taken
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB
