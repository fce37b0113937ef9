"""``python -m glorotlab``."""

import sys

from glorotlab.cli.main import main

sys.exit(main())
