# SPDX-License-Identifier: Apache-2.0
"""``bytemac VERB ...``: every command of the project under one name."""

import sys
from collections.abc import Sequence
from pkgutil import resolve_name

from bytemac.verbs import VERBS


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status is that of the verb."""
    name, *rest = sys.argv[1:] if arguments is None else arguments
    return int(resolve_name(f"{VERBS[name].module}:main")(rest))


if __name__ == "__main__":
    sys.exit(main())
