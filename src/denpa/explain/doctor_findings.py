"""A finding, and the words several checks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from denpa.arrays import Array
from denpa.explain.words import LANGUAGES, T, Words

SHOWN = 8  # row numbers in a sentence

KEYS = {
    "not_finite": T(en="NaN or infinity", ja="NaN・無限大"),
    "unscaled_input": T(en="unscaled input", ja="入力のスケーリング不足"),
    "vanishing_gradient": T(en="vanishing gradient", ja="勾配消失"),
    "exploding_gradient": T(en="exploding gradient", ja="勾配爆発"),
    "dead_relu": T(en="dead ReLUs", ja="死んだ ReLU"),
    "saturation": T(en="saturation", ja="飽和"),
    "identical_units": T(en="identical units", ja="同一のユニット"),
    "learning_rate_high": T(en="learning rate too high", ja="学習率が高すぎる"),
    "learning_rate_low": T(en="learning rate too low", ja="学習率が低すぎる"),
    "overfitting": T(en="overfitting", ja="過学習"),
    "no_better_than_baseline": T(en="no better than the baseline", ja="ベースラインと変わらない"),
    "one_class": T(en="one class predicted", ja="1クラスだけを予測"),
    "failed": T(en="the run failed", ja="学習の失敗"),  # for another reason than a number, such as a full disk
}


@dataclass(frozen=True)
class Finding:
    """key: of `KEYS`.  layer: counted from 1, None for the whole network.  value: the number that decided.

    epoch: after which it first showed, where the training was watched.
    """

    key: str
    measured: Words
    means: Words
    advice: Words
    layer: int | None = None
    value: float = 0.0
    epoch: int | None = None

    @property
    def title(self) -> T:
        return KEYS[self.key]

    def to_json(self) -> dict[str, Any]:
        words = {"title": self.title, "measured": self.measured, "means": self.means, "advice": self.advice}
        texts = {
            name: {code: w if isinstance(w, str) else getattr(w, code) for code in LANGUAGES}
            for name, w in words.items()
        }
        return {"key": self.key, "layer": self.layer, "value": self.value, "epoch": self.epoch, **texts}

    @classmethod
    def from_json(cls, told: Any) -> Finding:
        """Of `to_json`.  ValueError for anything else."""
        facts = dict(told) if isinstance(told, dict) else {}
        key, value, places = facts.get("key"), facts.get("value"), (facts.get("layer"), facts.get("epoch"))
        words = [facts.get(name) for name in ("measured", "means", "advice")]
        sound = key in KEYS and isinstance(value, int | float) and all(p is None or isinstance(p, int) for p in places)
        if not sound or not all(
            isinstance(w, dict) and all(isinstance(w.get(c), str) and w[c].strip() for c in LANGUAGES) for w in words
        ):
            raise ValueError(f"no finding: {str(told)[:60]}")
        measured, means, advice = (T(**{code: w[code] for code in LANGUAGES}) for w in words if w is not None)
        return cls(str(key), measured, means, advice, places[0], float(facts["value"]), places[1])

    def line(self, language: str = "en") -> str:
        """All of it in one line, for a terminal."""
        words = (
            w if isinstance(w, str) else str(getattr(w, language)) for w in (self.measured, self.means, self.advice)
        )
        mark, gap = (": ", " ") if language == "en" else ("：", "")
        return f"{getattr(self.title, language)}{mark}{gap.join(words)}"


def rows_text(rows: Array) -> tuple[str, str]:
    """ ", rows 3, 7, … (12 more)" in English and Japanese, counted from 1; nothing without rows."""
    if not len(rows):
        return "", ""
    shown = ", ".join(str(int(row) + 1) for row in rows[:SHOWN])
    rest = len(rows) - SHOWN
    return (
        f", rows {shown}" + (f", … ({rest:,} more)" if rest > 0 else ""),
        f"、{shown}行目" + (f"ほか{rest:,}行" if rest > 0 else ""),
    )
