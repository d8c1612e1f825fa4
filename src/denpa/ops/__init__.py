"""The operations: one stanza a primitive, and functions composed of them, by their array-API names."""

from __future__ import annotations

from denpa.ops.activations import (
    elu as elu,
    gelu as gelu,
    leaky_relu as leaky_relu,
    relu as relu,
    sigmoid as sigmoid,
    softplus as softplus,
    tanh as tanh,
)
from denpa.ops.array_api import array_namespace as array_namespace
from denpa.ops.comparing import (
    argmax as argmax,
    argmin as argmin,
    equal as equal,
    greater as greater,
    greater_equal as greater_equal,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    less as less,
    less_equal as less_equal,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    not_equal as not_equal,
)
from denpa.ops.contraction import einsum as einsum
from denpa.ops.elementwise import (
    abs as abs,
    add as add,
    arctan as arctan,
    cos as cos,
    cosh as cosh,
    divide as divide,
    exp as exp,
    expm1 as expm1,
    log as log,
    log1p as log1p,
    multiply as multiply,
    negative as negative,
    power as power,
    sign as sign,
    sin as sin,
    sinh as sinh,
    sqrt as sqrt,
    square as square,
    subtract as subtract,
    tan as tan,
)
from denpa.ops.indexing import getitem as getitem, scatter_add as scatter_add, take as take
from denpa.ops.linear import (
    diagonal as diagonal,
    dot as dot,
    inner as inner,
    matmul as matmul,
    outer as outer,
    tensordot as tensordot,
    trace as trace,
    vecdot as vecdot,
    vector_norm as vector_norm,
)
from denpa.ops.losses import (
    absolute_error as absolute_error,
    huber as huber,
    log_softmax as log_softmax,
    one_hot as one_hot,
    sigmoid_cross_entropy as sigmoid_cross_entropy,
    softmax as softmax,
    softmax_cross_entropy as softmax_cross_entropy,
    squared_error as squared_error,
)
from denpa.ops.numpy_api import numpy_function as numpy_function, numpy_ufunc as numpy_ufunc
from denpa.ops.rearranging import (
    broadcast_arrays as broadcast_arrays,
    diff as diff,
    moveaxis as moveaxis,
    repeat as repeat,
    split as split,
    swapaxes as swapaxes,
    take_along_axis as take_along_axis,
    tile as tile,
    tril as tril,
    triu as triu,
    unstack as unstack,
)
from denpa.ops.reducing import (
    all as all,
    any as any,
    cumulative_sum as cumulative_sum,
    logsumexp as logsumexp,
    max as max,
    mean as mean,
    min as min,
    prod as prod,
    std as std,
    sum as sum,
    var as var,
)
from denpa.ops.selecting import (
    clip as clip,
    identity as identity,
    maximum as maximum,
    minimum as minimum,
    ones_like as ones_like,
    stop_gradient as stop_gradient,
    where as where,
    zeros_like as zeros_like,
)
from denpa.ops.shaping import (
    astype as astype,
    broadcast_to as broadcast_to,
    concat as concat,
    expand_dims as expand_dims,
    flip as flip,
    matrix_transpose as matrix_transpose,
    pad as pad,
    permute_dims as permute_dims,
    reshape as reshape,
    roll as roll,
    squeeze as squeeze,
    stack as stack,
    sum_to as sum_to,
)
from denpa.ops.special import erf as erf, erfc as erfc
