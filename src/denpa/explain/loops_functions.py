"""Activation functions and losses as lines of a program of scalars: value and derivative.

The derivatives are written from the textbook's formulas, not from the library's rules: that the program's gradients
equal the library's is a check of both.
"""

from __future__ import annotations

from denpa.errors import UsageError, user_line
from denpa.nn.layers import Activation

_VALUES: dict[str, tuple[str, ...]] = {
    "identity": ("return v",),
    "relu": ("if v > 0:", "    return v", "return 0.0"),
    "leaky_relu": ("if v > 0:", "    return v", "return {negative_slope} * v"),
    "elu": ("if v > 0:", "    return v", "return {alpha} * expm1(v)"),
    "gelu": ("return v * 0.5 * erfc(-v * 0.7071067811865476)",),
    "softplus": ("size = v if v >= 0 else -v", "return log1p(exp(-size)) + (v if v > 0 else 0.0)"),
    "sigmoid": ("if v >= 0:", "    return 1.0 / (1.0 + exp(-v))", "return exp(v) / (1.0 + exp(v))"),
    "tanh": ("return tanh(v)",),
    "softmax": (
        "largest = v[0]",
        "for i in range(len(v)):",
        "    if v[i] > largest:",
        "        largest = v[i]",
        "p = [0.0] * len(v)",
        "total = 0.0",
        "for i in range(len(v)):",
        "    p[i] = exp(v[i] - largest)",
        "    total = total + p[i]",
        "for i in range(len(v)):",
        "    p[i] = p[i] / total",
        "return p",
    ),
}

_SLOPES: dict[str, tuple[str, ...]] = {
    "identity": ("return 1.0",),
    "relu": ("if v > 0:", "    return 1.0", "return 0.0"),
    "leaky_relu": ("if v > 0:", "    return 1.0", "return {negative_slope}"),
    "elu": ("if v > 0:", "    return 1.0", "return {alpha} * exp(v)"),
    "gelu": ("return 0.5 * erfc(-v * 0.7071067811865476) + v * 0.3989422804014327 * exp(-v * v / 2)",),
    "softplus": ("if v >= 0:", "    return 1.0 / (1.0 + exp(-v))", "return exp(v) / (1.0 + exp(v))"),
    "sigmoid": ("return activate_sigmoid(v) * activate_sigmoid(-v)",),
    "tanh": ("return 1.0 - tanh(v) * tanh(v)",),
}

_PRESENT = {
    "identity": "Nothing is done.",
    "relu": "max(v, 0).  The derivative at 0 is taken as 0.",
    "leaky_relu": "v above 0, a small part of it below.",
    "elu": "v above 0, bending to a limit below.",
    "gelu": "v times the probability that a normal number is below v.",
    "softplus": "log(1 + e to the power v), a smooth max(v, 0).",
    "sigmoid": "1 / (1 + e to the power -v).",
    "tanh": "The hyperbolic tangent.",
    "softmax": "e to the power of each, divided by their sum.  Taking off the largest first changes nothing.",
}


def name(function: Activation) -> str:
    """The function's name in the program; one name for each setting of its parameters."""
    kind = function.function
    settings = "".join(
        "_" + repr(value).replace(".", "_").replace("-", "minus_").replace("+", "")
        for value in _settings(function).values()
    )
    return f"activate_{kind}{settings}"


def demand(function: Activation) -> None:
    """UsageError for an activation that is not in the tables above."""
    if function.function not in _VALUES or getattr(function, "axis", -1) not in (-1, 1):
        raise UsageError(
            "this activation has no loops",
            where=user_line(),
            got=repr(function)[:80],
            want=", ".join(_VALUES),
            fix="softmax runs along the units: axis=-1" if function.function == "softmax" else None,
        )


def is_vector(function: Activation) -> bool:
    """Whether an output depends on the whole row."""
    return function.function == "softmax"


def value(name_: str, function: Activation) -> list[str]:
    """The function itself.  name_ "softmax" or "sigmoid": as a fused loss needs it."""
    kind = name_ if name_ in ("softmax", "sigmoid") else function.function
    lines = [line.format(**_settings(function)) for line in _VALUES[kind]]
    return [f"def {name_}(v):", f'    """{_PRESENT[kind]}"""', *(f"    {line}" for line in lines), "\n"]


def slope(name_: str, function: Activation) -> list[str]:
    """Its derivative: of one number, or of output m by input i where all depend on all."""
    if is_vector(function):
        head = [f"def {name_}_derivative(p, m, i):", '    """How output m changes with input i, from the outputs p."""']
        return [*head, "    if m == i:", "        return p[m] * (1.0 - p[m])", "    return -p[m] * p[i]", "\n"]
    lines = [line.format(**_settings(function)) for line in _SLOPES[function.function]]
    return [f"def {name_}_derivative(v):", *(f"    {line}" for line in lines), "\n"]


def _settings(function: Activation) -> dict[str, float]:
    return {k: getattr(function, k) for k in ("negative_slope", "alpha") if hasattr(function, k)}


_LOSSES: dict[str, tuple[str, ...]] = {
    "softmax_cross_entropy": (
        "largest = {y}[k][0]",
        "for i in range({n}):",
        "    if {y}[k][i] > largest:",
        "        largest = {y}[k][i]",
        "total = 0.0",
        "for i in range({n}):",
        "    total = total + exp({y}[k][i] - largest)",
        "for i in range({n}):",
        "    if t[k][i] != 0:",
        "        loss = loss + t[k][i] * (log(total) - ({y}[k][i] - largest))",
    ),
    "sigmoid_cross_entropy": (
        "for i in range({n}):",
        "    v = {y}[k][i]",
        "    if v > 0:",
        "        loss = loss + (1.0 - t[k][i]) * v + log1p(exp(-v))",
        "    else:",
        "        loss = loss - t[k][i] * v + log1p(exp(v))",
    ),
    "squared_error": (
        "for i in range({n}):",
        "    d = {y}[k][i] - t[k][i]",
        "    loss = loss + 0.5 * d * d",
    ),
    "absolute_error": (
        "for i in range({n}):",
        "    d = {y}[k][i] - t[k][i]",
        "    if d < 0:",
        "        d = -d",
        "    loss = loss + d",
    ),
    "huber": (
        "for i in range({n}):",
        "    d = {y}[k][i] - t[k][i]",
        "    if d < 0:",
        "        d = -d",
        "    if d <= 1:",
        "        loss = loss + 0.5 * d * d",
        "    else:",
        "        loss = loss + d - 0.5",
    ),
}

_LOSS_SLOPES: dict[str, tuple[str, ...]] = {
    "softmax_cross_entropy": (
        "p = softmax({y}[k])",
        "sum_t = 0.0",
        "for i in range({n}):",
        "    sum_t = sum_t + t[k][i]",
        "for i in range({n}):",
        "    grad_{y}[k][i] = (p[i] * sum_t - t[k][i]){share}",
    ),
    "sigmoid_cross_entropy": (
        "for i in range({n}):",
        "    grad_{y}[k][i] = (sigmoid({y}[k][i]) - t[k][i]){share}",
    ),
    "squared_error": ("for i in range({n}):", "    grad_{y}[k][i] = ({y}[k][i] - t[k][i]){share}"),
    "absolute_error": (
        "for i in range({n}):",
        "    if {y}[k][i] > t[k][i]:",
        "        grad_{y}[k][i] = 1.0{share}",
        "    if {y}[k][i] < t[k][i]:",
        "        grad_{y}[k][i] = -1.0{share}",
    ),
    "huber": (
        "for i in range({n}):",
        "    d = {y}[k][i] - t[k][i]",
        "    if d > 1:",
        "        d = 1.0",
        "    if d < -1:",
        "        d = -1.0",
        "    grad_{y}[k][i] = d{share}",
    ),
}


def loss(kind: str, y: str, n: int) -> list[str]:
    """Lines that add the loss of sample k."""
    return [line.format(y=y, n=n) for line in _LOSSES[kind]]


def loss_slope(kind: str, y: str, n: int, share: str) -> list[str]:
    """Lines that set the gradient at what the loss takes, for sample k.  share: " / 64" for a mean."""
    return [line.format(y=y, n=n, share=share) for line in _LOSS_SLOPES[kind]]
