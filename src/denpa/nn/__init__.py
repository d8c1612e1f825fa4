"""Networks: layers, losses, initial parameters, optimisers, schedules, and `Network`, the short way."""

from __future__ import annotations

from denpa.nn import init as init
from denpa.nn import losses as losses
from denpa.nn import optim as optim
from denpa.nn import schedules as schedules
from denpa.nn.layers import ACTIVATIONS as ACTIVATIONS
from denpa.nn.layers import ELU as ELU
from denpa.nn.layers import GELU as GELU
from denpa.nn.layers import Activation as Activation
from denpa.nn.layers import Affine as Affine
from denpa.nn.layers import Dropout as Dropout
from denpa.nn.layers import Flatten as Flatten
from denpa.nn.layers import Identity as Identity
from denpa.nn.layers import Layer as Layer
from denpa.nn.layers import LeakyReLU as LeakyReLU
from denpa.nn.layers import Linear as Linear
from denpa.nn.layers import ReLU as ReLU
from denpa.nn.layers import Sequential as Sequential
from denpa.nn.layers import Sigmoid as Sigmoid
from denpa.nn.layers import Softmax as Softmax
from denpa.nn.layers import Softplus as Softplus
from denpa.nn.layers import Tanh as Tanh
from denpa.nn.network import Network as Network
from denpa.nn.random import step_key as step_key
from denpa.nn.random import uniform as uniform
from denpa.nn.theta import from_theta as from_theta
from denpa.nn.theta import theta as theta
