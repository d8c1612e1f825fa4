"""Files that cannot be run, each costing one clear line; and the walls around those that can."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from denpa.errors import DataError, UsageError
from denpa.interop import check_file
from denpa.interop.judging.faults import Outcome, from_json
from denpa.interop.judging.process import CannotRun

GOOD = """
class Double:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout
"""

BROKEN = {
    "an unknown import": ("import numpy\nimport nowhere_to_be_found", "line 2: ModuleNotFoundError: No module named"),
    "a division by zero": ("x = 1\n\ny = x / 0\n", "line 3: ZeroDivisionError: division by zero"),
    "a slip of syntax": ("def f(:\n    pass\n", "line 1: SyntaxError: invalid syntax"),
    "a bad character": ("x = 1\ny = \x00\n", "SyntaxError"),
    "an endless loop": ("n = 0\nwhile True:\n    n += 1\n", "still running after 1 s"),
    "an endless loop that catches everything": (
        "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass\n",
        "line 4: it does not end",
    ),
    "endless printing": ("while True:\n    print('rubbish' * 1000)\n", "still running after 1 s"),
    "an exit": ("import sys\nsys.exit(7)\n", "line 2: the file ends the program itself: sys.exit(7)"),
    "a hard exit": ("import os\nos._exit(0)\n", "the process ended itself with exit code 0"),
    "a crash of the process": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "SIGSEGV"),
    "too much memory": ("x = bytearray(1 << 44)\n", "line 1: MemoryError"),
    "endless recursion": ("def f():\n    return f()\nf()\n", "line 2: RecursionError"),
    "a question": ("x = input('your name? ')\n", "line 1: EOFError"),
    "an exception with many lines": ("raise ValueError('a\\nb\\nc')\n", "line 1: ValueError: a b c"),
    "nothing": ("x = 1\n", "holds nothing to judge"),
    "no backward": ("class A:\n    def forward(self, x):\n        return x\n", "holds nothing to judge"),
    "an empty file": ("", "holds nothing to judge"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_run_costs_one_clear_line(name: str, tmp_path: Path) -> None:
    text, expected = BROKEN[name]
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CannotRun) as caught:
        check_file(path, timeout=1)
    assert expected in caught.value.what
    assert "\n" not in caught.value.what
    assert len(caught.value.what) < 500 + len(str(path))
    assert caught.value.exit_code == 3


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="is not there"):
        check_file(tmp_path / "none.py")
    with pytest.raises(CannotRun, match="is not a file"):
        check_file(tmp_path)
    path = tmp_path / "binary.py"
    path.write_bytes(os.urandom(1000))
    with pytest.raises(CannotRun, match="cannot be run"):
        check_file(path, timeout=5)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), 1e9])
def test_a_limit_that_cannot_be_meant(timeout: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="time limit"):
        check_file(tmp_path / "x.py", timeout=timeout)


def test_one_layer_that_does_not_end_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        GOOD + "\nclass Ever:\n    def forward(self, x):\n        while True:\n            pass\n"
        "    def backward(self, dout):\n        return dout\n" + GOOD.replace("Double", "Twice"),
        encoding="utf-8",
    )
    report = check_file(path, timeout=2)
    assert [(j.name, j.outcome) for j in report.judgements] == [
        ("Double", Outcome.RIGHT),
        ("Ever", Outcome.WRONG),
        ("Twice", Outcome.RIGHT),
    ]
    fault = report.judgements[1].faults[0]
    assert fault.kind == "loops"
    assert fault.line in (11, 12)


def test_a_backward_that_does_not_end_costs_only_itself(tmp_path: Path) -> None:
    """The trial run of a class passes over what raises; what does not end must not be called again."""
    path = tmp_path / "mine.py"
    path.write_text(
        "class Ever:\n    def forward(self, x):\n        return x\n"
        "    def backward(self, dout):\n        while True:\n            pass\n" + GOOD,
        encoding="utf-8",
    )
    report = check_file(path, timeout=2)
    assert [j.name for j in report.judgements] == ["Ever", "Double"]
    assert (report.judgements[0].faults[0].kind, report.judgements[1].outcome) == ("loops", Outcome.RIGHT)


def test_lists_of_lists_are_a_gradient(tmp_path: Path) -> None:
    """Seed 003 has no arrays."""
    path = tmp_path / "mine.py"
    path.write_text(
        "class Twice:\n    def forward(self, x):\n        return [[2 * v for v in row] for row in x]\n"
        "    def backward(self, dout):\n        return [[FACTOR * v for v in row] for row in dout]\n"
        "FACTOR = 2\n",
        encoding="utf-8",
    )
    assert check_file(path)
    path.write_text(path.read_text(encoding="utf-8").replace("FACTOR = 2", "FACTOR = 3"), encoding="utf-8")
    assert not check_file(path)


def test_a_layer_that_raises_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(GOOD.replace("return 2 * dout", "return 2 * dout @ self.nowhere"), encoding="utf-8")
    fault = check_file(path).judgements[0].faults[0]
    assert (fault.kind, fault.line) == ("raises", 7)
    assert "AttributeError" in fault.says.en


def test_the_file_runs_elsewhere(tmp_path: Path) -> None:
    """In another process, without what stands under __main__, with its own folder to import from, and no input."""
    (tmp_path / "beside.py").write_text("factor = 2\n", encoding="utf-8")
    path = tmp_path / "mine.py"
    path.write_text(
        "import os, sys, beside\n"
        f"assert os.getpid() != {os.getpid()}\n"
        "assert sys.stdin.read() == ''\n"
        "assert sys.argv == [__file__]\n"
        "sys.modules['denpa_was_here'] = sys\n"
        "print('x' * 100_000)\n" + GOOD + "\nif __name__ == '__main__':\n    raise SystemExit('never')\n",
        encoding="utf-8",
    )
    report = check_file(path)
    assert report
    assert report.printed == 100_001
    assert "denpa_was_here" not in sys.modules
    assert "beside" not in sys.modules
    assert "printed" not in str(report.judgements[0])
    assert "100,001 characters" in str(report)


def test_what_the_file_starts_ends_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    path = tmp_path / "mine.py"
    path.write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n" + GOOD,
        encoding="utf-8",
    )
    assert check_file(path)
    pid = int(note.read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        stat = Path(f"/proc/{pid}/stat")
        if stat.is_file() and ") Z " in stat.read_text():
            return  # ended; nobody has collected it yet
        time.sleep(0.05)
    pytest.fail("the file's child process goes on")


def test_random_generators_of_the_file_stand_still(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nrng = np.random.default_rng()\n"
        "class Drop:\n    def forward(self, x):\n        self.mask = rng.random(x.shape) > 0.5\n"
        "        return x * self.mask\n    def backward(self, dout):\n        return dout * self.mask\n",
        encoding="utf-8",
    )
    assert check_file(path)


def test_what_is_found_and_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nimport denpa as dp\nfrom denpa.interop import Function\n"
        "class Layer:\n    def forward(self, x):\n        raise NotImplementedError\n"
        "    def backward(self, dout):\n        raise NotImplementedError\n"
        "class Same(Layer):\n    def forward(self, x):\n        return x * 1\n"
        "    def backward(self, dout):\n        return dout * 1\n"
        "class OnlyForward:\n    def forward(self, x):\n        return x\n"
        "def sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n"
        "def sigmoid_grad(x):\n    return sigmoid(x) * (1 - sigmoid(x))\n"
        "def lonely(x):\n    return x\n"
        "class Negate(Function):\n    @staticmethod\n    def forward(ctx, x):\n        return -x\n"
        "    @staticmethod\n    def backward(ctx, g):\n        return -g\n"
        "@dp.primitive(shape=dp.same)\ndef my_cube(xp, x):\n    return x * x * x\n"
        "@my_cube.vjp\ndef _(g, out, x):\n    return (3 * g * x * x,)\n"
        "relu = dp.relu\n",
        encoding="utf-8",
    )
    report = check_file(path)
    assert report, str(report)
    assert [(j.name, j.kind) for j in report.judgements] == [
        ("Same", "class"),
        ("sigmoid", "function"),
        ("Negate", "autograd function"),
        ("my_cube", "primitive"),
    ]
    assert [name for name, _ in report.skipped] == ["Layer", "OnlyForward"]
    only = check_file(path, only="sigmoid")
    assert [j.name for j in only.judgements] == ["sigmoid"]
    with pytest.raises(UsageError, match="'lonely'"):
        check_file(path, only="lonely")


def test_a_result_that_the_file_has_written_into_is_refused() -> None:
    for rubbish in (3, [], {}, {"name": 3}, json.loads('{"name": "x", "kind": "class", "line": "a"}')):
        with pytest.raises(DataError, match="wrote into the result"):
            from_json(rubbish)
