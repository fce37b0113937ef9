from .initialize import Initialization as Initialization
from .initialize import initialize_ as initialize_
from .measure import measure as measure
from .read import read as read
