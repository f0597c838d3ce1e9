#!/usr/bin/env python3
"""Start Swing Hunter. `python3 run.py --help` lists the ways; the first start sets everything up by itself.

This file and `bootstrap/` need nothing but the standard library; all the rest runs inside the virtual
environment that they make. This file must parse on any Python 3, so that an old one gets a clear sentence.
"""

import os
import sys
import time

os.environ.setdefault("SWING_STARTED", format(time.time(), ".6f"))  # for the log: how long the start took

if sys.version_info < (3, 11):  # noqa: UP036 - said here because nothing else would parse
    sys.exit(
        "Swing Hunter needs Python 3.11 or newer; this is {0}.{1}. Get one from python.org.\n"
        "Swing Hunter Python 3.11 ya da daha yenisini ister; bu {0}.{1}. python.org adresinden kurun.".format(
            *sys.version_info[:2]
        )
    )


def main() -> int:
    """Make sure of the virtual environment, enter it, and run what the command line asks for."""
    from bootstrap.environment import Environment, steps_for

    arguments = sys.argv[1:]
    environment = Environment.find(steps_for(arguments))
    if environment.missing():
        from bootstrap.setup import set_up
        from cli.arguments import parse

        parse(arguments)  # a mistyped argument, or --help, is answered before minutes of set-up
        code = set_up(environment)
        if code:
            return code
    environment.enter()

    from cli.main import main as run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
