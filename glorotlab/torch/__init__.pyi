from .initialize import Initialization as Initialization
from .initialize import initialize_ as initialize_
