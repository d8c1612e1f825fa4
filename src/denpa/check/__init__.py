"""Gradient checking, fault location, and the contract of a primitive."""

from __future__ import annotations

from denpa.check.contract import Contract as Contract, check_primitive as check_primitive
from denpa.check.gradient import check as check
from denpa.check.node import Finding as Finding, Kink as Kink, judge as judge
from denpa.check.report import CheckReport as CheckReport, Judged as Judged, Row as Row
from denpa.check.verdict import Verdict as Verdict, tolerance as tolerance
