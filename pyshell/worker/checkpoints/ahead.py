"""Import in a spare worker what the session's newest checkpoint will need.

Runs in: worker (a spare one), before it has a namespace.

Only what is installed: a module of the user's own may be edited before it is needed, and then the old one would come
back. The modules are imported as `restore` would, by the same names, with the same streams, path and environment.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import site
import sys
from collections.abc import Callable, Iterable

ACTING = frozenset({"mpi4py", "arcpy"})
"""Packages that do more than come up when they are imported: join a parallel job, take a licence. Not for a spare."""


def places() -> tuple[str, ...]:
    """The directories that installers put packages into; whoever installs or removes one changes its directory."""
    found = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return tuple(dict.fromkeys(os.path.realpath(place) for place in found if os.path.isdir(place)))


def import_ahead(modules: Iterable[str], breadcrumb: Callable[[str], None]) -> None:
    """Import those that are installed. One that cannot be imported is left: its restore will say why.

    `breadcrumb` is told each before it is imported, and the empty string at the end: an import may hang.
    """
    installed = places()
    for name in modules:
        breadcrumb(f"import:{name}")  # one word, as the ids of groups are
        try:
            package = name.partition(".")[0]
            if name not in sys.modules and package not in ACTING and is_in(package, installed):
                importlib.import_module(name)
        except BaseException:  # a module's code may raise anything, and says so again when it is restored
            continue
        finally:
            breadcrumb("")


def is_in(package: str, directories: Iterable[str]) -> bool:
    """Whether `import package` would take it from one of these directories."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    origin = os.path.realpath(spec.origin)
    return any(origin.startswith(place + os.sep) for place in directories)
