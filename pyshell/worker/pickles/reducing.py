"""How the session's functions, classes and enums are pickled: by name where they are bound, by value where not.

Runs in: the forked child that saves.

A definition is a function or class of the session that the namespace binds. It is a record of its own; whatever
reaches it says only its name. All other functions and classes of the session are pickled by value where they are
reached, and their globals are always the live namespace, never a copy of it.
"""

from __future__ import annotations

import enum
import marshal
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pyshell.worker.kinds import (
    ALIAS,
    CACHED,
    SESSION,
    TYPES,
    VARIABLES,
    bases_of,
    home_of,
    is_class,
    is_importable,
    module_of,
    mro_of,
    name_of,
    qualname_of,
    static_dict,
    walk,
)
from pyshell.worker.pickles import adapters, leaves, rebuilding
from pyshell.worker.pickles.leaves import Call, Globals, Reduced, Unsavable
from pyshell.worker.pickles.refusals import refusal
from pyshell.worker.touched import names_in

_HEAP_TYPE = 1 << 9
_OWN_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType)
_SETTABLE = {"__doc__", "__abstractmethods__", "__annotations__", "__type_params__", "__annotate__"}
_CTYPES = ("_fields_", "_pack_", "_anonymous_", "_align_", "_type_", "_length_", "_flags_", "_argtypes_", "_restype_")
"""What C code must know when it lays out a class for ctypes."""
_VARIABLE_OPTIONS = ("bound", "covariant", "contravariant", "infer_variance")
_FUNCTION_SLOTS = (
    "__defaults__", "__kwdefaults__", "__annotations__", "__doc__", "__qualname__", "__module__", "__type_params__",
)  # fmt: skip


class Reducer:
    """The rules for one pickle; `override` is its `reducer_override`.

    `definitions` maps the ids of the session's definitions to their names; `members` are the ids of those that are
    pickled here.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        definitions: Mapping[int, str],
        members: frozenset[int],
        streams: dict[int, str],
    ) -> None:
        self.namespace = namespace
        self.definitions = definitions
        self.members = members
        self.references: set[str] = set()
        """Names of the definitions that were referred to."""
        self.by_value: set[int] = set()
        """Ids of functions and classes that were pickled by value."""
        self.holds_code = False
        self.uses: set[str] = set()
        """Names that the pickled code looks up."""
        self.foreign: dict[int, Globals] = {}
        """Stand-ins for globals that are no module's, by the id of the dict."""
        self.notes = leaves.Notes(streams)
        self._leaf_rules = {**leaves.rules(), **adapters.imported()}
        # With the type itself, to keep it alive: another type could get its id.
        self._verdicts: dict[int, tuple[type, str | None]] = {}

    def adapt(self, rules: Mapping[int, Callable[[leaves.Notes, Any], Reduced]]) -> None:
        """Other rules for these types, by id."""
        self._leaf_rules.update(rules)

    def override(self, value: Any) -> Reduced:
        kind = type(value)
        rule = _RULES.get(id(kind))
        if rule is not None:
            return rule(self, value)
        leaf_rule = self._leaf_rules.get(id(kind))
        if leaf_rule is not None:
            return leaf_rule(self.notes, value)
        if issubclass(kind, type):
            return self.reduce_class(value)
        return self._reduce_instance(value, kind)

    def _reduce_instance(self, value: Any, kind: type) -> Reduced:
        stream = self.notes.streams.get(id(value))
        if stream is not None:
            return rebuilding.standard_stream, (stream,)
        if id(kind) not in self._verdicts:
            self._verdicts[id(kind)] = (kind, refusal(kind))
        reason = self._verdicts[id(kind)][1]
        if reason is not None:
            raise Unsavable(reason)
        if issubclass(type(kind), enum.EnumMeta) and self._is_by_value(kind):
            return _reduce_member(value, kind)
        if issubclass(kind, types.ModuleType):
            return leaves.reduce_module(self.notes, value)
        if issubclass(kind, BaseException):
            return leaves.reduce_exception(self.notes, value)
        return leaves.reduce_singleton(self.notes, value)

    # --- definitions ---------------------------------------------------------------------------------------

    def refer(self, value: Any) -> Reduced:
        """The reduction of a definition of another pickle or a part of one; None for anything else."""
        if id(value) in self.members:
            return None
        name = self.definitions.get(id(value))
        if name is not None:
            self.references.add(name)
            self.notes.by_name.add(id(value))
            return rebuilding.named, (name,)
        owner, path = self.owner_of(value)
        if owner is None:
            return None
        self.references.add(self.definitions[id(owner)])
        self.notes.by_name.add(id(value))
        return rebuilding.attribute, (owner, path)

    def owner_of(self, value: Any) -> tuple[Any, str]:
        """The definition of another pickle that `value` is a part of by its qualified name, and the path to it."""
        qualname = qualname_of(value) if is_class(value) else getattr(value, "__qualname__", None)
        if type(qualname) is not str or "." not in qualname or module_of(value) != SESSION:
            return None, ""
        root, _, path = qualname.partition(".")
        owner = self.namespace.get(root)
        if owner is None or id(owner) not in self.definitions or id(owner) in self.members or not is_class(owner):
            return None, ""
        return (owner, path) if walk(owner, path) is value else (None, "")

    # --- functions -----------------------------------------------------------------------------------------

    def reduce_function(self, function: types.FunctionType) -> Reduced:
        if function.__module__ == rebuilding.MODULE and function.__globals__ is vars(rebuilding):
            return NotImplemented
        reference = self.refer(function)
        if reference is not None:
            return reference
        scope: Any = None
        if function.__globals__ is not self.namespace:
            if is_importable(function, function.__module__, function.__qualname__):
                self.notes.by_name.add(id(function))
                return NotImplemented
            scope = self._scope_of(function.__globals__)
        self.by_value.add(id(function))
        slots = {name: getattr(function, name) for name in _FUNCTION_SLOTS if hasattr(function, name)}
        return (
            rebuilding.make_function,
            (function.__code__, function.__name__, function.__closure__, scope),
            (vars(function), slots),
            None,
            None,
            rebuilding.fill_function,
        )

    def _scope_of(self, scope: dict[str, Any]) -> Any:
        name = scope.get("__name__")
        module = sys.modules.get(name) if type(name) is str else None
        if module is not None and getattr(module, "__dict__", None) is scope:
            return Call(rebuilding.module_globals, name)
        return self.foreign.setdefault(id(scope), Globals(scope))

    def reduce_code(self, code: types.CodeType) -> Reduced:
        self.holds_code = True
        self.uses |= names_in(code)
        # Version 2: later ones mark shared constants by reference count, so the same code has other bytes each time.
        return rebuilding.make_code, (marshal.dumps(code, 2),)

    def reduce_cached(self, cached: Any) -> Reduced:
        reference = self.refer(cached)
        if reference is not None:
            return reference
        if module_of(cached) != SESSION:
            return NotImplemented
        self.by_value.add(id(cached))
        parameters = cached.cache_parameters()
        arguments = (cached.__wrapped__, parameters["maxsize"], parameters["typed"])
        return rebuilding.make_cached, arguments, dict(vars(cached)), None, None, rebuilding.fill_attributes

    def reduce_variable(self, variable: Any) -> Reduced:
        reference = self.refer(variable)
        if reference is not None:
            return reference
        kind, module = type(variable), variable.__module__
        if is_importable(variable, module, variable.__name__):
            return NotImplemented
        self.by_value.add(id(variable))
        arguments: tuple[Any, ...] = (variable.__name__, *getattr(variable, "__constraints__", ()))
        keywords = {name: value for name in _VARIABLE_OPTIONS if (value := getattr(variable, f"__{name}__", None))}
        if kind is ALIAS:
            arguments, keywords = (variable.__name__, variable.__value__), {"type_params": variable.__type_params__}
        elif kind is typing.NewType:
            arguments = (variable.__name__, variable.__supertype__)
        elif getattr(variable, "has_default", bool)():
            keywords["default"] = variable.__default__
        return rebuilding.make_type_variable, (kind, module, arguments, keywords)

    # --- classes -------------------------------------------------------------------------------------------

    def reduce_class(self, cls: type) -> Reduced:
        reference = self.refer(cls)
        if reference is not None:
            return reference
        if home_of(type(cls)) == "_ctypes" or home_of(cls) == "_ctypes":
            reduced = adapters.reduce_ctypes_class(cls)
            if reduced is not NotImplemented:
                return reduced
        if not self._is_by_value(cls):
            self.notes.by_name.add(id(cls))
            if id(cls) in TYPES and not is_importable(cls, module_of(cls), qualname_of(cls)):
                return rebuilding.attribute, (types, TYPES[id(cls)])
            return NotImplemented
        self.by_value.add(id(cls))
        skeleton, attributes = _split_class(cls)
        registered: tuple[Any, ...] = ()
        if "_abc_impl" in attributes:
            del attributes["_abc_impl"]
            registered = _registered(cls)
        arguments = (type(cls), name_of(cls), bases_of(cls), skeleton)
        return rebuilding.make_class, arguments, (attributes, registered), None, None, rebuilding.fill_class

    def _is_by_value(self, cls: type) -> bool:
        """Whether a class is taken apart here rather than found by name."""
        if id(cls) in self.members:
            return True
        if id(cls) in self.definitions or not cls.__flags__ & _HEAP_TYPE or self.owner_of(cls)[0] is not None:
            return False
        module = home_of(cls)
        if module == SESSION:
            return True
        if is_importable(cls, module, qualname_of(cls)):
            return False
        # A class that C code made has methods which no Python code can make again.
        return not any(
            type(value) in _OWN_DESCRIPTORS and value.__objclass__ is cls for value in static_dict(cls).values()
        )


def _split_class(cls: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is needed to lay out an empty class, and everything else in its dict."""
    attributes = dict(static_dict(cls))
    attributes.pop("__slotnames__", None)  # left there by copyreg when an instance was pickled in this process
    skeleton = {"__module__": attributes.pop("__module__", SESSION), "__qualname__": qualname_of(cls)}
    if "__slots__" in attributes:
        slots = attributes["__slots__"]
        skeleton["__slots__"] = slots if type(slots) is str else tuple(slots)
        attributes["__slots__"] = slots if type(slots) in (str, list, tuple, dict) else skeleton["__slots__"]
    for name, value in list(attributes.items()):
        of_layout = type(value) in (types.MemberDescriptorType, types.GetSetDescriptorType)
        if of_layout and value.__objclass__ is cls or type(value).__qualname__ == "CField":
            del attributes[name]
        elif name in ("__orig_bases__", *_CTYPES) or _is_special(type(cls), name):
            skeleton[name] = attributes.pop(name)
    if "__doc__" in attributes:
        # Where a class that came back has it: an unchanged class is to be saved as the same bytes again.
        attributes = {"__doc__": attributes["__doc__"], **attributes}
    return skeleton, attributes


def _is_special(meta: type, name: str) -> bool:
    """Whether assigning this attribute of a class would not put it into the class's dict, but do something else."""
    home = next((static_dict(cls)[name] for cls in mro_of(meta) if name in static_dict(cls)), None)
    return name not in _SETTABLE and hasattr(type(home), "__set__")


def _registered(cls: type) -> tuple[Any, ...]:
    """The virtual subclasses of an abstract class."""
    return tuple([
        target for target in [reference() for reference in sys.modules["_abc"]._get_dump(cls)[0]] if target is not None
    ])


def _reduce_member(member: Any, cls: type) -> Reduced:
    """An enum's member in the pickle of its class, where looking it up by value would be too early."""
    kind = static_dict(cls).get("_member_type_", object)
    arguments: tuple[Any, ...] = ()
    if kind is not object:
        arguments = kind.__getnewargs__(member) if hasattr(kind, "__getnewargs__") else kind.__reduce__(member)[1]
    return rebuilding.make_member, (cls, kind, arguments), vars(member), None, None, rebuilding.fill_attributes


_RULES: dict[int, Callable[[Reducer, Any], Reduced]] = {
    id(types.FunctionType): Reducer.reduce_function,
    id(types.CodeType): Reducer.reduce_code,
    id(CACHED): Reducer.reduce_cached,
    **{id(kind): Reducer.reduce_variable for kind in (*VARIABLES, ALIAS) if kind is not None},
}
