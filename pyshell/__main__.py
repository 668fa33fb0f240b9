"""`python -m pyshell`: the same as the command `pyshell`.

Runs in: console.
"""

import sys

from pyshell.cli import main

if __name__ == "__main__":
    sys.exit(main())
