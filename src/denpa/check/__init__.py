"""Gradient checking, fault location, and the contract of a primitive."""

from __future__ import annotations

from denpa.check.contract import Contract as Contract
from denpa.check.contract import check_primitive as check_primitive
from denpa.check.gradient import check as check
from denpa.check.node import Finding as Finding
from denpa.check.node import Kink as Kink
from denpa.check.node import judge as judge
from denpa.check.report import CheckReport as CheckReport
from denpa.check.report import Judged as Judged
from denpa.check.report import Row as Row
from denpa.check.verdict import Verdict as Verdict
from denpa.check.verdict import tolerance as tolerance
