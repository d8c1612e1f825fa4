"""`denpa draw` as a user runs it."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

SHOP = (
    "draw",
    "(apple*n_apple + orange*n_orange)*tax",
    "apple=100",
    "n_apple=2",
    "orange=150",
    "n_orange=3",
    "tax=1.1",
)


def test_the_shop(run_denpa, tmp_path: Path) -> None:
    done = run_denpa(*SHOP, "-o", "shop.svg", "--label", "apple=りんご")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "out 650 × 1.1 715" in lines
    for line in ("∂out/∂りんご 1.1 × 2 2.2", "∂out/∂n_apple 1.1 × 100 110", "∂out/∂orange 1.1 × 3 3.3",
                 "∂out/∂n_orange 1.1 × 150 165", "∂out/∂tax 1 × 650 650", "∂out/∂out 1 1"):  # fmt: skip
        assert line in lines
    assert lines[-1] == "picture: shop.svg"
    texts = {"".join(t.itertext()) for t in ET.parse(tmp_path / "shop.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {"りんご", "n_apple", "715", "←2.2", "←650"} <= texts
    assert "apple" not in texts


def test_without_a_file_the_picture_is_printed(run_denpa) -> None:
    done = run_denpa("draw", "z = x*y", "x=2", "y=-3", "--lang", "ja")
    assert done.returncode == 0
    assert "├ 2 ←−3 ─ x" in done.stdout.replace("← −3", "←−3")
    assert "順伝播" in done.stdout
    assert "2 × (−3)" in done.stdout


@pytest.mark.parametrize("suffix", ["html", "tex", "dot", "txt", "png"])
def test_every_form(run_denpa, tmp_path: Path, suffix: str) -> None:
    if suffix == "png":
        pytest.importorskip("resvg_py")
    done = run_denpa(*SHOP, "-o", f"shop.{suffix}", "--local", "--theme", "dark", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"picture: shop.{suffix}\n"
    assert (tmp_path / f"shop.{suffix}").stat().st_size > 100


def test_a_series_and_a_step(run_denpa, tmp_path: Path) -> None:
    done = run_denpa(*SHOP, "-o", "s.svg", "--steps", "--quiet")
    assert done.stdout == "picture: s-00.svg … s-09.svg (10 files)\n"
    run_denpa(*SHOP, "-o", "one.svg", "--step", "3", "--quiet")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "s-03.svg").read_bytes()


def test_arrays(run_denpa) -> None:
    done = run_denpa("draw", "sum(x*w)", "x=[1, 2, 3]", "w=[0.5, 0, -1]", "--tensors", "summary")
    assert done.returncode == 0, done.stderr
    assert "[0.5, 0, −1]" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x^2", "x=1"), "a power is written x**2"),
        (("x*2",), "x=number"),
        (("x*2", "x=1", "y=2"), "the formula has no 'y'"),
        (("x*2", "x=a"), "this is not a number"),
        (("x*2", "x=nan"), "this is not a number"),
        (("x*2", "x=[1,[2,'a']]"), "this is not a number"),
        (("x*2", "x=" + "[" * 5000), "this is not a number"),
        (("x*2", "x"), "NAME=VALUE"),
        (("x*2", "x=1", "x=2"), "given twice"),
        (("x*2", "x=1", "-o", "x.gif"), "no such form"),
        (("x*2", "x=1", "--steps"), "needs -o FILE"),
        (("x*2", "x=1", "--step", "99"), "no such step"),
        (("x*2", "x=1", "--zoom", "units"), "belongs to a network"),
        (("x*2", "x=1", "--expand", "layer9"), "no collapsed box"),
        (("x*2", "x=1", "--highlight", "q"), "named 'q'"),
        (("x*2", "x=1", "--label", "x"), "NAME=VALUE"),
        (("__import__('os')", "x=1"), "no function '__import__'"),
    ],
)
def test_mistakes_are_one_message(run_denpa, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run_denpa("draw", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(run_denpa) -> None:
    done = run_denpa("draw", "x*2", "x=1", "-o", "nowhere/x.svg")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_limit_of_nodes_before_a_graph_collapses(run_denpa) -> None:
    formula = ("h = exp(x)*x + exp(-x); h*h + h", "x=0.5", "--quiet")
    whole, collapsed = run_denpa("draw", *formula), run_denpa("draw", *formula, "--limit", "5")
    assert "exp" in whole.stdout
    assert len(collapsed.stdout.splitlines()) < len(whole.stdout.splitlines())
    assert run_denpa("draw", *formula, "--limit", "0").returncode == 2


@pytest.fixture
def run(run_denpa, tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with (tmp_path / "shop.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["width", "height", "sold"])
        writer.writerows([a, b, "yes" if a + b > 0 else "no"] for a, b in rng.normal(size=(40, 2)).round(3))
    options = ("--hidden", "3", "--epochs", "1", "--batch-size", "8", "--engine", "eager")
    done = run_denpa("train", "shop.csv", "--target", "sold", "--out", "run", *options)
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_a_trained_network_at_three_zooms(run_denpa, run: Path, tmp_path: Path) -> None:
    for zoom in ("layers", "units", "operations"):
        done = run_denpa("draw", run, "--data", "shop.csv", "--zoom", zoom, "-o", f"{zoom}.svg", "--quiet")
        assert done.returncode == 0, done.stderr
        ET.parse(tmp_path / f"{zoom}.svg")
    assert run_denpa("draw", run / "model.safetensors", "--data", "shop.csv", "--row", "3").returncode == 0
    for arguments, message in (
        ((run,), "drawn with data"),
        ((run, "--data", "shop.csv", "--row", "40"), "no such row"),
        ((run, "x=1", "--data", "shop.csv"), "values belong to a formula"),
    ):
        done = run_denpa("draw", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
