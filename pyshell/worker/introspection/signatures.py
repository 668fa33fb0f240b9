"""Tell how something is called, without running any code: `inspect.signature` asks the object for half a dozen things.

Runs in: worker, on its RPC thread.

What it does with Python functions, classes, bound methods, partials and functions of C is done here on what these
really are; what they say of themselves (a `__signature__` that is computed, a metaclass) is not asked for.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import types
from collections.abc import Sequence
from functools import partial
from inspect import CO_VARARGS, CO_VARKEYWORDS
from typing import Any, NamedTuple

from pyshell.typed.around import Argument
from pyshell.worker.introspection.annotations import annotation_text, default_text
from pyshell.worker.introspection.following import definition, stored
from pyshell.worker.introspection.resolving import follow
from pyshell.worker.kinds import home_of
from pyshell.worker.looking import UNKNOWN, exact, is_a, is_exactly, is_function, is_in_c, own_attributes

MAX_WRAPPED = 100
"""How many decorators are looked through."""
MAX_SIGNATURE = 4000
MAX_PARAMETERS = 300
POSITIONAL_ONLY, ORDINARY, VAR_POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = range(5)
"""The kinds of parameters, numbered as in `inspect`."""
IN_C = (
    types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType,
    types.ClassMethodDescriptorType,
)  # fmt: skip
_text_signature = type.__dict__["__text_signature__"].__get__
_doc_of_type = type.__dict__["__doc__"].__get__
_mro = type.__dict__["__mro__"].__get__
_dict_of_class = type.__dict__["__dict__"].__get__


class Parameter(NamedTuple):
    """One parameter; texts as `inspect` shows them, None where there is nothing."""

    name: str
    kind: int
    default: str | None = None
    annotation: str | None = None

    def __str__(self) -> str:
        stars = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}.get(self.kind, "")
        noted = f"{stars}{self.name}" + (f": {self.annotation}" if self.annotation is not None else "")
        if self.default is None:
            return noted
        return f"{noted} = {self.default}" if self.annotation is not None else f"{noted}={self.default}"


class Signature(NamedTuple):
    """`text` is set where it could not be taken apart."""

    parameters: tuple[Parameter, ...]
    returns: str | None = None
    text: str = ""

    def __str__(self) -> str:
        if self.text:
            return self.text[:MAX_SIGNATURE]
        shown = f"({', '.join(_with_marks(self.parameters))})"
        return (shown if self.returns is None else f"{shown} -> {self.returns}")[:MAX_SIGNATURE]

    def current(self, argument: Argument) -> int | None:
        """Which parameter an argument goes to."""
        names = [parameter.name for parameter in self.parameters]
        kinds = [parameter.kind for parameter in self.parameters]
        if argument.keyword:
            if argument.keyword in names and kinds[names.index(argument.keyword)] in (ORDINARY, KEYWORD_ONLY):
                return names.index(argument.keyword)
            return kinds.index(VAR_KEYWORD) if VAR_KEYWORD in kinds else None
        if argument.starred:
            return None
        places = [place for place, kind in enumerate(kinds) if kind in (POSITIONAL_ONLY, ORDINARY)]
        if argument.before:  # only another keyword can follow
            used = {*argument.before, *names[: argument.position - len(argument.before)]}
            left = [place for place, kind in enumerate(kinds) if kind in (ORDINARY, KEYWORD_ONLY)]
            return next((place for place in left if names[place] not in used), None)
        if argument.position < len(places):
            return places[argument.position]
        return kinds.index(VAR_POSITIONAL) if VAR_POSITIONAL in kinds else None


def _with_marks(parameters: Sequence[Parameter]) -> list[str]:
    """The parameters with `/` and `*` between them."""
    shown: list[str] = []
    starred = False
    for place, parameter in enumerate(parameters):
        starred = starred or parameter.kind == VAR_POSITIONAL
        if parameter.kind == KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        shown.append(str(parameter))
        following = parameters[place + 1].kind if place + 1 < len(parameters) else None
        if parameter.kind == POSITIONAL_ONLY and following != POSITIONAL_ONLY:
            shown.append("/")
    return shown


def signature_of(value: Any, depth: int = MAX_WRAPPED) -> Signature | None:
    """How the value is called; None where that cannot be told, or it cannot be called."""
    value = unwrapped(value)
    kind = type(value)
    if not depth:
        return None
    if (stated := _stated(value)) is not None:
        return stated
    if is_function(value):
        return _of_function(value)
    if kind is types.MethodType:
        found = signature_of(value.__func__, depth - 1)
        return without_first(found) if found is not None else None
    if kind is functools.partial:
        return _of_partial(value, depth)
    if is_exactly(value, (staticmethod, classmethod)):
        return signature_of(value.__func__, depth - 1)
    if is_exactly(value, IN_C):
        return _of_builtin(value)
    if is_a(value, type):
        return _of_class(value, depth)
    call = definition(value, "__call__")
    if type(call) is types.FunctionType:
        found = signature_of(call, depth - 1)
        return without_first(found) if found is not None else None
    return _from_doc(value) if is_in_c(kind) and call is not UNKNOWN else None


def unwrapped(value: Any, wholly: bool = False) -> Any:
    """What a decorated function wraps, as far as decorators say that; read off the functions' own dictionaries.

    Up to a function with a signature that somebody has stated, unless `wholly`.
    """
    for _ in range(MAX_WRAPPED):
        if not _may_say(value) or (not wholly and _stated(value) is not None):
            return value
        inner = stored(own_attributes(value), "__wrapped__")
        if inner is UNKNOWN or not (_may_say(inner) or is_a(inner, type) or type(inner) is types.MethodType):
            return value
        value = inner
    return value


def _may_say(value: object) -> bool:
    """Whether what lies in its dictionary is meant as in that of a function."""
    is_of_c = is_in_c(type(value)) and not is_a(value, type, types.ModuleType)
    return type(value) is types.FunctionType or (is_of_c and definition(value, "__call__") is not UNKNOWN)


def without_first(signature: Signature) -> Signature:
    """As it is for a bound method."""
    first = signature.parameters[:1]
    if first and first[0].kind in (POSITIONAL_ONLY, ORDINARY):
        return signature._replace(parameters=signature.parameters[1:])
    return signature


def _stated(value: Any) -> Signature | None:
    """A `__signature__` that is stored, and really is one."""
    if is_a(value, type):
        own = stored(_dict_of_class(value), "__signature__")
    else:
        own = stored(own_attributes(value), "__signature__") if _may_say(value) else UNKNOWN
    if type(own) is not inspect.Signature:
        return None
    slots = _dict_of_class(inspect.Parameter)
    parameters = []
    stated = _dict_of_class(inspect.Signature)["_parameters"].__get__(own)
    if type(stated) is not types.MappingProxyType:
        return None
    for parameter in list(stated.copy().values())[:MAX_PARAMETERS]:
        if type(parameter) is not inspect.Parameter:
            return None
        name, kind, default, annotation = [
            slots[slot].__get__(parameter) for slot in ("_name", "_kind", "_default", "_annotation")
        ]
        parameters.append(Parameter(exact(name), int(kind), *_shown(default, annotation)))
    returns = _dict_of_class(inspect.Signature)["_return_annotation"].__get__(own)
    return Signature(tuple(parameters), _shown(inspect.Parameter.empty, returns)[1])


def _shown(default: object, annotation: object) -> tuple[str | None, str | None]:
    empty = inspect.Parameter.empty
    return (
        None if default is empty else default_text(default),
        None if annotation is empty else annotation_text(annotation),
    )


def _of_function(function: Any) -> Signature:
    part = partial(_part, function)
    code = part("__code__")
    names = [exact(name) for name in code.co_varnames]
    defaults = part("__defaults__") or ()
    keyword_defaults = _plain_dict(part("__kwdefaults__"))
    notes = _plain_dict(part("__annotations__"))
    empty = inspect.Parameter.empty
    found: list[Parameter] = []

    def add(place: int, kind: int, default: object = empty) -> None:
        name = names[place]
        found.append(Parameter(name, kind, *_shown(default, notes.get(name, empty))))

    count, first_default = code.co_argcount, code.co_argcount - len(defaults)
    for place in range(count):
        kind = POSITIONAL_ONLY if place < code.co_posonlyargcount else ORDINARY
        add(place, kind, defaults[place - first_default] if place >= first_default else empty)
    following = count + code.co_kwonlyargcount
    if code.co_flags & CO_VARARGS:
        add(following, VAR_POSITIONAL)
        following += 1
    for place in range(count, count + code.co_kwonlyargcount):
        add(place, KEYWORD_ONLY, keyword_defaults.get(names[place], empty))
    if code.co_flags & CO_VARKEYWORDS:
        add(following, VAR_KEYWORD)
    return Signature(tuple(found[:MAX_PARAMETERS]), _shown(empty, notes.get("return", empty))[1])


def _part(function: Any, name: str) -> Any:
    return _dict_of_class(type(function))[name].__get__(function)


def _plain_dict(found: Any) -> dict[str, Any]:
    """The entries of an exact dict under exact names."""
    if type(found) is not dict:
        return {}
    return {name: value for name, value in list(found.items()) if type(name) is str}


def _of_partial(value: Any, depth: int) -> Signature | None:
    """As `inspect` has it: what is given by position is gone, what is given by name can still be given by name."""
    found = signature_of(value.func, depth - 1)
    if found is None or found.text:
        return found
    parameters: list[Parameter] = []
    given = _plain_dict(value.keywords)
    positions, by_name = len(value.args), False
    for parameter in found.parameters:
        if parameter.kind in (POSITIONAL_ONLY, ORDINARY) and positions:
            positions -= 1
            continue
        if parameter.kind == VAR_POSITIONAL and by_name:
            continue
        if parameter.name in given and parameter.kind != VAR_KEYWORD:
            parameter = parameter._replace(default=default_text(given[parameter.name]))
            by_name = by_name or parameter.kind == ORDINARY
        if by_name and parameter.kind == ORDINARY:
            parameter = parameter._replace(kind=KEYWORD_ONLY)
        parameters.append(parameter)
    return found._replace(parameters=tuple(parameters))


def _of_class(cls: Any, depth: int) -> Signature | None:
    """By what `inspect` goes: a `__call__` of the metaclass, then the nearest `__new__` or `__init__`."""
    call = stored_in_mro(type(cls), "__call__") if type(cls) is not type else None
    makers = [call] if is_function(call) else []
    new, init = (stored_in_mro(cls, name) for name in ("__new__", "__init__"))
    for base in _mro(cls):
        own = _dict_of_class(base)
        for maker, name in ((new, "__new__"), (init, "__init__")):
            function = maker.__func__ if type(maker) is staticmethod else maker
            if is_function(function) and stored(own, name) is not UNKNOWN:
                makers.append(function)
    if makers:
        found = signature_of(makers[0], depth - 1)
        return without_first(found) if found is not None else None
    for base in _mro(cls)[:-1]:
        text = _text_signature(base)
        if type(text) is str:
            return _of_text(text, base)
    if new is object.__dict__["__new__"] and init is object.__dict__["__init__"]:
        return Signature(())
    return _from_doc(cls)


def stored_in_mro(cls: type, name: str) -> Any:
    """What a class has under that name, its bases included."""
    return next((found for base in _mro(cls) if (found := stored(_dict_of_class(base), name)) is not UNKNOWN), UNKNOWN)


def _of_builtin(value: Any) -> Signature | None:
    text = value.__text_signature__
    if type(text) is str:
        found = _of_text(text, value)
        is_bound = is_exactly(value, (types.BuiltinFunctionType, types.MethodWrapperType))
        return found if not is_bound or "$self" not in text else without_first(found)
    return _from_doc(value)


def _of_text(text: str, owner: Any) -> Signature:
    """Take apart what the makers of a function in C have noted: `($self, object, /, key=None)`."""
    plain = re.sub(r"\$(?:module|type)\s*,?\s*", "", text)
    plain = re.sub(r"^\(\s*/\s*,?\s*", "(", plain)
    try:
        arguments = ast.parse(f"def f{plain.replace('$', '')}: pass").body[0].args  # type: ignore[attr-defined]
    except (SyntaxError, ValueError):
        return Signature((), text=re.sub(r"\$self,? ?|\$", "", plain))
    return Signature(tuple(_from_syntax(arguments, "$self" in text, _module_of(owner))))


def _module_of(owner: Any) -> object:
    """The name of the module in which constants of a text are looked up."""
    if is_exactly(owner, IN_C):
        return getattr(owner, "__module__", None)
    return home_of(owner) if is_a(owner, type) else None


def _from_syntax(arguments: ast.arguments, has_self: bool, module: object) -> list[Parameter]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    only = len(arguments.posonlyargs)
    found = []
    for place, (argument, default) in enumerate(zip(plain, defaults)):
        is_first = place == 0 and has_self
        kind = POSITIONAL_ONLY if place < only or is_first else ORDINARY
        found.append(Parameter(argument.arg, kind, _constant(default, module)))
    if arguments.vararg:
        found.append(Parameter(arguments.vararg.arg, VAR_POSITIONAL))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        found.append(Parameter(argument.arg, KEYWORD_ONLY, _constant(default, module)))
    if arguments.kwarg:
        found.append(Parameter(arguments.kwarg.arg, VAR_KEYWORD))
    return found


def _constant(node: ast.expr | None, module: object) -> str | None:
    if node is None:
        return None
    try:
        return repr(ast.literal_eval(node))
    except ValueError:
        text = ast.unparse(node)
    home = sys.modules.get(module) if type(module) is str else None
    for names in (own_attributes(home), sys.modules):
        value = follow({str(name): value for name, value in list(names.items()) if type(name) is str}, text)
        if value is not UNKNOWN:
            return default_text(value)
    return text


def doc_of_class(cls: type) -> Any:
    """`__doc__` of a class, whatever type that is; in C it begins with a signature that `type` takes away."""
    return _doc_of_type(cls) if is_in_c(cls) else stored(_dict_of_class(cls), "__doc__")


def doc_by_class(value: Any) -> Any:
    """`__doc__` as the value's class has it, or as code in C makes it; whatever type that may be."""
    found = stored_in_mro(type(value), "__doc__")
    if type(found) is types.GetSetDescriptorType and is_in_c(type(value)):
        return found.__get__(value)
    return found


def _from_doc(value: Any) -> Signature | None:
    """The first line of a docstring, if it is `name(…)`: numpy and the older parts of C Python say it there."""
    doc = stored(_dict_of_class(value), "__doc__") if is_a(value, type) else doc_by_class(value)
    found = re.match(r"\s*[\w.]+(\()", doc[:MAX_SIGNATURE]) if type(doc) is str else None
    if found is None:
        return None
    depth, start = 0, found.start(1)
    for place in range(start, min(len(doc), start + 1000)):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(doc[place], 0)
        if not depth:
            return _of_text(" ".join(doc[start : place + 1].split()), None)
    return None
