"""denpa 伝播: glass-box deep learning.

Every value going forward, every gradient coming back, every local derivative can be looked at; and the same graphs
train networks.  `import denpa as dp` loads NumPy and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denpa.autodiff import Gradients as Gradients, backward as backward
from denpa.blackbox import black_box as black_box
from denpa.errors import (
    DataError as DataError,
    DenpaError as DenpaError,
    DTypeError as DTypeError,
    GradientError as GradientError,
    GradientMismatch as GradientMismatch,
    MissingPackage as MissingPackage,
    ModelFileError as ModelFileError,
    ShapeError as ShapeError,
    TrainingError as TrainingError,
    UsageError as UsageError,
)
from denpa.graph import (
    FUNCTIONS,
    Graph as Graph,
    Node as Node,
    Role as Role,
    Tensor as Tensor,
    constant as constant,
    inputs as inputs,
    no_grad as no_grad,
    parameter as parameter,
    tensor as tensor,
)
from denpa.ops import (
    abs as abs,
    absolute_error as absolute_error,
    add as add,
    all as all,
    any as any,
    arctan as arctan,
    argmax as argmax,
    argmin as argmin,
    astype as astype,
    broadcast_arrays as broadcast_arrays,
    broadcast_to as broadcast_to,
    clip as clip,
    concat as concat,
    cos as cos,
    cosh as cosh,
    cumulative_sum as cumulative_sum,
    diff as diff,
    divide as divide,
    einsum as einsum,
    elu as elu,
    equal as equal,
    erf as erf,
    erfc as erfc,
    exp as exp,
    expand_dims as expand_dims,
    expm1 as expm1,
    flip as flip,
    gelu as gelu,
    getitem as getitem,
    greater as greater,
    greater_equal as greater_equal,
    huber as huber,
    identity as identity,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    leaky_relu as leaky_relu,
    less as less,
    less_equal as less_equal,
    log as log,
    log1p as log1p,
    log_softmax as log_softmax,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logsumexp as logsumexp,
    matmul as matmul,
    matrix_transpose as matrix_transpose,
    max as max,
    maximum as maximum,
    mean as mean,
    min as min,
    minimum as minimum,
    moveaxis as moveaxis,
    multiply as multiply,
    negative as negative,
    not_equal as not_equal,
    one_hot as one_hot,
    ones_like as ones_like,
    outer as outer,
    pad as pad,
    permute_dims as permute_dims,
    power as power,
    prod as prod,
    relu as relu,
    repeat as repeat,
    reshape as reshape,
    roll as roll,
    scatter_add as scatter_add,
    sigmoid as sigmoid,
    sigmoid_cross_entropy as sigmoid_cross_entropy,
    sign as sign,
    sin as sin,
    sinh as sinh,
    softmax as softmax,
    softmax_cross_entropy as softmax_cross_entropy,
    softplus as softplus,
    sqrt as sqrt,
    square as square,
    squared_error as squared_error,
    squeeze as squeeze,
    stack as stack,
    std as std,
    stop_gradient as stop_gradient,
    subtract as subtract,
    sum as sum,
    sum_to as sum_to,
    take as take,
    take_along_axis as take_along_axis,
    tan as tan,
    tanh as tanh,
    tensordot as tensordot,
    tile as tile,
    tril as tril,
    triu as triu,
    unstack as unstack,
    var as var,
    vecdot as vecdot,
    vector_norm as vector_norm,
    where as where,
    zeros_like as zeros_like,
)
from denpa.primitive import (
    Primitive as Primitive,
    Special as Special,
    broadcast as broadcast,
    primitive as primitive,
    same as same,
)
from denpa.transforms import (
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacobian as jacobian,
    jvp as jvp,
    trace as trace,
    value_and_grad as value_and_grad,
    vjp as vjp,
)

if TYPE_CHECKING:
    from denpa import data as data, explain as explain, interop as interop, nn as nn
    from denpa.check import CheckReport as CheckReport, check as check, check_primitive as check_primitive
    from denpa.draw.graph_picture import Drawing as Drawing, draw as draw
    from denpa.engine.compiled import compile_function as compile  # noqa: F401  another name, on purpose
    from denpa.explain.descent import descend as descend
    from denpa.explain.doctor import doctor as doctor
    from denpa.explain.notation import notation as notation
    from denpa.explain.trace import trace_step as trace_step
    from denpa.formula import formula as formula
    from denpa.interop import check_file as check_file, check_layer as check_layer
    from denpa.interop.onnx_export import export_onnx as export_onnx
    from denpa.interop.onnx_import import import_onnx as import_onnx
    from denpa.interop.state import load_state as load_state, save_state as save_state
    from denpa.numeric import numerical_gradient as numerical_gradient
    from denpa.train import callbacks as callbacks
    from denpa.train.entry import resume as resume, train as train
    from denpa.train.fitting import fit as fit
    from denpa.train.model_file import load_model as load_model

__version__ = "0.1.0"


def _mimebundle(what: Any) -> dict[str, str]:
    """What a notebook shows for a Tensor or a Graph; graph.py looks it up by name, so that it need not know drawing."""
    from denpa.draw.graph_picture import mimebundle

    return mimebundle(what)


FUNCTIONS["mimebundle"] = _mimebundle


# The parts that not every program needs are loaded when they are first asked for.  `check`, `draw`, `explain`
# and `train` are packages that are callable and stand for their functions: their first load binds the name here in any
# case.
def _checking() -> dict[str, Any]:
    import denpa.check as package
    from denpa.numeric import numerical_gradient

    return {
        "check": package,
        "check_primitive": package.check_primitive,
        "CheckReport": package.CheckReport,
        "numerical_gradient": numerical_gradient,
    }


def _drawing() -> dict[str, Any]:
    import denpa.draw as package
    from denpa.draw.graph_picture import Drawing
    from denpa.formula import formula

    return {"draw": package, "Drawing": Drawing, "formula": formula}


def _explaining() -> dict[str, Any]:
    import denpa.explain as package
    from denpa.explain.descent import descend
    from denpa.explain.doctor import doctor
    from denpa.explain.notation import notation
    from denpa.explain.trace import trace_step

    return {"explain": package, "descend": descend, "doctor": doctor, "notation": notation, "trace_step": trace_step}


def _networks() -> dict[str, Any]:
    import denpa.nn as package

    return {"nn": package}


def _files() -> dict[str, Any]:
    import denpa.data as package
    from denpa.train.model_file import load_model

    return {"data": package, "load_model": load_model}


def _training() -> dict[str, Any]:
    import denpa.train as package
    from denpa.train.entry import resume

    return {"train": package, "resume": resume}


def _fitting() -> dict[str, Any]:
    from denpa.train import callbacks
    from denpa.train.fitting import fit

    return {"fit": fit, "callbacks": callbacks}


def _engines() -> dict[str, Any]:
    from denpa.engine.compiled import compile_function

    return {"compile": compile_function}


def _foreign() -> dict[str, Any]:
    import denpa.interop as package

    return {"interop": package, "check_layer": package.check_layer, "check_file": package.check_file}


def _exchange() -> dict[str, Any]:
    from denpa.interop.onnx_export import export_onnx
    from denpa.interop.onnx_import import import_onnx
    from denpa.interop.state import load_state, save_state

    return {"export_onnx": export_onnx, "import_onnx": import_onnx, "load_state": load_state, "save_state": save_state}


_LOADERS = {
    **dict.fromkeys(("check", "check_primitive", "CheckReport", "numerical_gradient"), _checking),
    **dict.fromkeys(("draw", "Drawing", "formula"), _drawing),
    **dict.fromkeys(("explain", "descend", "doctor", "notation", "trace_step"), _explaining),
    **dict.fromkeys(("data", "load_model"), _files),
    **dict.fromkeys(("fit", "callbacks"), _fitting),
    **dict.fromkeys(("train", "resume"), _training),
    **dict.fromkeys(("interop", "check_layer", "check_file"), _foreign),
    **dict.fromkeys(("export_onnx", "import_onnx", "load_state", "save_state"), _exchange),
    "nn": _networks,
    "compile": _engines,
}


def __getattr__(name: str) -> Any:
    if name not in _LOADERS:
        raise AttributeError(f"module 'denpa' has no attribute {name!r}")
    globals().update(_LOADERS[name]())
    return globals()[name]
