"""Every block of code in the documentation runs, in order, as a reader would run it.

A document becomes one Python program with its blocks on their own lines, so a traceback names the line of the document;
shell blocks run in between, in the same folder.  `print(x)  # → 2.2` promises an output, and the promise is checked.
`<!-- not run: reason -->` on the line before a block exempts it.  `make` and `pip install` lines are checked, not run.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
READMES = [ROOT / "README.md", ROOT / "README.ja.md"]
DOCUMENTS = READMES + sorted((ROOT / "docs").rglob("*.md"))

PYTHON, SHELL, DATA = {"python"}, {"sh", "bash", "console"}, {"text", "csv", "json", "toml", "latex"}
EXEMPT = re.compile(r"<!-- not run: (\S.*) -->")
PROMISE = re.compile(r"# → (.+)$")

RUNNER = """
import io, json, pathlib, subprocess, sys

FOLDER = pathlib.Path(__file__).parent
BLOCKS = json.loads((FOLDER / "blocks.json").read_text(encoding="utf-8"))


def begin():
    sys.stdout = io.StringIO()


def done(block, output=None):
    output = sys.stdout.getvalue() if output is None else output
    sys.stdout = sys.__stdout__
    with open(FOLDER / "results.jsonl", "a", encoding="utf-8") as results:
        results.write(json.dumps([block, output]) + "\\n")


def shell(block):
    command = ["bash", "-euo", "pipefail", "-c", BLOCKS[str(block)]]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8")
    if ran.returncode:
        sys.exit(f"{BLOCKS[str(block)]}\\nexit code {ran.returncode}\\n{ran.stdout}\\n{ran.stderr}")
    done(block, ran.stdout)
"""


@dataclass(frozen=True)
class Block:
    line: int  # of the opening fence, counted from 1
    language: str
    lines: tuple[str, ...]
    exempt: str | None  # the reason

    @property
    def code(self) -> str:
        return "\n".join(self.lines)

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block; of a console block those behind the prompt, the rest is their output."""
        lines = self.code.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]

    @property
    def skip(self) -> str | None:
        """Why the block is not run here; None when it is."""
        if self.exempt or self.language in DATA:
            return self.exempt or "data, not code"
        if "../shared" in self.code and not SHARED.is_dir():
            return "needs the optional folder ../shared"
        return None


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text, in order.  A fence that is never closed is an AssertionError."""
    found: list[Block] = []
    lines, start, fence = text.splitlines(), 0, ""
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        if not fence and (opened := re.match(r"(```+|~~~+)", bare)):
            start, fence = number, opened[0]
        elif fence and bare == fence:
            opening = lines[start - 1]
            indent = len(opening) - len(opening.lstrip())
            before = next((earlier.strip() for earlier in reversed(lines[: start - 1]) if earlier.strip()), "")
            exempt = EXEMPT.fullmatch(before)
            body = tuple(inside[indent:] for inside in lines[start : number - 1])
            found.append(Block(start, opening.strip().removeprefix(fence).strip(), body, exempt[1] if exempt else None))
            fence = ""
    assert not fence, f"the block of line {start} is never closed"
    return found


def is_make_or_pip(command: str) -> bool:
    return re.match(r"(python3? -m )?pip install\b|make\b", command) is not None


def program(found: list[Block]) -> tuple[str, dict[int, str]]:
    """The document as a Python program, each block on its own lines, and the shell blocks by number."""
    lines = [""] * (max((b.line + len(b.lines) for b in found), default=0) + 1)
    lines[0] = "from runner import begin as _begin, done as _done, shell as _shell"  # line 1 is the title
    shells = {}
    for number, block in enumerate(found):
        if block.skip:
            continue
        if block.language in PYTHON:
            lines[block.line - 1] = "_begin()"
            lines[block.line : block.line + len(block.lines)] = block.lines
            lines[block.line + len(block.lines)] = f"_done({number})"
        else:
            shells[number] = "\n".join(c for c in block.commands if not is_make_or_pip(c))
            lines[block.line - 1] = f"_shell({number})"
    return "\n".join(lines), shells


@dataclass(frozen=True)
class Ran:
    outputs: dict[int, str]  # of the blocks that ended well
    error: str


def run(text: str, folder: Path) -> Ran:
    """Run all blocks of a document in a folder that looks like a clone: examples/, .venv and ../shared are there."""
    found = blocks(text)
    source, shells = program(found)
    clone = folder / "denpa"
    clone.mkdir()
    (clone / ".venv").symlink_to(sys.prefix)
    if SHARED.is_dir():
        (folder / "shared").symlink_to(SHARED)
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", clone / "examples")
    (folder / "runner.py").write_text(RUNNER, encoding="utf-8")
    (folder / "blocks.json").write_text(json.dumps(shells), encoding="utf-8")
    (folder / "document.py").write_text(source, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", str(folder / "document.py")],
        cwd=clone,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", "PYTHONWARNINGS": "error"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=570,
        check=False,
    )
    results = folder / "results.jsonl"
    rows = results.read_text(encoding="utf-8").splitlines() if results.is_file() else []
    return Ran(dict(json.loads(row) for row in rows), ran.stdout + ran.stderr)


def broken_promise(block: Block, output: str) -> str | None:
    """The first `# → text` that the block's output does not hold, in order."""
    rest = output
    for line in block.lines:
        if promise := PROMISE.search(line):
            text = promise[1].strip()
            if text not in rest:
                return f"promises {text!r}, the output is {output!r}"
            rest = rest.partition(text)[2]
    return None


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", text, flags=re.MULTILINE))


def extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def command_problem(command: str) -> str | None:
    """What is wrong with a `make` or `pip install` line."""
    words = command.partition("#")[0].split()
    if {"&&", "||", "|", ";"} & set(words):
        return "a make or pip line stands alone: what is joined to it would not be run"
    if words[0] == "make":
        unknown = {w for w in words[1:] if "=" not in w and not w.startswith("-")} - make_targets()
        return f"make has no target {', '.join(sorted(unknown))}" if unknown else None
    for word in words[words.index("install") + 1 :]:
        named = re.fullmatch(r"['\"]?(?:denpa|\.)(?:\[([\w,-]+)\])?['\"]?", word)
        if not named and not word.startswith("-"):
            return f"pip installs {word}, which is not denpa"
        if named and named[1] and (unknown := set(named[1].split(",")) - extras()):
            return f"pyproject.toml has no extra {', '.join(sorted(unknown))}"
    return None


def static_problems(text: str) -> list[str]:
    """What can be said without running anything."""
    found = []
    for block in blocks(text):
        if block.language not in PYTHON | SHELL | DATA:
            found.append(f"line {block.line}: the block's language is {block.language!r}; known: sh, python, text ...")
        elif block.language in SHELL:
            problems = [command_problem(c) for c in block.commands if is_make_or_pip(c)]
            found += [f"line {block.line}: {problem}" for problem in problems if problem]
    return found


def links(text: str) -> set[str]:
    """Relative targets of links and pictures, without their anchors, outside code."""
    for block in blocks(text):
        text = text.replace(block.code, "") if block.code else text
    found = re.findall(r"\]\(([^)\s]+)\)|\b(?:src|href)=\"([^\"]+)\"", text)
    targets = {(a or b).partition("#")[0] for a, b in found}
    return {t for t in targets if t and not re.match(r"[a-z]+:", t)}


def without_comments(block: Block) -> str:
    """The code that two languages of a document must share."""
    if block.language in PYTHON:
        tokens = tokenize.generate_tokens(io.StringIO(block.code + "\n").readline)
        return "\n".join(t.string for t in tokens if t.type not in {tokenize.COMMENT, tokenize.NL})
    return "\n".join(re.sub(r"(^|\s)#.*$", "", c).strip() for c in block.commands)


def signature(text: str) -> list[tuple[str, str, bool]]:
    """Per block: language, code without comments (data may be translated), and whether it is exempt."""
    return [(b.language, "" if b.language in DATA else without_comments(b), b.exempt is not None) for b in blocks(text)]


def cases() -> list[object]:
    """One test a block: (document, number of the block)."""
    return [
        pytest.param(path, number, id=f"{path.relative_to(ROOT)}:{block.line}")
        for path in DOCUMENTS
        if path.is_file()
        for number, block in enumerate(blocks(path.read_text(encoding="utf-8")))
    ]


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Ran]:
    """Runs a document once, however many of its blocks ask; two languages of it, with the same code, share that run."""
    done: dict[tuple[object, ...], Ran] = {}

    def once(path: Path) -> Ran:
        text = path.read_text(encoding="utf-8")
        key = tuple(signature(text))
        if key not in done:
            done[key] = run(text, tmp_path_factory.mktemp("document"))
        return done[key]

    return once


@pytest.mark.parametrize(("path", "number"), cases())
def test_block_runs(path: Path, number: int, ran: Callable[[Path], Ran]) -> None:
    block = blocks(path.read_text(encoding="utf-8"))[number]
    if block.skip:
        pytest.skip(block.skip)
    result = ran(path)
    assert number in result.outputs, f"{path.name}:{block.line} did not end well\n{result.error}"
    assert broken_promise(block, result.outputs[number]) is None


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_readme_shows_python_and_the_command_line(path: Path) -> None:
    languages = {block.language for block in blocks(path.read_text(encoding="utf-8")) if not block.exempt}
    assert languages & PYTHON
    assert languages & SHELL


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_document_is_sound(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert static_problems(text) == []
    assert [link for link in sorted(links(text)) if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("japanese", [p for p in DOCUMENTS if p.name.endswith(".ja.md")], ids=lambda path: path.name)
def test_both_languages_hold_the_same_code(japanese: Path) -> None:
    english = japanese.with_name(japanese.name.removesuffix(".ja.md") + ".md")
    assert signature(japanese.read_text(encoding="utf-8")) == signature(english.read_text(encoding="utf-8"))


def test_there_is_documentation() -> None:
    assert len(DOCUMENTS) > len(READMES), "docs/*.md is empty: the tests above would check nothing there"


SOUND = """# Title

```python
a = 2.0  # a comment
print(a * 2)  # → 4.0
```

- in a list

  ```console
  $ make demo
  $ echo ten > made.txt
  ten
  ```

```python
from pathlib import Path

print(a, Path("made.txt").read_text())  # → 2.0 ten
```

```sh
pip install "denpa[all]"
grep -q ten made.txt
denpa_missing || true
```

<!-- not run: it would never end -->

```sh
sleep 1000000
```
"""


def test_a_sound_document_runs(tmp_path: Path) -> None:
    result = run(SOUND, tmp_path)
    assert sorted(result.outputs) == [0, 1, 2, 3], result.error
    assert [broken_promise(b, result.outputs[n]) for n, b in enumerate(blocks(SOUND)[:4])] == [None] * 4
    assert blocks(SOUND)[4].skip == "it would never end"
    assert static_problems(SOUND) == []


@pytest.mark.parametrize(
    ("right", "wrong", "reached", "error"),
    [
        ("a = 2.0", "a = unknown", [], 'document.py", line 4'),
        ("a = 2.0", "import warnings; warnings.warn('old'); a = 2.0", [], "UserWarning: old"),
        ("echo ten > made.txt", "echo ten > no/made.txt", [0], "exit code 1"),
        ("grep -q ten", "grep -q eleven", [0, 1, 2], "exit code 1"),
        ("denpa_missing || true", "denpa_missing", [0, 1, 2], "exit code 127"),
    ],
)
def test_a_failing_block_is_caught(right: str, wrong: str, reached: list[int], error: str, tmp_path: Path) -> None:
    result = run(SOUND.replace(right, wrong), tmp_path)
    assert sorted(result.outputs) == reached
    assert error in result.error


@pytest.mark.parametrize(
    ("code", "output", "expected"),
    [
        ("print(1)  # → 1", "2\n", "promises '1'"),
        ("print(1)  # → 1\nprint(2)  # → 2", "2\n1\n", "promises '2'"),
        ("x = 1  # → 1", "", "promises '1'"),
    ],
)
def test_a_broken_promise_is_caught(code: str, output: str, expected: str) -> None:
    problem = broken_promise(Block(1, "python", tuple(code.splitlines()), None), output)
    assert problem is not None
    assert expected in problem


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("sh", "make nothing", "make has no target nothing"),
        ("sh", "pip install 'denpa[wings]'", "no extra wings"),
        ("sh", "python -m pip install -e .[test,wings]", "no extra wings"),
        ("sh", "make demo && denpa runs", "stands alone"),
        ("sh", "pip install dempa", "pip installs dempa"),
        ("", "x = 1", "the block's language is ''"),
        ("py", "x = 1", "the block's language is 'py'"),
    ],
)
def test_an_unsound_block_is_caught(language: str, code: str, expected: str) -> None:
    (problem,) = static_problems(f"```{language}\n{code}\n```\n")
    assert expected in problem


def test_sound_commands_pass() -> None:
    text = "```sh\nmake\nmake test PYTHON=python3.12\npip install -U denpa 'denpa[sklearn,all]'  # all\n```\n"
    assert static_problems(text) == []


def test_a_fence_that_stays_open_is_caught() -> None:
    with pytest.raises(AssertionError, match="line 3 is never closed"):
        blocks("# Title\n\n```python\nx = 1\n")


@pytest.mark.parametrize(
    ("right", "wrong", "same"),
    [
        ("# a comment", "# 注釈", True),
        ("a * 2", "a * 3", False),
        ("echo ten", "echo nine", False),
        ("<!-- not run: it would never end -->", "", False),
        ("```console", "```sh", False),
    ],
)
def test_differing_languages_are_caught(right: str, wrong: str, same: bool) -> None:
    assert (signature(SOUND.replace(right, wrong)) == signature(SOUND)) is same


def test_links_are_found() -> None:
    text = (
        '[a](docs/a.md#top) ![b](b.png) <img src="c.svg"> [d](https://example.org) [e](#e)\n\n```text\n[f](f.md)\n```\n'
    )
    assert links(text) == {"docs/a.md", "b.png", "c.svg"}
