"""Networks: layers, losses, initial parameters, optimisers, schedules, and `Network`, the short way."""

from __future__ import annotations

from denpa.nn import init as init, losses as losses, optim as optim, schedules as schedules
from denpa.nn.layers import (
    ACTIVATIONS as ACTIVATIONS,
    ELU as ELU,
    GELU as GELU,
    Activation as Activation,
    Affine as Affine,
    Dropout as Dropout,
    Flatten as Flatten,
    Identity as Identity,
    Layer as Layer,
    LeakyReLU as LeakyReLU,
    Linear as Linear,
    ReLU as ReLU,
    Sequential as Sequential,
    Sigmoid as Sigmoid,
    Softmax as Softmax,
    Softplus as Softplus,
    Tanh as Tanh,
    activation as activation,
)
from denpa.nn.network import Network as Network
from denpa.nn.random import step_key as step_key, uniform as uniform
from denpa.nn.theta import from_theta as from_theta, theta as theta
