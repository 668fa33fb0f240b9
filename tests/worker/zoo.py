"""Objects that notice every use: whatever of their code is called is counted, and then misbehaves.

Runs in: tests, and in a worker that a test starts: it needs nothing but the standard library.

`zoo("raise")` is a namespace of them. The way of misbehaving is the same for all: with `"exit"` each call raises
SystemExit, with `"sleep"` it waits, with `"quiet"` it answers as if nothing were the matter, and so on. Looking at
them is right if `calls` stays empty; what no count can tell (a mock that makes an attribute when it is asked for one)
`traces` tells.
"""

from __future__ import annotations

import collections
import enum
import functools
import importlib.util
import operator
import sys
import threading
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest import mock

calls: list[str] = []
"""What was called, in order: empty it once the animals are made."""

# What Python itself calls while it makes a class or an instance.
MAKING = {
    "__new__", "__init__", "__init_subclass__", "__class_getitem__", "__prepare__", "__mro_entries__", "__del__",
    "__set_name__",
}  # fmt: skip
KINDS = (object, int, str, list, dict, set, float, complex, types.FunctionType, BaseException)
OTHERS = {
    "__getattr__", "__get__", "__set__", "__delete__", "__enter__", "__exit__", "__bool__", "__call__", "__next__",
    "__length_hint__", "__missing__", "__bytes__", "__fspath__", "__index__", "__copy__", "__array__", "__deepcopy__",
    "__array_interface__", "__array_ufunc__", "__array_function__", "__dataframe__", "__arrow_c_stream__",
    "__instancecheck__", "__subclasscheck__", "__subclasses__", "mro", "_repr_html_", "_repr_mimebundle_",
    "_ipython_display_", "_ipython_key_completions_", "keys", "items", "values", "get", "copy", "tolist", "item",
}  # fmt: skip
FOUND = {name for kind in KINDS for name in vars(kind) if name.startswith("__") and callable(vars(kind)[name])}
SPECIAL = sorted((FOUND | OTHERS) - MAKING - {"__class__", "__slots__"})
PROPERTIES = (
    "__class__", "__dict__", "__doc__", "__module__", "__name__", "__wrapped__", "__signature__",
    "__text_signature__", "__self__", "__func__", "__code__", "__defaults__", "__kwdefaults__", "__annotations__",
    "__file__", "__members__", "__methods__", "__objclass__", "__origin__", "__args__", "__bases__", "__mro__",
    "shape", "dtype", "nbytes", "ndim", "columns", "index", "attr", "func", "args", "keywords",
)  # fmt: skip
TEXT_METHODS = (
    "__eq__", "__ne__", "__lt__", "__hash__", "__str__", "__repr__", "__len__", "__getitem__", "__format__", "__add__",
    "__iter__", "__contains__", "lower", "startswith", "encode", "split", "strip", "expandtabs", "replace", "partition",
)  # fmt: skip


def _recurse() -> Any:
    return _recurse()


def _print() -> Any:
    sys.stdout.write("the zoo was fed\n")


def _wait() -> Any:
    threading.Event().wait(5)


def _raiser(exception: BaseException) -> Callable[[], Any]:
    def raises() -> Any:
        raise exception

    return raises


BEHAVIOURS: dict[str, Callable[[], Any]] = {
    "raise": _raiser(RuntimeError("the zoo was fed")),
    "base": _raiser(BaseException("the zoo was fed")),
    "missing": _raiser(AttributeError("the zoo was fed")),
    "exit": _raiser(SystemExit(3)),
    "interrupt": _raiser(KeyboardInterrupt()),
    "sleep": _wait,
    "recurse": _recurse,
    "print": _print,
    "quiet": lambda: None,
}
_behave: list[Callable[[], Any]] = [BEHAVIOURS["raise"]]


def counting(where: str, name: str) -> Any:
    """A method that counts and misbehaves."""

    def method(*_: Any, **__: Any) -> Any:
        calls.append(f"{where}.{name}")
        return _behave[0]()

    return method


def dunders(where: str) -> dict[str, Any]:
    """All that a class can define, misbehaving."""
    made = {name: counting(where, name) for name in SPECIAL}
    return made | {name: property(counting(where, name)) for name in PROPERTIES}


def hostile_meta() -> Any:
    """A class of classes that misbehave."""
    refused = ("__dict__", "__doc__", "__module__", "__setattr__", "__set_name__", "__qualname__", "mro")
    return type("Meta", (type,), {name: value for name, value in dunders("meta").items() if name not in refused})


class Text(str):
    """A text that counts every use, and does it."""

    for _name in TEXT_METHODS:

        def _method(self, *args, _name=_name):  # type: ignore[no-untyped-def]
            calls.append(f"Text.{_name}")
            return getattr(str, _name)(self, *args)

        locals()[_name] = _method


def text(value: str) -> Any:
    return str.__new__(Text, value)


def animal(name: str, base: type = object, *values: Any) -> Any:
    """An instance of a class that overrides everything."""
    return base.__new__(type(name, (base,), dunders(name)), *values)


class Row(NamedTuple):
    """What a query returns."""

    key: int
    value: Any


@dataclass
class Record:
    """Shows itself by its fields."""

    value: Any


class Lazy:
    """What web frameworks call lazy: it looks a value up when anybody asks for anything, its class included."""

    def __getattribute__(self, name: str) -> Any:
        calls.append(f"Lazy.{name}")
        return _behave[0]()

    __dir__ = counting("Lazy", "__dir__")
    __call__ = counting("Lazy", "__call__")


class Proxy:
    """A transparent proxy: it has nothing of its own but `__wrapped__`."""

    __slots__ = ("__wrapped__", "__dict__")

    def __getattr__(self, name: str) -> Any:
        calls.append(f"Proxy.{name}")
        return getattr(self.__wrapped__, name)  # type: ignore[attr-defined]

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        calls.append("Proxy.__class__")
        return type(self.__wrapped__)  # type: ignore[attr-defined]


class Query:
    """A table of a database: each attribute is a query, and so is its length."""

    def __init__(self) -> None:
        self.__dict__["model"] = "Person"

    def __getattr__(self, name: str) -> Any:
        calls.append(f"Query.{name}")
        return _behave[0]()

    for _name in ("__len__", "__iter__", "__getitem__", "__repr__", "__bool__", "__contains__"):
        locals()[_name] = counting("Query", _name)


class Computed:
    """A descriptor whose value is work, on the instance's side and on the class's."""

    __get__ = counting("Computed", "__get__")
    __set__ = counting("Computed", "__set__")


class Owner:
    """Has what is computed."""

    attr = Computed()
    cached = functools.cached_property(counting("Owner", "cached"))
    prop = property(counting("Owner", "prop"), doc="A property that nobody asked.")
    operator = operator.attrgetter("prop")


class Colour(enum.Enum):
    """A member that shows itself in its own way."""

    RED = 1

    __repr__ = __str__ = counting("Colour", "__repr__")
    _missing_ = counting("Colour", "_missing_")


def _instances() -> dict[str, Any]:
    plain_class = type("Plain", (), dunders("plain"))
    found: dict[str, Any] = {"instance": object.__new__(plain_class), "cls": plain_class}
    found["slotted"] = object.__new__(type("Slotted", (), {"__slots__": ("a",), **dunders("slotted")}))
    for base in (float, tuple, set, frozenset, complex, bytearray, BaseException, types.ModuleType, property):
        found[f"a_{base.__name__}"] = animal(f"Sub{base.__name__}", base)
    found["a_int"], found["a_bytes"] = animal("Subint", int, 5), animal("Subbytes", bytes, b"5")
    found["a_str"], found["a_list"], found["a_dict"] = animal("Substr", str, "5"), animal("Sublist", list), {}
    list.extend(found["a_list"], [1, 2, 3])
    found["a_dict"] = animal("Subdict", dict)
    dict.__setitem__(found["a_dict"], "key", found["a_list"])
    for base in (collections.deque, collections.OrderedDict, collections.defaultdict, collections.Counter):
        found[f"a_{base.__name__}"] = animal(f"Sub{base.__name__}", base)
    found["namespace"] = animal("Space", types.SimpleNamespace)
    return found


def _classes() -> dict[str, Any]:
    meta = hostile_meta()
    odd = type.__new__(meta, "Odd", (), {"inside": 1})
    names = {"__module__": Lazy(), "__qualname__": text("Q"), text("key"): 1, "__doc__": text("doc")}
    return {
        "odd_class": odd, "odd": object.__new__(odd), "named": type(text("Named"), (), names)(), "Owner": Owner,
        "owner": Owner(), "Colour": Colour, "colour": Colour.RED,
        "signed": type("Signed", (), {"__signature__": Lazy(), "__init__": Lazy(), "__wrapped__": Lazy()}),
        "generic": list[odd], "lazy_generic": types.GenericAlias(list, (Lazy(),)),
    }  # fmt: skip


def _functions(instance: Any, odd: Any) -> dict[str, Any]:
    def function(a: Any = instance, *, b: Any = odd) -> None:
        """What it does."""

    function.__dict__.update(__signature__=instance, __wrapped__=instance)
    function.__annotations__ = {"a": instance, "b": type(odd), "return": list[type(odd)]}  # type: ignore[misc]

    def disguised(x: Any, y: Any = 1) -> None: ...

    disguised.__doc__, disguised.__name__ = text("doc"), text("disguised")
    disguised.__qualname__, disguised.__module__ = text("disguised"), instance
    disguised.__annotations__, disguised.__kwdefaults__ = animal("Notes", dict), animal("Defaults", dict)
    disguised.__code__ = disguised.__code__.replace(co_filename=text("<file>"), co_name=text("name"))

    def circle() -> None: ...

    circle.__wrapped__ = circle  # type: ignore[attr-defined]
    chain: Any = circle
    for _ in range(5000):
        chain, inner = (lambda: None), chain
        chain.__wrapped__ = inner
    snake = functools.partial(circle)
    snake.__setstate__((snake, (instance,), {"key": odd}, {}))  # type: ignore[attr-defined]
    items = animal("Owned", list)
    return {
        "function": function, "disguised": disguised, "circle": circle, "chain": chain, "snake": snake,
        "partial": functools.partial(function, instance, b=odd), "of_lazy": functools.partial(Lazy()),
        "method": types.MethodType(function, instance), "odd_method": types.MethodType(instance, odd),
        "of_builtin": list.append.__get__(items), "of_slot": object.__repr__.__get__(instance),
        "static": staticmethod(Lazy()), "klass": classmethod(Lazy()), "caller": operator.methodcaller("x", Lazy()),
        "cached": functools.lru_cache(function), "of_single": functools.singledispatch(function),
    }  # fmt: skip


def _proxies(instance: Any) -> dict[str, Any]:
    proxy = Proxy()
    proxy.__wrapped__ = instance  # type: ignore[attr-defined]
    target = animal("Target")
    module = types.ModuleType("module")
    module.__dict__.update(__getattr__=counting("module", "__getattr__"), __file__=instance, inside=instance)
    module.__dict__.update(__doc__=text("doc"), __path__=Lazy(), __all__=Lazy())
    found = {
        "lazy": Lazy(), "proxy": proxy, "query": Query(), "weak": weakref.proxy(target), "target": target,
        "ref": weakref.ref(target), "view": types.MappingProxyType(animal("Mapping", dict)), "module": module,
        "iterator": map(Lazy(), [1]), "not_there": _lazy_module(),
        "row": Row(1, instance), "record": Record(instance), "generator": (calls.append("generator") for _ in "x"),
    }  # fmt: skip
    found["dead"] = weakref.proxy(Lazy())
    return found


def _lazy_module() -> Any:
    """A module that is imported when somebody looks into it, and must not be."""
    spec = importlib.util.find_spec("this")
    assert spec is not None and spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _containers(instance: Any, odd: Any) -> dict[str, Any]:
    circle: list[Any] = [1]
    circle.append(circle)
    knot: dict[Any, Any] = {}
    knot["knot"] = (knot, [knot])
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]
    nested: Any = {}
    for _ in range(20_000):
        nested = {"in": nested}
    keyed = types.SimpleNamespace()
    keyed.__dict__[text("strange")] = 1
    space = types.SimpleNamespace(value=instance, odd=odd, lazy=Lazy())
    space.itself = space
    return {
        "containers": [instance, {1: odd}, (animal("Item", str, "x"),)], "circle_list": circle, "knot": knot,
        "deep": deep, "nested": nested, "strange_keys": {text("x"): 1, odd: 2, "x2": instance}, "keys": keyed,
        "lookalike": {text("same"): 1, "other": 2}, "space": space, "queue": collections.deque([instance]),
        "default": collections.defaultdict(Lazy(), {"a": instance}),
        "ordered": collections.OrderedDict(a=instance), "big_int": 1 << 10**6, "long": "x" * 10**6,
        "chained": collections.ChainMap({"a": instance}), "error": ValueError(instance, odd),
    }  # fmt: skip


def _mocks() -> dict[str, Any]:
    spec = mock.create_autospec(Owner, instance=True)
    found = {"mock": mock.Mock(), "magic": mock.MagicMock(), "spec": spec, "call": mock.call.a.b(1)}
    return {**found, "of_function": mock.create_autospec(_containers)}


def _fakes() -> dict[str, Any]:
    """What says of itself that it is an array or a frame."""
    found: dict[str, Any] = {}
    for module, name in (("numpy", "ndarray"), ("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table")):
        cls = type(name, (), {**dunders(f"{module}.{name}"), "__module__": module})
        found[f"fake_{module}"] = object.__new__(cls)
    return found


def zoo(behaviour: str = "raise") -> dict[str, Any]:
    """A namespace of animals. Those that were made before misbehave in that way, too, from now on."""
    _behave[0] = BEHAVIOURS["quiet"]  # Python asks some of them something while it puts them together
    instances = _instances()
    instance, classes = instances["instance"], _classes()
    odd = classes["odd"]
    found = {
        **instances, **classes, **_functions(instance, odd), **_proxies(instance), **_containers(instance, odd),
        **_mocks(), **_fakes(),
    }  # fmt: skip
    _behave[0] = BEHAVIOURS[behaviour]
    calls.clear()
    return found


def traces(animals: dict[str, Any]) -> list[str]:
    """What looking has left behind in animals that do not count."""
    left = []
    for name in ("mock", "magic", "spec", "of_function"):
        inside = object.__getattribute__(animals[name], "__dict__")
        if inside.get("_mock_children") and name in ("mock", "magic"):
            left.append(f"{name} made {list(inside['_mock_children'])}")
        if inside.get("method_calls") or inside.get("_mock_mock_calls"):
            left.append(f"{name} was called")
    if type.__dict__["__name__"].__get__(type(animals["not_there"])) != "_LazyModule":
        left.append("not_there was imported")
    return left


def science() -> dict[str, Any]:
    """Arrays, and frames of the libraries that are installed, that hold animals or are some."""
    import numpy

    behave, _behave[0] = _behave[0], BEHAVIOURS["missing"]
    instance = animal("Cell")
    scalar = numpy.empty((), dtype=object)
    scalar[()] = instance
    objects = numpy.empty((2, 3), dtype=object)
    objects[:] = None
    objects[0, 1] = instance
    sub = type("Array", (numpy.ndarray,), dunders("Array"))
    found: dict[str, Any] = {
        "objects": objects, "sub_array": numpy.ndarray.__new__(sub, (2, 2)),
        "scalar_object": scalar,
        "titled": numpy.zeros(2, dtype=[("a", object), ("b", "f8")]), "void": numpy.zeros(1, dtype=[("a", object)])[0],
        "masked": numpy.ma.array([1, 2], mask=[0, 1]), "of_ufunc": numpy.frompyfunc(instance, 1, 1),
        "vectorized": numpy.vectorize(Lazy()),
    }  # fmt: skip
    found["void"]["a"] = found["titled"]["a"][0] = instance
    if importlib.util.find_spec("pandas"):
        found.update(_frames(instance))
    if importlib.util.find_spec("polars"):
        import polars

        shows = {name: counting("Silent", name) for name in ("__repr__", "__str__", "__format__", "__eq__")}
        silent = type("Silent", (), {**shows, "__hash__": object.__hash__})()
        found["polars_objects"] = polars.DataFrame({"a": polars.Series("a", [silent], dtype=polars.Object)})
    _behave[0] = behave
    calls.clear()
    return found


def _frames(instance: Any) -> dict[str, Any]:
    import numpy
    import pandas

    frame = pandas.DataFrame({"a": [1, 2], "b": [None, None]})
    frame["b"] = numpy.array([instance, None], dtype=object)
    label = object.__new__(type("Label", (), {"__hash__": lambda self: 5, "__repr__": counting("Label", "__repr__")}))
    labelled = pandas.DataFrame([[1, 2], [3, 4]])
    labelled.columns = pandas.Index([label, "x"], dtype=object)
    labelled.index = pandas.Index([label, "y"], dtype=object)
    sub = type("Frame", (pandas.DataFrame,), {"_constructor": property(counting("Frame", "_constructor"))})
    found = {"frame": frame, "labelled": labelled, "series": frame["b"], "sub_frame": sub({"a": [1]})}
    frame.attrs["note"] = instance  # a frame that is cut out of this one copies it deeply
    return found
