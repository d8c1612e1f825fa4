"""The functions a program of loops needs, written out with + − × ÷, if and for: no import, about 1 ulp.

Each is a text that goes into the program; `needed` gives those that an expression calls, with those that they call.
Sources of the constants and reductions: fdlibm (log 2 and π/2 in parts), Kahan's log1p, Laplace's continued fraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

CONSTANTS = {"inf": 'float("inf")', "nan": 'float("nan")', "pi": "3.141592653589793"}

SOURCES: dict[str, str] = {
    "isnan": '''
def isnan(x):
    """Only NaN is not equal to itself."""
    return x != x
''',
    "copysign": '''
def copysign(x, y):
    """The size of x with the sign of y."""
    size = x if x >= 0 else -x
    if y < 0 or (y == 0 and str(y)[0] == "-"):
        return -size
    return size
''',
    "sqrt": '''
def sqrt(x):
    """The number whose square is x."""
    if x < 0 or x != x:
        return float("nan")
    return x ** 0.5
''',
    "exp": '''
def exp(x):
    """e to the power x: with x = n log 2 + r, 2 to the power n times the series of e to the power r."""
    if x != x:
        return x
    if x > 709.782712893384:
        return float("inf")
    if x < -745.2:
        return 0.0
    n = int(x / 0.6931471805599453 + (0.5 if x > 0 else -0.5))
    r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10
    series = 1.0
    for k in range(16, 0, -1):
        series = 1.0 + series * r / k
    half = n // 2
    return series * 2.0 ** half * 2.0 ** (n - half)
''',
    "expm1": '''
def expm1(x):
    """e to the power x, minus 1, also where x is small."""
    if x > 0.5 or x < -0.5:
        return exp(x) - 1.0
    series = 1.0
    for k in range(20, 1, -1):
        series = 1.0 + series * x / k
    return x * series
''',
    "log": '''
def log(x):
    """The natural logarithm: with x = m times 2 to the power n, n log 2 + the series of log m."""
    if x < 0 or x != x:
        return float("nan")
    if x == 0:
        return -float("inf")
    if x == float("inf"):
        return x
    n = 0
    for _ in range(1100):
        if x > 1.4142135623730951:
            x = x / 2
            n = n + 1
        elif x < 0.7071067811865476:
            x = x * 2
            n = n - 1
        else:
            break
    s = (x - 1) / (x + 1)
    series = 0.0
    for k in range(27, 0, -2):
        series = series * s * s + 1.0 / k
    return n * 0.6931471803691238 + (2 * s * series + n * 1.9082149292705877e-10)
''',
    "log1p": '''
def log1p(x):
    """The logarithm of 1 + x, also where x is small."""
    u = 1.0 + x
    if u == 1.0:
        return x
    if u == float("inf"):
        return u
    return log(u) * (x / (u - 1.0))
''',
    "tanh": '''
def tanh(x):
    """The hyperbolic tangent."""
    size = x if x >= 0 else -x
    if size > 22:
        result = 1.0
    else:
        e = expm1(2 * size)
        result = e / (e + 2)
    return result if x >= 0 else -result
''',
    "sinh": '''
def sinh(x):
    """The hyperbolic sine."""
    size = x if x >= 0 else -x
    e = expm1(size)
    result = (e + e / (e + 1)) / 2
    return result if x >= 0 else -result
''',
    "cosh": '''
def cosh(x):
    """The hyperbolic cosine."""
    e = exp(x if x >= 0 else -x)
    return (e + 1 / e) / 2
''',
    "sin_and_cos": '''
def sin_and_cos(x):
    """Sine and cosine: x less the nearest multiple of a quarter turn, then the series."""
    n = int(x / 1.5707963267948966 + (0.5 if x > 0 else -0.5))
    r = ((x - n * 1.5707963267341256) - n * 6.077100506303966e-11) - n * 2.0222662487111665e-21
    s = 1.0
    c = 1.0
    for k in range(20, 0, -2):
        c = 1.0 - c * r * r / (k * (k - 1))
        s = 1.0 - s * r * r / (k * (k + 1))
    s = s * r
    if n % 4 == 1:
        return c, -s
    if n % 4 == 2:
        return -s, -c
    if n % 4 == 3:
        return -c, s
    return s, c
''',
    "sin": """
def sin(x):
    return sin_and_cos(x)[0]
""",
    "cos": """
def cos(x):
    return sin_and_cos(x)[1]
""",
    "tan": """
def tan(x):
    s, c = sin_and_cos(x)
    return s / c
""",
    "atan": '''
def atan(x):
    """The angle whose tangent is x: beyond 1 its complement's, then twice the half angle, then the series."""
    size = x if x >= 0 else -x
    turned = size > 1
    v = 1 / size if turned else size
    for _ in range(3):
        v = v / (1 + (1 + v * v) ** 0.5)
    series = 0.0
    for k in range(25, 0, -2):
        series = 1.0 / k - series * v * v
    result = 8 * v * series
    if turned:
        result = 1.5707963267948966 - result
    return result if x >= 0 else -result
''',
    "erf": '''
def erf(x):
    """The error function: a series of positive terms, and 1 - erfc far out."""
    size = x if x >= 0 else -x
    if size > 1.5:
        result = 1 - erfc(size)
    else:
        term = size
        total = size
        for k in range(1, 40):
            term = term * 2 * size * size / (2 * k + 1)
            total = total + term
        result = 1.1283791670955126 * exp(-size * size) * total
    return result if x >= 0 else -result
''',
    "erfc": '''
def erfc(x):
    """1 - erf(x), by a continued fraction where that difference would lose its digits."""
    if x < 1:
        return 1 - erf(x)
    fraction = x
    for k in range(300, 0, -1):
        fraction = x + k / 2 / fraction
    return exp(-x * x) * 0.5641895835477563 / fraction
''',
}


_TEXT = re.compile(r'"""[\s\S]*?"""|"[^"\n]*"|#.*')  # strings and comments call nothing


def needed(texts: Iterable[str]) -> list[str]:
    """The constants and functions that these lines call, and those that they call, as lines in a fixed order."""
    lines = list(texts)
    found: set[str] = set()
    while True:
        text = _TEXT.sub("", "\n".join([*lines, *(SOURCES[n] for n in found)]))
        words = set(re.findall(r"[A-Za-z_]\w*", text))
        new = (SOURCES.keys() & words) - found
        if not new:
            break
        found |= new
    constants = [f"{n} = {value}" for n, value in CONSTANTS.items() if n in words]
    functions = [SOURCES[n].strip("\n") + "\n\n" for n in SOURCES if n in found]
    return [*constants, *(["\n"] if constants and functions else []), *functions]
