"""denpa 伝播: glass-box deep learning.

Every value going forward, every gradient coming back, every local derivative can be looked at; and the same graphs
train networks.  `import denpa as dp` loads NumPy and the standard library only.
"""

from __future__ import annotations

from denpa.autodiff import Gradients as Gradients
from denpa.autodiff import backward as backward
from denpa.blackbox import black_box as black_box
from denpa.errors import DataError as DataError
from denpa.errors import DenpaError as DenpaError
from denpa.errors import DTypeError as DTypeError
from denpa.errors import GradientError as GradientError
from denpa.errors import GradientMismatch as GradientMismatch
from denpa.errors import MissingPackage as MissingPackage
from denpa.errors import ModelFileError as ModelFileError
from denpa.errors import ShapeError as ShapeError
from denpa.errors import TrainingError as TrainingError
from denpa.errors import UsageError as UsageError
from denpa.graph import Graph as Graph
from denpa.graph import Node as Node
from denpa.graph import Role as Role
from denpa.graph import Tensor as Tensor
from denpa.graph import constant as constant
from denpa.graph import inputs as inputs
from denpa.graph import no_grad as no_grad
from denpa.graph import parameter as parameter
from denpa.graph import tensor as tensor
from denpa.primitive import Primitive as Primitive
from denpa.primitive import Special as Special
from denpa.primitive import broadcast as broadcast
from denpa.primitive import primitive as primitive
from denpa.primitive import same as same
from denpa.transforms import grad as grad
from denpa.transforms import hessian as hessian
from denpa.transforms import hvp as hvp
from denpa.transforms import jacobian as jacobian
from denpa.transforms import jvp as jvp
from denpa.transforms import trace as trace
from denpa.transforms import value_and_grad as value_and_grad
from denpa.transforms import vjp as vjp

__version__ = "0.1.0"
