"""`denpa export` and `denpa import`, on a run and back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.train import worker

from denpa import cli
from denpa.train.model_file import load_model, save_model
from denpa.train.training import train

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(worker.settings(epochs=3), worker.dataset(), tmp_path_factory.mktemp("export") / "run").run.path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    data = worker.dataset(50)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{i}" for i in range(1, 13)), "cluster"])
        writer.writerows([*row, data.classes[t]] for row, t in zip(data.inputs, data.targets, strict=True))  # type: ignore[index]
    return tmp_path / "rows.csv"


def denpa(*arguments: object, capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.run([str(a) for a in arguments])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_there_and_back(run: Path, rows: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = denpa("export", run, "-o", tmp_path / "m.onnx", "--check", rows, capfd=capfd)
    assert code == 0
    assert "the whole model" in out
    assert "onnxruntime agrees on 50 rows" in out
    assert ", 0 other classes" in out
    code, out, _ = denpa("import", tmp_path / "m.onnx", "-o", tmp_path / "m.safetensors", capfd=capfd)
    assert code == 0
    assert "12-16-8-3 (relu, relu, softmax), 3 classes, target 'cluster'" in out
    assert "note" not in out
    other = tmp_path / "other.safetensors"
    code, out, _ = denpa("import", tmp_path / "m.onnx", "-o", other, "--target", "cluster", capfd=capfd)
    assert code == 0
    assert "target 'cluster'\nnote: output 'label' left out" in out
    first = denpa("predict", run, rows, "--proba", capfd=capfd)
    assert first == denpa("predict", tmp_path / "m.safetensors", rows, "--proba", capfd=capfd)
    assert first[1].startswith("cluster,p(a)")
    assert "always guessing" in denpa("evaluate", tmp_path / "m.safetensors", rows, capfd=capfd)[1]
    code, out, _ = denpa("evaluate", other, rows, capfd=capfd)
    assert code == 0
    assert "accuracy" in out
    assert "always guessing" not in out  # the nodes do not say what the classes were in training
    for verb in ("trace", "explain"):
        more = ("--weight", "0.weight[0,0]") if verb == "explain" else ()
        code, out, _ = denpa(verb, tmp_path / "m.safetensors", "--file", rows, "--row", 1, *more, capfd=capfd)
        assert code == 0, out
    assert denpa("draw", tmp_path / "m.safetensors", "--data", rows, "--quiet", capfd=capfd)[0] == 0


def test_a_difference_is_exit_code_1(
    run: Path, rows: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from denpa.interop import onnx_check

    monkeypatch.setattr(onnx_check, "TOLERANCE", 0.0)
    code, out, _ = denpa("export", run, "-o", tmp_path / "m.onnx", "--check", rows, capfd=capfd)
    assert (code, "does not agree" in out) == (1, True)


def test_weights_alone(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    want = {name: p.value for name, p in load_model(run).network.parameters().items()}
    for form, name in (("safetensors", "w.bin"), ("numpy", "w.npz")):
        code, out, _ = denpa("export", run, "-f", form, "-o", tmp_path / name, capfd=capfd)
        assert (code, "the weights alone" in out) == (0, True)
    with np.load(tmp_path / "w.npz") as found:
        assert {n: found[n].tobytes() for n in found} == {n: v.tobytes() for n, v in want.items()}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("-o", "m.txt"), 2, "the format is not known"),
        (("-o", "m.npz", "--check", "digits"), 2, "only an ONNX file can be checked"),
        (("-o", "nowhere/m.onnx"), 1, "cannot be saved"),
        ((), 2, "Missing option"),
    ],
)
def test_export_that_cannot_be_meant(
    arguments: tuple[str, ...], code: int, told: str, run: Path, tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found, _, err = denpa("export", run, *arguments, capfd=capfd)
    assert found == code
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_import_of_something_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing of the kind")
    code, _, err = denpa("import", tmp_path / "m.onnx", "-o", tmp_path / "m.safetensors", capfd=capfd)
    assert code == 3
    assert "no ONNX file" in err
    assert not (tmp_path / "m.safetensors").exists()


def test_a_run_is_found_by_its_model_file(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_model(tmp_path / "m.safetensors", load_model(run))
    for source in (run, tmp_path / "m.safetensors"):
        assert denpa("export", source, "-o", tmp_path / f"{source.stem}.onnx", capfd=capfd)[0] == 0
    assert (tmp_path / "run.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()


def test_every_kind_of_column_in_cp932(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Missing numbers and categories, dates, weights; numbers, classes and labels: checked on rows with values that
    training had not."""
    rng = np.random.default_rng(0)
    header = ["広さ", "地区", "入居日", "重み", "家賃", "共益費", "種別", "ペット", "駐車場"]
    lines = []
    for i in range(240):
        size, day = rng.uniform(20, 120), np.datetime64("2000-01-01") + int(rng.integers(0, 8000))
        place = "" if rng.random() < 0.1 else str(rng.choice(["渋谷", "表参道", "①番街"]))
        known = [f"{size:.1f}" if rng.random() > 0.1 else "", place, day, f"{rng.uniform(0.5, 2):.2f}"]
        lines.append([*known, round(11 * size), round(20 + size), "高低中"[i % 3], int(size > 60), i % 2])
    for name, places in (("train", None), ("rows", ["新宿", "", "渋谷"])):
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="cp932") as file:
            told = [[*line[:1], places[i % 3], *line[2:]] for i, line in enumerate(lines)] if places else lines
            csv.writer(file).writerows([header, *told])
    ways = {
        "numbers": ("家賃,共益費", "--dtype", "float64", "--drop", "種別"),
        "classes": ("種別", "--class-weight", "balanced", "--patience", "2", "--activation", "gelu"),
        "labels": ("ペット,駐車場", "--task", "classification"),
    }
    table = ("--encoding", "cp932")
    for name, (target, *more) in ways.items():
        out, made = tmp_path / name, tmp_path / f"{name}.onnx"
        options = ("--weight", "重み", "--epochs", "3", "--engine", "eager", "--quiet", "--out", out, *more)
        code, _, err = denpa("train", tmp_path / "train.csv", "--target", target, *table, *options, capfd=capfd)
        assert code == 0, err
        checked = ("--check", tmp_path / "rows.csv", *table)
        code, told_, err = denpa("export", out, "-o", made, *checked, capfd=capfd)
        assert code == 0, err
        assert "onnxruntime agrees on 240 rows" in told_
        assert load_model(out).targets.kind == name
    code, _, err = denpa("export", out, "-o", made, *table, capfd=capfd)
    assert code == 2
    assert "are for the rows of --check" in err
