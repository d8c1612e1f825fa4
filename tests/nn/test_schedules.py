"""Schedules against their formulas, PyTorch's schedulers, and the grammar of their texts."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from denpa.errors import ModelFileError, UsageError
from denpa.nn import schedules
from denpa.nn.schedules import Constant, Cosine, Exponential, InverseTime, Linear, Step, Warmup, from_spec, parse

EVERY = [
    Constant(0.1),
    Step(0.1, 30, 0.5),
    Exponential(0.1, 10, 0.9),
    Cosine(0.1, 100, 0.01),
    Linear(0.1, 100),
    InverseTime(0.1, 10, 0.5),
    Warmup(5, Cosine(0.1, 95)),
]


def test_values() -> None:
    assert [Step(0.8, 3, 0.5)(s) for s in (0, 2, 3, 5, 6)] == [0.8, 0.8, 0.4, 0.4, 0.2]
    assert Exponential(1.0, 4, 0.5)(8) == 0.25
    assert Exponential(1.0, 4, 0.5)(2) == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert [Linear(1.0, 4, 0.2)(s) for s in (0, 2, 4, 9)] == pytest.approx([1.0, 0.6, 0.2, 0.2], rel=1e-15)
    assert [Cosine(1.0, 4)(s) for s in (0, 2, 4, 9)] == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-15)
    assert InverseTime(1.0, 2, 0.5)(4) == 0.5
    assert [Warmup(4, Linear(1.0, 2))(s) for s in range(7)] == [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0]


def test_pytorch_schedulers_agree() -> None:
    torch = pytest.importorskip("torch")
    lr = torch.optim.lr_scheduler
    cases: list[tuple[Any, Any]] = [
        (Step(0.1, 7, 0.3), lambda o: lr.StepLR(o, 7, 0.3)),
        (Exponential(0.1, 1, 0.93), lambda o: lr.ExponentialLR(o, 0.93)),
        (Cosine(0.1, 40, 0.05), lambda o: lr.CosineAnnealingLR(o, 40, eta_min=0.005)),
        (Linear(0.1, 40, 0.25), lambda o: lr.LinearLR(o, 1.0, 0.25, 40)),
        (InverseTime(0.1, 1, 0.2), lambda o: lr.LambdaLR(o, lambda s: 1 / (1 + 0.2 * s))),
    ]
    for ours, make in cases:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        theirs = make(optimizer)
        for step in range(40):
            assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12), (ours, step)
            optimizer.step()
            theirs.step()


@pytest.mark.parametrize("schedule", EVERY)
def test_a_spec_gives_the_schedule_back(schedule: Any) -> None:
    assert from_spec(json.loads(json.dumps(schedule.spec()))) == schedule
    assert all(isinstance(schedule(s), float) for s in (0, 1, 50, 10_000))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant", Constant(0.1)),
        ("step:30:0.1", Step(0.1, 300, 0.1)),
        ("step:45s:0.1", Step(0.1, 45, 0.1)),
        ("exponential:0.95", Exponential(0.1, 10, 0.95)),
        ("cosine", Cosine(0.1, 1000)),
        ("cosine:0.01", Cosine(0.1, 1000, 0.01)),
        ("linear:0.1", Linear(0.1, 1000, 0.1)),
        ("inverse:0.5", InverseTime(0.1, 10, 0.5)),
        ("warmup:5", Warmup(50, Constant(0.1))),
        ("warmup:2.5+cosine", Warmup(25, Cosine(0.1, 975))),
        ("warmup:30s+linear", Warmup(30, Linear(0.1, 970))),
    ],
)
def test_texts(text: str, expected: Any) -> None:
    assert parse(text, 0.1, steps=1000, steps_per_epoch=10) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin", "cosine"),
        ("", "unknown"),
        ("step:30", "2"),
        ("step:x:0.1", "'x' is not a number"),
        ("step:0:0.1", "above 0"),
        ("step:3:1.5", "factor"),
        ("cosine:0.1:0.2", "0 or 1"),
        ("cosine:-1", "floor"),
        ("linear:nan", "not a number"),
        ("constant:3", "takes 0"),
        ("cosine+linear", "warm-up"),
        ("warmup:3+warmup:2", "once"),
        ("warmup:", "not a number"),
        ("warmup:3+", "unknown"),
        ("inverse:1e999", "not a number"),
        ("__import__('os')", "unknown"),
    ],
)
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text, 0.1, steps=100)


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "0.1", True, None])
def test_bad_rates(rate: Any) -> None:
    with pytest.raises(UsageError, match="learning rate"):
        parse("cosine", rate, steps=100)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        {},
        {"name": "constant"},
        {"name": "constant", "learning_rate": 0.1, "x": 1},
        {"name": "constant", "learning_rate": -1},
        {"name": "constant", "learning_rate": "0.1"},
        {"name": ["constant"], "learning_rate": 0.1},
        {"name": "warmup", "steps": 3, "then": None},
        {"name": "warmup", "steps": 3, "then": {"name": "warmup", "steps": 3, "then": Constant(0.1).spec()}},
    ],
)
def test_bad_specs(spec: Any) -> None:
    with pytest.raises(ModelFileError):
        from_spec(spec)


def test_the_table_is_closed_under_spec() -> None:
    assert {type(s) for s in EVERY} == set(schedules.SCHEDULES.values())
