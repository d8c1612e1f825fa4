"""`denpa check` as a learner, a class or a CI runs it: text, JSON, languages, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RIGHT = """
class Double:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout
"""
WRONG = RIGHT.replace("Double", "Halved").replace("return 2 * dout", "return dout")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(RIGHT + WRONG, encoding="utf-8")
    return path


def test_all_right_is_exit_code_0(run_denpa, mine) -> None:
    done = run_denpa("check", mine, "--class", "Double")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Double: right  (class, backward in line 6)", "1 of 1 right"]
    assert done.stderr == ""


def test_something_wrong_is_exit_code_1_and_says_what(run_denpa, mine) -> None:
    done = run_denpa("check", "mine.py")
    assert done.returncode == 1
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Double: right  (class, backward in line 6)"
    assert lines[1] == "Halved: WRONG  (class, backward in line 13)"
    assert lines[2].endswith("dx is 0.5 times the right gradient")
    assert "smallest failing input: x = [[1.]], dout = [[1.]]: got 1, the numerical derivative is 2" in lines[3]
    assert lines[-1] == "1 of 2 right"


def test_in_japanese(run_denpa, mine) -> None:
    done = run_denpa("check", "mine.py", "--lang", "ja")
    assert done.returncode == 1
    assert "Halved: 誤り" in done.stdout
    assert "dx が正しい勾配の 0.5 倍です" in done.stdout
    assert done.stdout.splitlines()[-1] == "2 個のうち 1 個が正しい"


def test_as_json(run_denpa, mine) -> None:
    done = run_denpa("check", "mine.py", "--json", "--seed", "3")
    assert done.returncode == 1
    facts = json.loads(done.stdout)
    assert (facts["file"], facts["outcome"], facts["seed"], facts["printed"]) == ("mine.py", "wrong", 3, 0)
    assert [j["name"] for j in facts["judged"]] == ["Double", "Halved"]
    (fault,) = facts["judged"][1]["faults"]
    assert fault["kind"] == "factor"
    assert set(fault["says"]) == {"en", "ja"}
    assert fault["example"]["arrays"] == {"x": "[[1.]]"}


def test_remarks_count_only_when_asked(run_denpa, tmp_path) -> None:
    (tmp_path / "wide.py").write_text(
        RIGHT.replace("2 * x", "x * np.float64(2)").replace("class", "import numpy as np\nclass")
    )
    done = run_denpa("check", "wide.py")
    assert done.returncode == 0
    assert "remark: forward is float64 for float32 inputs" in done.stdout
    assert run_denpa("check", "wide.py", "--strict").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check",), "Missing argument"),
        (("check", "mine.py", "--class", "Triple"), "has no 'Triple' to judge"),
        (("check", "mine.py", "--timeout", "0"), "time limit"),
        (("check", "mine.py", "--lang", "fr"), "fr"),
        (("check", "mine.py", "--seed", "-1"), "-1"),
        (("chekc", "mine.py"), "Did you mean 'check'?"),
    ],
)
def test_usage_is_exit_code_2(run_denpa, mine, arguments, expected) -> None:
    done = run_denpa(*arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "import numpy\nnumpy.nowhere()\n",
            "error: bad.py cannot be run: line 2: AttributeError: module 'numpy' has no",
        ),
        ("while True: pass\n", "error: bad.py cannot be run: line 1: still running after 1 s"),
        ("while True: print(0)\n", "error: bad.py cannot be run: line 1: still running after 1 s"),
    ],
)
def test_a_file_that_cannot_be_run_is_exit_code_3_and_one_line(run_denpa, tmp_path, text, expected) -> None:
    (tmp_path / "bad.py").write_text(text)
    done = run_denpa("check", "bad.py", "--timeout", "1")
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(expected)


def test_a_missing_or_empty_file_is_exit_code_3(run_denpa, tmp_path) -> None:
    assert run_denpa("check", "none.py").returncode == 3
    (tmp_path / "empty.py").write_text("")
    done = run_denpa("check", "empty.py")
    assert done.returncode == 3
    assert "holds nothing to judge" in done.stderr
