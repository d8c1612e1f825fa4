"""The settings of a run: each has a value, is checked before anything is read, and is one line of TOML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from denpa import toml
from denpa.data import schemafile, splits
from denpa.data.reading import MEMORY
from denpa.data.schema import Options
from denpa.data.source import ENCODINGS, Dialect
from denpa.errors import UsageError
from denpa.nn import ACTIVATIONS, init, optim, schedules
from denpa.nn.choices import choose, number, whole
from denpa.train import best
from denpa.train.weights import ClassWeight, checked_class_weight

SEED_MAX = (1 << 64) - 1
ENGINES = ("auto", "eager", "native", "native!")
DTYPES = ("float32", "float64")
STREAMS = ("auto", "yes", "no")
HEADERS = ("auto", "yes", "no")
ROLES = ("weight", "group", "time")


@dataclass(frozen=True, kw_only=True)
class Config:
    """What was asked for, resolved: a run with equal settings, data and machine has equal bits.

    source, stream, target, task: as for `data.read`.  online: learn from the rows one by one as they come.
    schema: a schema.toml whose decisions hold; drop, types ("age=category"), na, weight, group, time: what is said of
    columns besides; sep, encoding, header ("auto", "yes" or "no"): how a table of text is written.
    hidden: units of the hidden layers.  learning_rate: None takes the
    optimiser's own.  class_weight: "none", "balanced", or a number for each of some classes.
    valid, test: fractions of the rows that are kept out; split: by what, see `data.splits`.  clip: largest global
    gradient norm, 0 for none.  monitor: the figure whose best epoch gives the weights that are kept; "auto":
    valid_loss, without validation rows "last".  patience: epochs without one better by more than min_delta after
    which training stops, 0 for never.  threads: of the linear algebra library, 0 to choose by the size of a step.
    checkpoint_seconds: the longest time between two checkpoints.  doctor: whether the training is watched for what
    ails it.
    """

    source: str = "digits"
    stream: str = "auto"
    online: bool = False
    target: str | None = None
    task: str = "auto"
    schema: str | None = None
    drop: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    na: tuple[str, ...] = ()
    drop_missing_target: bool = False
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    sep: str | None = None
    encoding: str | None = None
    header: str = "auto"
    hidden: tuple[int, ...] = (50,)
    activation: str = "relu"
    output: str = "auto"
    loss: str = "auto"
    init: str = "auto"
    dropout: float = 0.0
    class_weight: ClassWeight = "none"
    optimizer: str = "sgd"
    learning_rate: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    clip: float = 0.0
    schedule: str = "constant"
    batch_size: int = 100
    epochs: int = 20
    patience: int = 0
    min_delta: float = 0.0
    monitor: str = "auto"
    valid: float = 0.2
    test: float = 0.0
    split: str = "auto"
    seed: int = 0
    dtype: str = "float32"
    engine: str = "auto"
    threads: int = 0
    checkpoint_seconds: float = 30.0
    doctor: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(whole("hidden", n, 1, 1 << 24) for n in self.hidden))
        for key in ("drop", "types", "na"):
            object.__setattr__(self, key, tuple(_text(key, value) for value in getattr(self, key)))
        choose("stream", self.stream, dict.fromkeys(STREAMS))
        choose("header", self.header, dict.fromkeys(HEADERS))
        self._said()
        choose("engine", self.engine, dict.fromkeys(ENGINES))
        choose("dtype", self.dtype, dict.fromkeys(DTYPES))
        choose("activation", self.activation, ACTIVATIONS)
        number("dropout", self.dropout, 0, 1, open_high=True)
        object.__setattr__(self, "class_weight", checked_class_weight(self.class_weight))
        number("clip", self.clip, 0)
        choose("split", self.split, dict.fromkeys(splits.WAYS))
        number("valid", self.valid, 0, 1, open_high=True)
        number("test", self.test, 0, 1, open_high=True)
        number("checkpoint_seconds", self.checkpoint_seconds, 0)
        whole("batch_size", self.batch_size, 1, 1 << 40)
        whole("epochs", self.epochs, 0, 1 << 40)
        whole("patience", self.patience, 0, 1 << 40)
        number("min_delta", self.min_delta, 0)
        choose("monitor", self.monitor, dict.fromkeys(best.NAMES))
        whole("seed", self.seed, 0, SEED_MAX)
        whole("threads", self.threads, 0, 1 << 16)
        if self.init != "auto":
            init.initializer(self.init)
        self.make_optimizer()
        if self.learning_rate is not None:
            number("learning_rate", self.learning_rate, 0)
        schedules.parse(self.schedule, self.rate, 1)

    @property
    def rate(self) -> float:
        """The learning rate at its full height."""
        return optim.LEARNING_RATES[self.optimizer] if self.learning_rate is None else float(self.learning_rate)

    def make_optimizer(self) -> optim.Optimizer:
        given = {"momentum": self.momentum, "weight_decay": self.weight_decay}
        return optim.by_name(self.optimizer, **{key: value for key, value in given.items() if value is not None})

    def make_schedule(self, steps_per_epoch: int) -> schedules.Schedule:
        return schedules.parse(self.schedule, self.rate, self.epochs * steps_per_epoch, steps_per_epoch)

    def options(self, folder: Path | None = None) -> Options:
        """What is said of a table, over the decisions of the schema.

        folder: a run's; the schema it keeps has all of it.  UsageError and DataError for a schema that cannot be read.
        """
        kept = None if folder is None else folder / schemafile.NAME
        if kept is not None and kept.exists():
            decided = schemafile.read_schema_file(kept).options()
            return replace(decided, drop_missing_target=self.drop_missing_target)
        base = schemafile.read_schema_file(self.schema).options() if self.schema is not None else Options()
        said = self._said()
        targets = set() if self.target is None else {self.target, *map(str.strip, self.target.split(","))}
        kinds = {
            name: kind
            for name, kind in base.kinds.items()
            if name not in targets - {*said}
            and not (kind == "target" and (self.target is not None or "target" in said.values()))
            and not (kind in ROLES and kind in said.values())
        }
        dialect = Dialect(
            base.dialect.delimiter if self.sep is None else schemafile.check_delimiter(self.sep),
            self.encoding or base.dialect.encoding,
            {"auto": base.dialect.header, "yes": True, "no": False}[self.header],
        )
        task = self.task if self.task != "auto" else base.task
        return replace(
            base,
            target=self.target,
            task=task,
            kinds={**kinds, **said},
            na=(*dict.fromkeys((*base.na, *self.na)),),
            dialect=dialect,
            drop_missing_target=self.drop_missing_target,
        )

    def _said(self) -> dict[str, str]:
        """The kinds of columns that are said one by one.  UsageError for a column of two kinds, and for no kind."""
        said: dict[str, str] = {}
        pairs = [(name, "drop") for name in self.drop]
        for text in self.types:
            name, equals, kind = text.rpartition("=")
            if not equals or not name:
                raise UsageError("setting 'types' has no kind", got=repr(text)[:60], want="COLUMN=kind")
            pairs.append((name, kind))
        pairs += [(name, role) for role in ROLES if (name := getattr(self, role)) is not None]
        for name, kind in pairs:
            if said.setdefault(name, kind) != kind:
                raise UsageError(
                    f"column {name!r} is said to be {said[name]}, and also {kind}", fix="say one of the two"
                )
        Options(kinds=said)
        if self.encoding is not None:
            choose("encoding", self.encoding, dict.fromkeys(ENCODINGS))
        return said

    def resolved(self, **values: Any) -> Config:
        """A copy with what "auto" stood for, an absolute path, and the optimiser's own learning rate filled in."""
        source = self.source if self.source in ("digits", "-", MEMORY) else str(Path(self.source).absolute())
        return replace(self, **{"source": source, "learning_rate": self.rate, **values})

    def to_toml(self) -> str:
        return toml.dumps(asdict(self), "denpa train settings, all resolved")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "settings") -> Config:
        """UsageError naming the setting for an unknown one or one of the wrong type."""
        known = {f.name: str(f.type).replace("ClassWeight", "str | table") for f in fields(cls)}
        for key, value in values.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise UsageError(
                    f"unknown setting {key!r}",
                    where=where,
                    want=f"one of {', '.join(known)}",
                    fix=f"did you mean {near[0]}?" if near else None,
                )
            if not _fits(value, known[key]):
                raise UsageError(
                    f"setting {key!r} has the wrong type", where=where, got=repr(value)[:60], want=known[key]
                )
        return cls(**values)

    @classmethod
    def from_toml(cls, text: str, where: str = "config.toml") -> Config:
        return cls.from_mapping(toml.loads(text, where), where)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"setting {key!r} is a list of texts", got=repr(value)[:60])
    return value


def _fits(value: Any, annotation: str) -> bool:
    types: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (float, int),
        "table": (dict,),
        "None": (type(None),),
    }
    kinds = [kind for name in annotation.split(" | ") for kind in types.get(name, (list, tuple))]
    if isinstance(value, bool) or annotation == "bool":
        return isinstance(value, bool) and annotation == "bool"
    return isinstance(value, tuple(kinds))
