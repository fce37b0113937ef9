from .initialize import Initialization as Initialization
from .initialize import initialize_ as initialize_
from .measurement import measure as measure
from .tracing import read as read
