"""What a cell can set outside of the namespace and wants back: how each is read, and how it is set again.

Runs in: worker, on its main thread.

Each is read after every cell, so reading takes microseconds: what is asked for are copies that can be compared, never
the library's own reckoning of what differs. Nothing here imports a library; who has not imported it has set nothing.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable
from typing import Any

from pyshell.frozen import dataclass

GONE = object()
"""The value of an item that was there at first and is not any more."""

Items = dict[str, Any]


@dataclass(frozen=True)
class Keeper:
    """One place where settings lie."""

    name: str
    """As a person knows it."""
    module: str
    """While this is not imported there is nothing to keep. It is imported to bring something back."""
    look: Callable[[Any], Items]
    """All that is set there now, given the module; not changed by what is set later."""
    put: Callable[[Any, str, Any], object]
    """Set one item, given the module; the value may be GONE."""
    usual: Callable[[Any], Items] | None = None
    """What is set there by the library itself; None: it cannot be told, and all is kept."""
    is_early: bool = False
    """Set before the variables come back, which may depend on it."""
    is_scoped: bool = False
    """Mostly set for a while (`with`): in the middle of a cell it does not count."""
    is_local: bool = False
    """Means something on one computer only."""


class _Watch:
    """Looks at a dict of settings, and takes it apart only if it is not as it was: that takes ten times as long."""

    def __init__(
        self, find: Callable[[Any], Any], copy: Callable[[Any], Items], items: Callable[[Items], Items]
    ) -> None:
        """`copy` need only be equal to what is found, and not change with it."""
        self._find, self._copy, self._make = find, copy, items
        self._seen: Items | None = None
        self._items: Items = {}

    def __call__(self, module: Any) -> Items:
        found = self._find(module)
        if self._seen is None or not self._is_as_seen(found):
            self._seen = self._copy(found)
            self._items = self._make(self._seen)
        return self._items

    def _is_as_seen(self, found: Any) -> bool:
        try:
            return dict.__eq__(found, self._seen) is True  # dict's own: matplotlib's does more
        except Exception:  # arrays among the values
            return False


# --- Python's own ---------------------------------------------------------------------------------------------


def _variables(raw: Items) -> Items:
    # What begins with `_` is a shell's, or a library's own: polars adds to it at each import.
    items = {os.fsdecode(name): os.fsdecode(value) for name, value in raw.items()}
    return {name: value for name, value in items.items() if name[:1] != "_"}


def _put_variable(os: Any, name: str, value: Any) -> None:
    if value is GONE:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _random(random: Any) -> Items:
    version, (*words, position), gauss = random.getstate()
    return {"": (version, array("I", words).tobytes(), position, gauss)}


def _put_random(random: Any, _: str, value: Any) -> None:
    version, words, position, gauss = value
    random.setstate((version, (*array("I", words), position), gauss))


def _put_filters(warnings: Any, _: str, value: Any) -> None:
    warnings.resetwarnings()  # which also says that what was decided by the old ones holds no more
    warnings.filters[:] = value


def _decimal(decimal: Any) -> Items:
    _, (*fields, _flags, traps) = decimal.getcontext().__reduce__()
    # Not the flags: they say what was computed, and nobody has set them.
    return {"": (fields, traps)}


def _put_decimal(decimal: Any, _: str, value: Any) -> None:
    fields, traps = value
    decimal.setcontext(decimal.Context(*fields, [], traps))


def _levels(logging: Any) -> Items:
    found = {"root": logging.root.level}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        level = getattr(logger, "level", 0)  # a placeholder has none
        if level:
            found[name] = level
    return found


def _put_level(logging: Any, name: str, value: Any) -> None:
    logger = logging.root if name == "root" else logging.getLogger(name)
    logger.setLevel(logging.NOTSET if value is GONE else value)


# --- libraries ------------------------------------------------------------------------------------------------

_PRINTING = {
    "edgeitems": 3, "threshold": 1000, "floatmode": "maxprec", "precision": 8, "suppress": False, "linewidth": 75,
    "nanstr": "nan", "infstr": "inf", "sign": "-", "formatter": None, "legacy": False, "override_repr": None,
}  # fmt: skip
_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def _numpy_random(random: Any) -> Items:
    return {"": _plain(random.get_state(legacy=False))}


def _plain(state: Any) -> Items:
    """A generator's state with bytes for its array, which can be compared."""
    inner = {name: value.tobytes() if hasattr(value, "tobytes") else value for name, value in state["state"].items()}
    return {**state, "state": inner}


def _numpy_random_unused(random: Any) -> Items:
    """What a generator that nobody has seeded began with: it can be computed again."""
    source = random.get_bit_generator()
    return {"": {**_plain(type(source)(source.seed_seq).state), "has_gauss": 0, "gauss": 0.0}}


def _put_numpy_random(random: Any, _: str, value: Any) -> None:
    state = dict(value["state"])
    if isinstance(state.get("key"), bytes):
        state["key"] = sys.modules["numpy"].frombuffer(state["key"], dtype="uint32")
    random.set_state({**value, "state": state})


def _pandas(_: Any) -> Any:
    return sys.modules["pandas._config.config"]._global_config


def _nested(options: Any) -> Items:
    return {name: _nested(value) if type(value) is dict else value for name, value in options.items()}


def _flat(options: Any, prefix: str = "") -> Items:
    found: Items = {}
    for name, value in options.items():
        found.update(_flat(value, f"{prefix}{name}.") if type(value) is dict else {prefix + name: value})
    return found


def _pandas_usual(_: Any) -> Items:
    options: Any = sys.modules["pandas._config.config"]._registered_options
    return {name: option.defval for name, option in options.items()}


_OURS = ("backend", "backend_fallback")
"""Which of its parameters plotting.py sets, and asking for which would settle them."""


def _parameters(values: Any) -> Items:
    return {name: value for name, value in _copied(values).items() if name not in _OURS}


def _copied(values: Any) -> Items:
    # dict's own items: those of the class do more. Lists are changed in place, as in `rcParams["font.serif"].insert`.
    return {name: [*value] if type(value) is list else value for name, value in dict.items(values)}


def _put_parameter(matplotlib: Any, name: str, value: Any) -> None:
    matplotlib.rcParams[name] = value


_FORMATS = {
    "set_fmt_float": "mixed", "set_float_precision": None, "set_thousands_separator": "",
    "set_decimal_separator": ".", "set_trim_decimal_zeros": False,
}  # fmt: skip


def _polars(polars: Any) -> Items:
    # The others are environment variables.
    return {name: value for name, value in polars.Config.state().items() if name.startswith("set_")}


def _torch(torch: Any) -> Items:
    return {"": torch.get_rng_state().numpy().tobytes()}


def _put_torch(torch: Any, _: str, value: Any) -> None:
    torch.set_rng_state(torch.frombuffer(bytearray(value), dtype=torch.uint8))


def _setter(name: str) -> Callable[[Any, str, Any], object]:
    """Sets by a function of the module that takes items as keywords."""
    return lambda module, item, value: getattr(module, name)(**{item: value})


KEEPERS = (
    Keeper("os.environ", "os", _Watch(lambda os: os.environ._data, dict, _variables), _put_variable,
           is_early=True, is_local=True),
    Keeper("locale.setlocale()", "_locale", lambda locale: {"": locale.setlocale(locale.LC_ALL)},
           lambda locale, _, value: locale.setlocale(locale.LC_ALL, value), is_early=True),
    Keeper("sys.getrecursionlimit()", "sys", lambda sys: {"": sys.getrecursionlimit()},
           lambda sys, _, value: sys.setrecursionlimit(value), is_early=True),
    Keeper("decimal.getcontext()", "decimal", _decimal, _put_decimal, is_scoped=True),
    Keeper("logging levels", "logging", _levels, _put_level),
    Keeper("logging.disable()", "logging", lambda logging: {"": logging.root.manager.disable},
           lambda logging, _, value: logging.disable(value)),
    Keeper("np.printoptions", "numpy", lambda numpy: numpy.get_printoptions(), _setter("set_printoptions"),
           lambda _: _PRINTING, is_scoped=True),
    Keeper("np.geterr()", "numpy", lambda numpy: numpy.geterr(), _setter("seterr"), lambda _: _ERRORS, is_scoped=True),
    Keeper("pd.options", "pandas", _Watch(_pandas, _nested, _flat),
           lambda pandas, name, value: pandas.set_option(name, value), _pandas_usual, is_scoped=True),
    Keeper("plt.rcParams", "matplotlib", _Watch(lambda matplotlib: matplotlib.rcParams, _copied, _parameters),
           _put_parameter, lambda matplotlib: _parameters(matplotlib.rcParamsOrig), is_scoped=True),
    Keeper("pl.Config", "polars", _polars, lambda polars, name, value: getattr(polars.Config, name)(value),
           lambda _: _FORMATS, is_scoped=True),
    # After what may draw from them, or be imported for them.
    Keeper("warnings.filters", "warnings", lambda warnings: {"": [*warnings.filters]}, _put_filters, is_scoped=True),
    Keeper("torch's random state", "torch", _torch, _put_torch),
    Keeper("np.random's state", "numpy.random", _numpy_random, _put_numpy_random, _numpy_random_unused),
    Keeper("random's state", "random", _random, _put_random),
)  # fmt: skip
"""In the order in which they are set."""
