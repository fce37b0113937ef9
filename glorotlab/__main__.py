"""``python -m glorotlab``."""

import sys

from glorotlab.cli import main

sys.exit(main())
