"""Frozen keyword-only dataclasses <-> plain dicts, JSON and YAML: all config machinery.

A config is a `@dataclass(frozen=True, kw_only=True)` whose fields are bool, int, float, str, Literal,
`X | None`, tuples or further configs. A field that holds one of several configs, by their key `type`:

    @dataclass(frozen=True, kw_only=True)
    class RunConfig:
        batch: int = 32
        generator: Any = field(default_factory=StyleGAN2, metadata={"variants": generator_config})

where `generator_config("stylegan2")` returns the class, or raises UsageError for a name it does not know, and
each such class starts with `type: Literal["stylegan2"] = "stylegan2"`. Cross-checks live in `__post_init__`
and raise ValueError; the message gains the dotted key here.
"""

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from gan.errors import UsageError, UserError, unknown
from gan.files import refusal

C = TypeVar("C")
_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")  # YAML 1.1 takes 1e-3 for a string
_MISSING = dataclasses.MISSING


def to_dict(cfg: Any) -> Any:
    """Plain data of a config: dataclasses become dicts in field order, tuples become lists."""
    if dataclasses.is_dataclass(cfg):
        return {f.name: to_dict(getattr(cfg, f.name)) for f in dataclasses.fields(cfg)}
    if isinstance(cfg, Mapping):
        return {key: to_dict(value) for key, value in cfg.items()}
    if isinstance(cfg, (tuple, list)):
        return [to_dict(value) for value in cfg]
    return cfg


def from_dict(cls: type[C], data: Mapping[str, Any], where: str = "config") -> C:
    """Config of class `cls` from plain data; a key that is absent keeps the default of its field.

    `where` is the dotted name of `data` in messages. Raises UsageError for an unknown key (naming the nearest
    one), a missing key without default, a value of the wrong type, or a failed cross-check.
    """
    return _build(cls, data, where, None)


def override(cfg: C, assignments: Sequence[str]) -> C:
    """Copy of `cfg` with assignments such as "generator.channel_max=64"; the right side is YAML.

    A new value of `x.type` switches the class of `x`: what differed from the old class's defaults is kept
    where the new class knows the key and accepts the value, all else takes the new defaults. The order of
    assignments matters only for a key given twice: the last counts. Raises UsageError as `from_dict` does.
    """
    data: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"'{assignment}' is not of the form section.key=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"{key}: '{text}' is not YAML; quote it, or write lists as [1, 2]") from error
        node = data
        *sections, last = key.strip().split(".")
        for section in sections:
            if not isinstance(node.get(section), dict):
                node[section] = {}
            node = node[section]
        node[last] = value
    return _build(type(cfg), data, "", cfg)


def assignment(key: str, value: Any) -> str:
    """What `override` takes to give this key this value: "key=value", on one line."""
    return f"{key}={json.dumps(to_dict(value), ensure_ascii=False)}"


def dumps_yaml(cfg: Any) -> str:
    """YAML text of a config in field order, one key a line, lists of scalars on one line."""
    return yaml.dump(to_dict(cfg), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Mapping in a YAML file. Raises UserError naming file and line if absent, malformed or not a mapping."""
    try:
        data = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{line}: {getattr(error, 'problem', None) or ' '.join(str(error).split())}"
        ) from error
    if not isinstance(data, dict):
        raise UserError(f"{path} line 1: expected a mapping of keys to values, got {_given(data)}")
    return data


def positive(config: object, *names: str) -> None:
    """ValueError naming the first field of `config` that holds a number below 1; None is fine."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be >= 1; got {value}")


def _build(cls: type[C], data: Any, where: str, base: Any) -> C:
    """Config of class `cls`: keys of `data`, then of `base` (a config of this class), then defaults."""
    if not isinstance(data, Mapping):
        raise UsageError(f"{where}: expected a mapping with the keys of {cls.__name__}, got {_given(data)}")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in data:
        if key not in fields:
            raise UsageError(unknown("key", _dotted(where, key), [_dotted(where, name) for name in fields]))
    hints = _hints(cls)
    values = {}
    for name, field in fields.items():
        default = _default(field) if base is None else getattr(base, name)
        if name in data:
            key = _dotted(where, name)
            values[name] = _convert(data[name], hints[name], key, default, field.metadata.get("variants"))
        elif default is not _MISSING:
            values[name] = default
        else:
            raise UsageError(f"{_dotted(where, name)} is missing: expected {describe_type(hints[name])}")
    try:
        return cls(**values)
    except ValueError as error:
        raise UsageError(f"{where}: {error}" if where else str(error)) from error


def _convert(value: Any, hint: Any, key: str, default: Any, variants: Any = None) -> Any:
    """`value` as type `hint`; `default`, what the field holds otherwise, completes a partly given config."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if value is None and (hint is type(None) or type(None) in args):
        return None
    if variants is not None:
        return _variant(value, key, default, variants)
    if origin in (typing.Union, types.UnionType):
        return _first(value, hint, key, default)
    if origin is Literal:
        if any(value == arg and type(value) is type(arg) for arg in args):
            return value
        if isinstance(value, bool) and (word := "on" if value else "off") in args:
            return word  # YAML reads both words as booleans
        if isinstance(value, str):
            raise UsageError(f"{key}: {unknown('value', value, map(str, args))}")
    elif origin is tuple:
        if isinstance(value, (list, tuple)) and (args[-1] is ... or len(args) == len(value)):
            each = [args[0]] * len(value) if args[-1] is ... else args
            items = enumerate(zip(value, each, strict=True))
            return tuple(_convert(item, kind, f"{key}[{i}]", _MISSING) for i, (item, kind) in items)
    elif dataclasses.is_dataclass(hint):
        return _build(hint, value, key, default if isinstance(default, hint) else None)
    elif hint is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number or (isinstance(value, str) and _EXPONENT.fullmatch(value)):
            return float(value)
    elif hint not in (bool, int, str):
        raise TypeError(f"{key}: configs do not support the annotation {hint}")
    elif type(value) is hint:
        return value
    raise UsageError(f"{key}: expected {describe_type(hint)}, got {_given(value)}")


def _first(value: Any, hint: Any, key: str, default: Any) -> Any:
    """`value` as the first member of a union that accepts it; a member of exactly its type comes first.

    A mapping can only be a config.
    """
    members = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    if isinstance(value, Mapping):
        members = [member for member in members if dataclasses.is_dataclass(member)] or members
    if len(members) == 1 and members[0] not in (bool, int, float, str):
        return _convert(value, members[0], key, default)  # its own message is the more precise one
    for member in sorted(members, key=lambda member: member is not type(value)):
        try:
            return _convert(value, member, key, default)
        except UsageError:
            continue
    raise UsageError(f"{key}: expected {describe_type(hint)}, got {_given(value)}")


def _variant(value: Any, key: str, default: Any, variants: Any) -> Any:
    """Config whose class `variants(value["type"])` names; without "type" the class of `default`."""
    if not isinstance(value, Mapping):
        raise UsageError(f"{key}: expected a mapping with the key 'type', got {_given(value)}")
    known = dataclasses.is_dataclass(default)
    name = value.get("type", default.type if known else None)
    if not isinstance(name, str):
        raise UsageError(f"{key}.type: expected a name, got {_given(name)}")
    try:
        cls = variants(name)
    except UsageError as error:
        raise UsageError(f"{key}.type: {error}") from error
    if not known or type(default) is cls:
        return _build(cls, value, key, default if known else None)
    return _build(cls, _merged(_shared(default, cls, key), value), key, None)


def _shared(old: Any, cls: type, key: str) -> dict[str, Any]:
    """Plain values of `old` that are not its class's defaults, for keys of `cls` that accept them."""
    kept, hints = {}, _hints(cls)
    usual = {field.name: _default(field) for field in dataclasses.fields(old)}
    for field in dataclasses.fields(cls):
        if field.name == "type" or field.name not in usual or getattr(old, field.name) == usual[field.name]:
            continue
        value = to_dict(getattr(old, field.name))
        try:
            _convert(value, hints[field.name], key, _MISSING, field.metadata.get("variants"))
        except UsageError:
            continue
        kept[field.name] = value
    return kept


def _merged(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `new` over those of `old`, mapping by mapping."""
    both = {
        key for key in old.keys() & new.keys() if isinstance(old[key], dict) and isinstance(new[key], Mapping)
    }
    return {**old, **new, **{key: _merged(old[key], new[key]) for key in both}}


def _default(field: dataclasses.Field) -> Any:
    return field.default_factory() if field.default_factory is not _MISSING else field.default


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _dotted(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _given(value: Any) -> str:
    return "null" if value is None else f"{value!r} ({type(value).__name__})"


def describe_type(hint: Any) -> str:
    """A type in the words of a config file: `tuple[int, ...] | None` is "a list of int or null"."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None):
        return "null"
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin is tuple:
        if args[-1] is ...:
            return f"a list of {describe_type(args[0])}"
        return f"a list [{', '.join(map(describe_type, args))}]"
    if args:
        return " or ".join(map(describe_type, args))
    return f"a mapping with the keys of {hint.__name__}" if dataclasses.is_dataclass(hint) else hint.__name__


class _Dumper(yaml.SafeDumper):
    """Block style throughout, except for lists of scalars."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.Node:
        nested = any(isinstance(item, (list, dict)) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=not nested)


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, which YAML otherwise resolves in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"key '{key.value}' is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep=deep)


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"loss": {"r2": true}} -> {"loss.r2": true}."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found
