"""Drawing: charts and pages of documents, and pictures of graphs.  The package itself is callable: `draw(graph)`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class Draw(ModuleType):
    """The package as the function `draw`, so that `denpa.draw(...)` works whatever was imported first."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `denpa.draw.graph_picture.draw`."""
        from denpa.draw.graph_picture import draw

        return draw(*args, **kwargs)


sys.modules[__name__].__class__ = Draw
