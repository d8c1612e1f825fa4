"""Other people's code: layers in the book's style, functions with derivatives, PyTorch's functions; and their judge."""

from __future__ import annotations

from denpa.interop.book import BookLayer as BookLayer
from denpa.interop.functions import from_derivative as from_derivative
from denpa.interop.judging.faults import Fault as Fault, FileReport as FileReport, Judgement as Judgement
from denpa.interop.judging.judge import check_layer as check_layer
from denpa.interop.judging.process import check_file as check_file
from denpa.interop.network import Network as Network
from denpa.interop.torchlike import Context as Context, Function as Function
