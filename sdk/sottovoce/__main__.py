"""``python -m sottovoce`` is the command ``sottovoce``."""

import sys

from sottovoce.cli import main

sys.exit(main())
