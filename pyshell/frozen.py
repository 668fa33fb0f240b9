"""`dataclass` as the standard library has it, for a fiftieth of the price. Pure.

Runs in: every process (Python 3.10 and newer).

The standard library writes and compiles up to six methods for each class, which takes a millisecond; a worker that
starts makes more than a hundred classes. Here all of them share the same methods, and the standard library is asked
when somebody wants `fields`, `replace` or the like. Not for classes that inherit fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
else:

    def dataclass(cls: type | None = None, *, frozen: bool = False) -> Any:
        """Add the methods that a class with these fields has; those that it defines itself stay."""
        if cls is not None:
            return _completed(cls, _METHODS)
        return lambda cls: _completed(cls, _FROZEN if frozen else _METHODS)

    def field(*, default_factory: Any) -> Any:
        """A field whose default is made anew for each instance."""
        return _Factory(default_factory)


class _Factory:
    def __init__(self, make: Any) -> None:
        self.make = make


class _Fields:
    """`__dataclass_fields__`, from the moment on in which it is needed."""

    def __get__(self, _: object, owner: Any) -> Any:
        import dataclasses  # late: with what it imports it takes eight milliseconds

        def theirs(name: str) -> Any:
            default = owner._defaults.get(name, dataclasses.MISSING)
            is_made = type(default) is _Factory
            return dataclasses.field(default_factory=default.make) if is_made else dataclasses.field(default=default)

        twin = dataclasses.make_dataclass(
            owner.__name__, [(name, owner.__annotations__[name], theirs(name)) for name in owner._field_names],
            init=False, repr=False, eq=False,
        )  # fmt: skip
        owner.__dataclass_fields__ = twin.__dict__["__dataclass_fields__"]
        return owner.__dataclass_fields__


def _completed(cls: Any, methods: dict[str, Any]) -> Any:
    annotations = cls.__dict__.get("__annotations__", {})
    cls._field_names = tuple([name for name in annotations if "ClassVar[" not in annotations[name]])
    cls._defaults = {name: cls.__dict__[name] for name in cls._field_names if name in cls.__dict__}
    for name, method in {**methods, "__match_args__": cls._field_names}.items():
        if name not in cls.__dict__:
            setattr(cls, name, method)
    return cls


def _init(self: Any, *values: Any, **named: Any) -> None:
    names = self._field_names
    if named or len(values) != len(names):
        values = _arguments(type(self), values, named)
    self.__dict__.update(zip(names, values))


def _arguments(cls: Any, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """All field values in order, from positions, names and defaults; TypeError as a function call has it."""
    names = cls._field_names
    given = {**dict(zip(names, values)), **named}
    unknown = [name for name in named if name not in names or name in names[: len(values)]]
    missing = [name for name in names if name not in given and name not in cls._defaults]
    if missing or unknown or len(values) > len(names):
        raise TypeError(f"{cls.__name__}() takes {', '.join(names)}; missing: {missing}, not its own: {unknown}")
    return tuple([given[name] if name in given else _default(cls._defaults[name]) for name in names])


def _default(value: Any) -> Any:
    return value.make() if type(value) is _Factory else value


def _values(self: Any) -> list[Any]:
    """Not all of `__dict__`: a cached property keeps its value there, too."""
    return [self.__dict__[name] for name in self._field_names]


def _repr(self: Any) -> str:
    fields = ", ".join([f"{name}={value!r}" for name, value in zip(self._field_names, _values(self))])
    return f"{type(self).__qualname__}({fields})"


def _eq(self: Any, other: Any) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), *_values(self)))


def _set(self: Any, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError  # late, as above

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError  # late, as above

    raise FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS = {"__init__": _init, "__repr__": _repr, "__eq__": _eq, "__hash__": None, "__dataclass_fields__": _Fields()}
_FROZEN = {**_METHODS, "__hash__": _hash, "__setattr__": _set, "__delattr__": _delete}
