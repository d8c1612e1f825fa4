"""A document as plain data for other programs: JSON with every number in full."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from denpa.explain.document import Document
from denpa.explain.words import Language, Number, T, in_language


def plain(part: Any, language: Language = "en") -> Any:
    """`part` of a document as dicts, lists, texts and numbers.

    A block is {"kind": "table", …} with its fields; words are in one language; a number is its exact value, and NaN and
    infinities, which JSON does not have, are the texts "NaN", "Infinity" and "-Infinity".
    """
    found: Any = part if part is None or isinstance(part, bool | int | str) else str(part)
    if isinstance(part, T):
        found = in_language(part, language)
    elif isinstance(part, Number):
        found = plain(part.value, language)
    elif is_dataclass(part) and not isinstance(part, type):
        style = {"style": part.kind} if hasattr(part, "kind") else {}
        inside = {f.name: plain(getattr(part, f.name), language) for f in fields(part) if f.name != "kind"}
        found = {"kind": type(part).__name__.lower(), **style, **inside}
    elif isinstance(part, np.ndarray | np.generic):
        found = plain(part.tolist(), language)
    elif isinstance(part, dict):
        found = {str(key): plain(value, language) for key, value in part.items()}
    elif isinstance(part, tuple | list):
        found = [plain(value, language) for value in part]
    elif isinstance(part, float):
        found = part if math.isfinite(part) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(part)]
    return found


def text(document: Document, language: Language = "en") -> str:
    """The document as one JSON object."""
    return json.dumps(plain(document, language), ensure_ascii=False, allow_nan=False)
