from .initialize import Initialization as Initialization
from .initialize import initialize_ as initialize_
from .read import read as read
