"""Scenes as TikZ: the same coordinates and colours, for a LaTeX document.

`picture` is one tikzpicture to be put into a document, `document` a whole one.  Japanese needs lualatex (luatexja);
everything else compiles with any LaTeX, signs such as × and Σ being written as mathematics.
"""

from __future__ import annotations

import math
import re

from denpa.draw import latex_text as latex
from denpa.draw.scene import Bead, Box, Pill, Row, Sample, Scene, Wire, state
from denpa.draw.svg import PALETTE

POINT = 0.75  # pt (of TeX's bp) a pixel

_SIGNS = {"◆": r"\ensuremath{\blacklozenge}", "ʸ": r"\textsuperscript{y}", "½": r"\ensuremath{\frac12}"}
_KNOWN = frozenset("‘’“”–—…")  # beyond Latin-1, but every LaTeX has them


def words(text: str) -> str:
    """Any text as LaTeX that shows it: `latex.text`, and the signs that only pictures use."""
    return "".join(_SIGNS.get(part) or latex.text(part) for part in re.split(f"([{''.join(_SIGNS)}])", text) if part)


def document(scene: Scene) -> str:
    """A document of one page of the picture's size: `lualatex` where there is Japanese in it, else any LaTeX."""
    body = picture(scene)
    foreign = any(ord(c) > 0xFF and c not in _KNOWN for c in body)
    width, height = (f"{length * POINT + 1:.1f}bp" for length in (scene.width, scene.height))
    head = [
        f"% compile with: {'lualatex' if foreign else 'pdflatex or lualatex'}",
        "\\documentclass{article}",
        "\\usepackage{luatexja}"
        if foreign
        else "\\usepackage{iftex}\n\\ifpdftex\\usepackage[T1]{fontenc}"
        "\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}\\fi",
        "\\usepackage{amsmath,amssymb,tikz}",
        f"\\usepackage[paperwidth={width},paperheight={height},margin=0bp]{{geometry}}",
        "\\setlength{\\parindent}{0pt}\\setlength{\\topskip}{0pt}\\pagestyle{empty}",
    ]
    return "\n".join([*head, "\\begin{document}", body, "\\end{document}"])


def picture(scene: Scene) -> str:
    """The picture as one tikzpicture.  Needs tikz and amssymb."""
    names = ("value", "gradient", "muted", "rule", "ink", "line", "input", "parameter", "panel", "mark", "v4")
    lines = ["\\begin{tikzpicture}[x=0.75bp,y=-0.75bp,font=\\sffamily\\fontsize{9}{10}\\selectfont]"]
    lines += [
        f"\\definecolor{{denpa-{name}}}{{HTML}}{{{value[1:].upper()}}}"
        for name, value in PALETTE.items()
        if name in names
    ]
    lines.append(f"\\useasboundingbox (0,0) rectangle ({_n(scene.width)},{_n(scene.height)});")
    for frame in scene.frames:
        lines.append(
            f"\\draw[denpa-muted,dashed,rounded corners=4pt] {_box(frame.x, frame.y, frame.width, frame.height)};"
        )
        lines.append(_text(frame.x + 6, frame.y + 10, frame.title, "denpa-muted", "west"))
    for wire in scene.wires:
        lines += _wire(wire, scene)
    for bead in scene.beads:
        lines += _bead(bead, scene)
    for box in scene.boxes:
        lines += _node(box, scene)
    for pill in scene.pills:
        lines += _pill(pill, scene)
    for sample in scene.legend:
        lines += _sample(sample)
    return "\n".join([*lines, "\\end{tikzpicture}"])


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"({_n(x)},{_n(y)}) rectangle ({_n(x + width)},{_n(y + height)})"


def _text(x: float, y: float, text: str, colour: str = "denpa-ink", anchor: str = "center", bold: bool = False) -> str:
    body = words(text)
    if bold:
        body = f"\\textbf{{\\boldmath {body}}}"
    return f"\\node[inner sep=0pt,anchor={anchor},text={colour}] at ({_n(x)},{_n(y)}) {{{body}}};"


def _wire(wire: Wire, scene: Scene) -> list[str]:
    later = state(scene, wire.forward) == "later"
    path = _path(wire)
    style = [f"line width={_n(wire.width * POINT)}bp", "denpa-line", "-latex"]
    if wire.faint or later:
        style.append("densely dotted")
    if later:
        style.append("opacity=0.3")
    lines = [f"\\draw[{','.join(style)}] {path};"]
    if wire.marked:
        lines.insert(0, f"\\draw[line width={_n((wire.width + 7) * POINT)}bp,denpa-mark] {path};")
    return lines


def _path(wire: Wire) -> str:
    (x, y), *rest = wire.knots
    text = f"({_n(x)},{_n(y)})"
    for nx, ny in rest:
        middle = _n((x + nx) / 2)
        if abs(ny - y) < 0.01:
            text += f" -- ({_n(nx)},{_n(ny)})"
        else:
            text += f" .. controls ({middle},{_n(y)}) and ({middle},{_n(ny)}) .. ({_n(nx)},{_n(ny)})"
        x, y = nx, ny
    return text


def _rows(rows: tuple[Row, ...], x: float, y: float, scene: Scene) -> list[str]:
    lines: list[str] = []
    for row in rows:
        if state(scene, row.at) != "later":
            colour = {"value": "denpa-value", "summary": "denpa-value", "gradient": "denpa-gradient"}.get(
                row.kind, "denpa-muted"
            )
            lines.append(_text(x, y + 7.5, row.text, colour, bold=row.kind == "gradient"))
            if row.strip:
                lines += _strip(row, x, y + 15.0)
        y += row.height
    return lines


def _strip(row: Row, x: float, y: float) -> list[str]:
    assert row.strip is not None
    width, height = row.strip.size
    left = x - width / 2
    lines = [f"\\draw[denpa-rule,line width=0.3bp] {_box(left, y, width, height)};"]
    for j, cells in enumerate(row.strip.cells):
        for i, cell in enumerate(cells):
            if abs(cell) >= 0.005:
                inset = 1.2 if cell < 0 else 0.0
                place = _box(left + 6 * i + inset, y + 5 * j + inset, 6 - 2 * inset, 5 - 2 * inset)
                colour = "denpa-v4" if cell < 0 else "denpa-value"
                lines.append(f"\\fill[{colour},opacity={0.15 + 0.85 * abs(cell):.2f}] {place};")
            elif math.isnan(cell):
                lines.append(f"\\fill[denpa-muted] {_box(left + 6 * i, y + 5 * j + 1.5, 6, 2)};")
    return lines


def _bead(bead: Bead, scene: Scene) -> list[str]:
    style = "denpa-gradient,fill=white,line width=1bp"
    lines = [f"\\draw[{style}] ({_n(bead.x)},{_n(bead.y)}) circle[radius={_n(bead.radius)}];"]
    lines.append(_text(bead.x, bead.y, "Σ", "denpa-gradient", bold=True))
    lines += _rows((bead.value,), bead.x, bead.y - bead.radius - 14.0, scene)
    return lines + _rows((bead.gradient,), bead.x, bead.y + bead.radius - 0.5, scene)


def _node(box: Box, scene: Scene) -> list[str]:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    fill = {"input": "denpa-input", "parameter": "denpa-parameter", "group": "denpa-panel"}.get(box.kind, "white")
    radius = min(box.width, box.height, 38.0) / 2 if box.kind == "operator" else 6.0
    style = ["draw=denpa-ink", f"fill={fill}", "line width=0.9bp", f"rounded corners={_n(radius * POINT)}bp"]
    if box.kind in ("constant", "more"):
        style.append("dashed")
    if box.kind == "loss":
        style += ["double", "double distance=1.5bp"]
    if state(scene, box.forward) == "later":
        style.append("opacity=0.3")
    if scene.step and scene.step in (box.forward, box.backward):
        style.append("line width=2bp")
    lines = [f"\\path[{','.join(style)}] {_box(left, top, box.width, box.height)};"]
    if box.kind == "parameter":
        corners = ((left - 4, top), (left, top - 4), (left + 4, top), (left, top + 4))
        path = " -- ".join(f"({_n(x)},{_n(y)})" for x, y in corners)
        lines.append(f"\\path[draw=denpa-ink,fill=denpa-parameter] {path} -- cycle;")
    tall = (18.0 if box.title else 0.0) + sum(row.height for row in box.lines)
    y = box.y if box.kind == "operator" else box.y - tall / 2 + 9.0
    lines.append(_text(box.x, y, box.title))
    lines += _rows(box.lines, box.x, box.y - tall / 2 + (18.0 if box.title else 0.0), scene)
    if box.caption:
        x, anchor = (box.x, "center") if box.caption_left is None else (box.caption_left, "west")
        lines.append(_text(x, box.y + box.height / 2 + 9, box.caption, "denpa-muted", anchor))
    return lines


def _pill(pill: Pill, scene: Scene) -> list[str]:
    style = "draw=denpa-rule,fill=white,rounded corners=2.5bp,line width=0.6bp"
    lines = [f"\\path[{style}] {_box(pill.x, pill.y, pill.width, pill.height)};"]
    return lines + _rows(pill.rows, pill.x + pill.width / 2, pill.y + 1.0, scene)


def _sample(sample: Sample) -> list[str]:
    if sample.kind in ("wire", "faint"):
        dotted = ",densely dotted" if sample.kind == "faint" else ""
        style = f"denpa-line,line width={_n(sample.width * POINT)}bp{dotted}"
        line = f"\\draw[{style}] ({_n(sample.x)},{_n(sample.y)}) -- ++(30,0);"
        return [line, _text(sample.x + 36, sample.y, sample.text, "denpa-ink", "west")]
    colour = {"value": "denpa-value", "gradient": "denpa-gradient"}.get(sample.kind, "denpa-muted")
    return [_text(sample.x, sample.y, sample.text, colour, "west", sample.kind == "gradient")]
