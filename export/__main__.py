"""`python -m sottovoce.export` is `sottovoce-export`; `torchrun -m sottovoce.export train asr ...` trains in parallel."""

import sys

from sottovoce.export.cli import main

sys.exit(main())
