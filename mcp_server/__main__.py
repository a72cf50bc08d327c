"""`python -m mcp_server` is `fresh-context`."""

import sys

if __name__ == "__main__":  # workers import this module too, and need none of it
    from mcp_server.cli.main import main

    sys.exit(main())
