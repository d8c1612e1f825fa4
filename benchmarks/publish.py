# ruff: noqa: E501  a paragraph of Markdown is one line
"""docs/benchmarks.md, its picture and its figures as JSON, from one run of training.py."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cold import Cold, table as cold_table
from picture import picture
from timing import Timing, machine, table
from workloads import WORKLOADS

INTRODUCTION = """# Benchmarks

How long one training step takes: denpa beside NumPy written by hand, PyTorch, JAX and scikit-learn, with the same data, start and threads, in one process, turn by turn. Every candidate is first shown to reach the same loss. "time / first" is a candidate's time divided by that of denpa's native engine, taken round by round: above 1 means that denpa is faster.

This page is written by the benchmark (it needs the compared libraries, which `make bench` installs):

<!-- not run: takes minutes and needs the compared libraries -->
```sh
make bench
```

Read the ratios, not the times: they were taken on the machine below, and other machines have other matrix products. The figures are also in [benchmarks.json](benchmarks.json).
"""

COLD = """## Cold

A whole process: start Python, import, build the network `book`, train ten epochs of 6,000 rows, end. denpa's kernels are in their cache by then; compiling them happens once on a machine.
"""


@dataclass
class Results:
    """gemm: GFLOP/s of a square product.  left_out: why a candidate is missing, by workload."""

    gemm: float
    steps: dict[str, list[Timing]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    cold: list[Cold] = field(default_factory=list)

    def workload(self, name: str) -> str:
        """One workload as Markdown."""
        w, timings = WORKLOADS[name], self.steps[name]
        rate = w.flops * w.steps / timings[0].seconds / 1e9
        sizes = "-".join(map(str, w.units)) if len(w.units) < 8 else f"{w.units[0]} × {len(w.units) - 1}-{w.units[-1]}"
        title = f"{name}: {sizes} {w.hidden}, batch {w.batch}, {w.optimizer} ({w.source})"
        more = [f"\n{timings[0].name}: {rate:.1f} GFLOP/s, {rate / self.gemm:.0%} of the square product\n"]
        more += [f"\nNot here: {line}.\n" for line in self.left_out[name]]
        return table(title, timings, "µs", per=w.steps) + "".join(more)

    def about(self) -> str:
        facts = machine()
        packages = facts["packages"]
        assert isinstance(packages, dict)
        rows = {
            "processor": f"{facts['processor']}, {facts['cores']} cores",
            "threads": facts["threads"],
            "linear algebra": facts["linear algebra"],
            "system": f"{facts['system']}, Python {facts['python']}",
            "packages": ", ".join(f"{name} {number}" for name, number in packages.items()),
            "square float32 product": f"{self.gemm:.0f} GFLOP/s",
        }
        return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows.items())

    def page(self) -> str:
        parts = [INTRODUCTION, self.about()]
        if self.steps:
            parts += ["![Time of one training step, as a multiple of denpa's](benchmarks.svg)\n", "## Steps\n"]
            parts += [self.workload(name) for name in self.steps]
        if self.cold:
            parts += [COLD, cold_table(self.cold)]
        return "\n".join(parts)

    def publish(self, folder: Path) -> None:
        """benchmarks.md, benchmarks.svg and benchmarks.json in `folder`."""
        (folder / "benchmarks.md").write_text(self.page(), encoding="utf-8")
        if self.steps:
            (folder / "benchmarks.svg").write_text(picture(self.steps) + "\n", encoding="utf-8")
        (folder / "benchmarks.json").write_text(self.json() + "\n", encoding="utf-8")

    def json(self) -> str:
        return json.dumps({"machine": machine(), **asdict(self)}, indent=1, ensure_ascii=False)
