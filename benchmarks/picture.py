"""The benchmark's picture: for each workload, every candidate's time beside denpa's, on a logarithmic axis, as SVG."""

from __future__ import annotations

import math

from timing import Timing

from denpa.draw.markup import Markup, element

# Marks differ in shape as well as in colour (Okabe and Ito's, which colour-blind readers can tell apart).
MARKS = {
    "denpa native": ("M-7 0L0 -7L7 0L0 7Z", "#0072B2"),
    "denpa eager": ("M-5 -5H5V5H-5Z", "#56B4E9"),
    "NumPy by hand": ("M-5 5L0 -5L5 5Z", "#999999"),
    "PyTorch": ("M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z", "#D55E00"),
    "PyTorch compiled": ("M-5 -5L5 5M5 -5L-5 5", "#D55E00"),
    "JAX jit": ("M-5 -4H5L0 5Z", "#009E73"),
    "JAX jit + scan": ("M-6 0H6M0 -6V6", "#009E73"),
    "scikit-learn": ("M-4 -6H4V6H-4Z", "#CC79A7"),
}
LEFT, TOP, ROW, WIDTH, RIGHT = 130.0, 76.0, 34.0, 620.0, 30.0


def picture(results: dict[str, list[Timing]]) -> str:
    """An SVG document; a mark further right is slower.  results: of each workload, denpa's native engine first."""
    widest = max((t.ratio for timings in results.values() for t in timings), default=1.0)
    narrowest = min((t.ratio for timings in results.values() for t in timings), default=1.0)
    low, high = math.floor(math.log2(min(narrowest, 0.75))), math.ceil(math.log2(widest * 1.1))
    height = TOP + ROW * len(results) + 40

    def x(ratio: float) -> float:
        return LEFT + WIDTH * (math.log2(ratio) - low) / (high - low)

    parts: list[Markup] = [element("rect", width="100%", height="100%", fill="white")]
    for i, name in enumerate(n for n in MARKS if any(t.name == n for ts in results.values() for t in ts)):
        at = (LEFT + 158 * (i % 4), 22.0 + 22 * (i // 4))
        parts += [_mark(name, *at), _text(at[0] + 12, at[1] + 4, name, "start")]
    for power in range(low, high + 1):
        at_x, bold = x(2.0**power), power == 0
        parts.append(element("line", x1=at_x, x2=at_x, y1=TOP - 8, y2=height - 34, stroke="#555" if bold else "#DDD"))
        parts.append(_text(at_x, height - 18, f"{2.0**power:g}×", "middle"))
    for i, (name, timings) in enumerate(results.items()):
        y = TOP + ROW * (i + 0.5)
        parts.append(_text(LEFT - 14, y + 4, name, "end"))
        parts += [_mark(t.name, x(t.ratio), y, f"{t.name}: {t.ratio:.2f}×") for t in timings]
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {LEFT + WIDTH + RIGHT:g} {height:g}",
        width="100%",
        role="img",
        font_family="system-ui, sans-serif",
        font_size=12,
        aria_label="time of one training step, as a multiple of denpa's native engine",
    )


def _mark(name: str, x: float, y: float, tip: str = "") -> Markup:
    shape, colour = MARKS[name]
    filled = shape.endswith("Z")
    return element(
        "path",
        *([element("title", tip)] if tip else []),
        d=shape,
        transform=f"translate({x:.1f} {y:.1f})",
        fill=colour if filled else "none",
        stroke="white" if filled else colour,
        stroke_width=0.8 if filled else 2.2,
    )


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor, fill="#222")
