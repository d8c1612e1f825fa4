"""denpa 伝播."""
from denpa.autodiff import backward as backward
from denpa.graph import Graph as Graph, Tensor as Tensor, inputs as inputs, tensor as tensor
