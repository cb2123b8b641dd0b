"""What every stage script has in common: a name on the command line, and errors as one line with exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dla.core import pools, process
from dla.core.claim import claim
from dla.core.errors import TOO_LARGE, UserError, is_beyond_memory, of_system
from dla.core.parent import end_with_dvc
from dla.core.success import until_success

pools.limit()  # before the script imports a library that has one
end_with_dvc()  # now: while libraries are imported, seconds pass


def run(main: Callable[..., None], description: str | None, what: str | None = None) -> None:
    """Call `main` with the name given on the command line, and end the process.

    Parameters
    ----------
    description : the script's docstring, shown by --help
    what : what the name is the name of, such as "a run of params.yaml"; None: there is none, the stage is the only one
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    if what is not None:
        parser.add_argument("name", help=what)
    arguments = list(vars(parser.parse_args()).values())
    pools.limit()  # anew: who forked this process from a warm one may have given it another shell's variables
    try:
        with _as_lines(), claim("@".join([Path(sys.argv[0]).stem, *arguments])), until_success():
            main(*arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        process.leave(2)
    except KeyboardInterrupt:
        process.leave(130)
    process.leave(0)


@contextmanager
def _as_lines() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise of_system(error) from error
    except (MemoryError, RuntimeError, ValueError, OverflowError) as error:
        if not is_beyond_memory(error):
            raise
        raise UserError(TOO_LARGE) from error
