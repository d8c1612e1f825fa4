"""Gradient checking, fault location, and the contract of a primitive."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from denpa.check.contract import Contract as Contract, check_primitive as check_primitive
from denpa.check.gradient import check as check
from denpa.check.node import Finding as Finding, Kink as Kink, judge as judge
from denpa.check.report import CheckReport as CheckReport, Judged as Judged, Row as Row
from denpa.check.verdict import Verdict as Verdict, tolerance as tolerance


class _Callable(ModuleType):
    """Lets `denpa.check(f, x)` mean the function: Python binds the name to this package whenever it is first loaded."""

    def __call__(self, *args: Any, **kwargs: Any) -> CheckReport:
        return check(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
