"""`python -m variegate`: the command line without its script on the path."""

import sys

from variegate.cli import main

sys.exit(main())
