"""Other people's formats and code: layers in the book's style, PyTorch's functions, and the judge of both."""

from __future__ import annotations

from denpa.interop.functions import from_derivative as from_derivative
from denpa.interop.judging.judge import check_layer as check_layer
from denpa.interop.torchlike import Function as Function
