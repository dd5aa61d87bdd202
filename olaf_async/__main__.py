"""``python -m olaf_async``."""

import sys

from olaf_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
