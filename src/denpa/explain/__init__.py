"""Explanations as data.  The package itself is callable: `explain(...)` explains one number.

`explain.chain(...)` derives a derivative step by step, `explain.loops(...)` writes a step as a program of loops,
`explain.loss_slice(...)` cuts through a network's loss.  The first two are functions although modules of the same names
hold them; each is loaded when it is first asked for.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class Explain(ModuleType):
    """The package as a function with two more beside it.

    Properties, because importing the submodule `chain` would otherwise put the module in the function's place.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `denpa.explain.number.explain`."""
        from denpa.explain.number import explain  # type: ignore[import-not-found, unused-ignore]

        return explain(*args, **kwargs)

    explain = property(lambda self: self)

    @property
    def chain(self) -> Any:
        from denpa.explain.chain import chain

        return chain

    @chain.setter
    def chain(self, module: ModuleType) -> None:
        """The import system stores the submodule here; `sys.modules` has it already."""

    @property
    def loops(self) -> Any:
        from denpa.explain.loops import loops  # type: ignore[import-not-found, unused-ignore]

        return loops

    @loops.setter
    def loops(self, module: ModuleType) -> None:
        """As for `chain`."""

    @property
    def loss_slice(self) -> Any:
        from denpa.explain.slices import loss_slice

        return loss_slice


sys.modules[__name__].__class__ = Explain
