"""The child's entry point: ``python -m medcore.workers package.module:factory``."""

import sys

from medcore.workers.child import main

if __name__ == "__main__":
    main(sys.argv[1:])
