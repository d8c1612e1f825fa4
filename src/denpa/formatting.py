"""Numbers as text, the one place.  Equal in English and Japanese; what is printed can be read back by `float` or `int`
after its unit and its thousands separators are taken away."""

from __future__ import annotations

import math
import shlex

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | int, digits: int = 4) -> str:
    """`value` with `digits` significant digits: 0.9712, 12,345, 1.25e-5, NaN, ∞.  An int below 1e15 is exact."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) < 10**15 else f"{value:.{digits - 1}e}"
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "-∞" if value < 0 else "∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < max(digits, 6):
        text = f"{value:,.{max(digits - 1 - exponent, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(power)}"


def percent(share: float, decimals: int = 2) -> str:
    """0.9712 -> 97.12 %.  A share that is not quite 0 or 1 never reads 0 % or 100 %: it gets more decimals, up to 8."""
    if not math.isfinite(share):
        return number(share)
    for places in range(decimals, 9):
        text = f"{100 * share:.{places}f}"
        if float(text) not in (0.0, 100.0) or share in (0.0, 1.0):
            break
    return f"{text} %"


def duration(seconds: float) -> str:
    """A time span in the two largest units that matter: 1.2e-5 s, 12.3 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if not math.isfinite(seconds) or abs(seconds) < 59.95:
        return f"{number(seconds, 3)} s"
    sign, whole = "-" if seconds < 0 else "", round(abs(seconds))
    for size, unit, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{sign}{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{sign}{whole} s"


def size(count: int) -> str:
    """Bytes in decimal units: 512 B, 1.2 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            return f"{number(value, 3)} {unit}"
        value /= 1000
    return f"{number(value, 3)} TB"


def power_of_ten(exponent: int) -> str:
    """-5 -> 10⁻⁵, for the ticks of a logarithmic axis."""
    return {0: "1", 1: "10"}.get(exponent, "10" + str(exponent).translate(_SUPERSCRIPT))


def typed(value: object) -> str:
    """A word as it is typed in a shell, on one line and without control characters: what a message tells to type."""
    text = str(value)
    if text.isprintable():
        return shlex.quote(text)
    escaped = text.encode("unicode_escape").decode("ascii").replace("'", "\\'")
    return f"$'{escaped}'"  # of bash, zsh and ksh
