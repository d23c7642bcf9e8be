"""YAML 1.2 into a tree that knows where everything stands, within bounds that no honest file meets.

Built on the events of ruamel.yaml. Tags, recursive and exploding aliases, duplicate keys and more
than one document are findings. Plain scalars resolve by the core schema of YAML 1.2: `16:00:00`,
`NO` and `2024-01-02` are strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from openbell.config.findings import Finding, Span

_LARGEST = 4 << 20  # bytes
_DEEPEST = 40
_MOST_NODES = 200_000  # aliases counted as often as they are used

Path = tuple[str | int, ...]
"""Keys and positions that lead to a place in a document."""

Scalar = str | int | float | bool | None

_NULL = re.compile(r"(?:~|null|Null|NULL|)$")
_TRUE = re.compile(r"(?:true|True|TRUE)$")
_FALSE = re.compile(r"(?:false|False|FALSE)$")
_INTEGER = re.compile(r"[-+]?[0-9]+$")
_OTHER_BASE = re.compile(r"0o[0-7]+$|0x[0-9a-fA-F]+$")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$")


@dataclass(slots=True)
class Node:
    """A value with its place. `key_spans` are those of a mapping's keys."""

    value: Any
    span: Span
    plain: bool = False
    """An unquoted scalar: what it means depends on its text."""
    size: int = 1
    key_spans: dict[str, Span] = field(default_factory=dict)
    complete: bool = True

    def data(self) -> Any:
        """The value as plain dictionaries, lists and scalars."""
        match self.value:
            case dict():
                return {key: node.data() for key, node in self.value.items()}
            case list():
                return [node.data() for node in self.value]
            case scalar:
                return scalar

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Every node below and including this one, with the path that leads to it."""
        yield path, self
        match self.value:
            case dict():
                for key, node in self.value.items():
                    yield from node.walk((*path, key))
            case list():
                for position, node in enumerate(self.value):
                    yield from node.walk((*path, position))

    def find(self, path: Path) -> Node | None:
        """The node at this path."""
        node: Node | None = self
        for part in path:
            if node is None:
                return None
            match node.value:
                case dict():
                    node = node.value.get(part)
                case list() if isinstance(part, int) and part < len(node.value):
                    node = node.value[part]
                case _:
                    return None
        return node


@dataclass(slots=True)
class Document:
    """A file as read: its tree (None when it could not be parsed), its lines, what is wrong with it."""

    path: FilePath
    lines: list[str]
    root: Node | None
    findings: list[Finding]

    def span(self, path: Path, *, key: bool = False) -> Span:
        """Where this path stands: its value, or with `key` its key. As near as there is something."""
        while self.root is not None and path:
            parent = self.root.find(path[:-1])
            if parent is not None and isinstance(parent.value, dict) and path[-1] in parent.key_spans and key:
                return parent.key_spans[str(path[-1])]
            if (node := self.root.find(path)) is not None:
                return node.span
            path, key = path[:-1], True
        return Span()


def read(path: FilePath) -> Document:
    """Read and parse a file. What is wrong is in the findings; nothing is raised."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Document(path, [], None, [Finding("OB112", f"cannot read {path}: {error.strerror}")])
    if len(raw) > _LARGEST:
        return Document(path, [], None, [Finding("OB110", f"the file is larger than {_LARGEST >> 20} MiB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return Document(path, [], None, [Finding("OB108", "the file is not UTF-8 text", Span(line))])
    return parse(text, path)


def parse(text: str, path: FilePath) -> Document:
    """Parse a text as the content of `path`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except _Refused as refusal:
        return Document(path, text.split("\n"), None, [refusal.finding])
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        span = Span(mark.line + 1, mark.column + 1) if mark else Span()
        said = error.problem or error.context or "this is no YAML"
        return Document(path, text.split("\n"), None, [Finding("OB108", f"not valid YAML: {said}", span)])
    except YAMLError as error:
        finding = Finding("OB108", f"not valid YAML: {str(error).splitlines()[0]}")
        return Document(path, text.split("\n"), None, [finding])
    root = builder.root or Node(None, Span())
    return Document(path, text.split("\n"), root, builder.findings)


def resolve(text: str) -> Scalar:
    """What a plain scalar means by the core schema of YAML 1.2."""
    if _NULL.match(text):
        return None
    if _TRUE.match(text) or _FALSE.match(text):
        return text.lower() == "true"
    if _INTEGER.match(text) and len(text) < 100:
        return int(text)
    if _OTHER_BASE.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    if _SPECIAL.match(text):
        return float(text.replace(".", "").lower())
    return text


class _Refused(Exception):
    """The file goes beyond what is accepted."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class _Builder:
    """Builds the tree from parser events, without recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._open: list[tuple[Node, list[Node]]] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._total = 0

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if getattr(event, "tag", None) and getattr(event, "implicit", None) is not True:
            self._tagged(event)
        match kind:
            case "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    raise _Refused(Finding("OB108", "more than one document in the file", _span(event)))
            case "ScalarEvent":
                plain = event.style is None or event.style == ""
                value = resolve(event.value) if plain else event.value
                self._add(Node(value, _span(event), plain), event.anchor)
            case "AliasEvent":
                self._alias(event)
            case "MappingStartEvent" | "SequenceStartEvent":
                node = Node({} if kind.startswith("M") else [], _span(event), complete=False)
                if len(self._open) >= _DEEPEST:
                    raise _Refused(Finding("OB110", f"nested deeper than {_DEEPEST} levels", node.span))
                if event.anchor:
                    self._anchors[str(event.anchor)] = node
                self._open.append((node, []))
            case "MappingEndEvent" | "SequenceEndEvent":
                self._close()

    def _tagged(self, event: Any) -> None:
        tag = str(event.tag)
        explicit = event.implicit if isinstance(event.implicit, bool) else any(event.implicit)
        if not explicit and tag != "!":
            self.findings.append(
                Finding(
                    "OB110", f"tags such as `{tag}` are not accepted", _span(event), "write a plain value"
                )
            )

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(str(event.anchor))
        if node is None:
            raise _Refused(Finding("OB108", f"the anchor `{event.anchor}` is not defined", _span(event)))
        if not node.complete:
            raise _Refused(Finding("OB110", f"the anchor `{event.anchor}` contains itself", _span(event)))
        self._add(node, None)

    def _add(self, node: Node, anchor: Any) -> None:
        if anchor:
            self._anchors[str(anchor)] = node
        self._total += node.size
        if self._total > _MOST_NODES:
            raise _Refused(Finding("OB110", f"more than {_MOST_NODES} values, aliases included", node.span))
        if self._open:
            self._open[-1][1].append(node)
        else:
            self.root = node

    def _close(self) -> None:
        node, children = self._open.pop()
        if isinstance(node.value, list):
            node.value.extend(children)
        else:
            self._fill(node, children)
        node.size = 1 + sum(child.size for child in children)
        node.complete = True
        self._total -= node.size - 1  # its children are counted already
        self._add(node, None)

    def _fill(self, node: Node, children: list[Node]) -> None:
        """Pair keys and values; merge `<<`."""
        merged: list[Node] = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            if isinstance(key.value, dict | list):
                self.findings.append(Finding("OB108", "a key must be text", key.span))
                continue
            name = str(key.value) if not isinstance(key.value, bool) else str(key.value).lower()
            if name == "<<" and key.plain:
                merged.append(value)
            elif name in node.value:
                first = node.key_spans[name]
                told = f"the key `{name}` occurs twice (first in line {first.line})"
                self.findings.append(Finding("OB109", told, key.span))
            else:
                node.value[name] = value
                node.key_spans[name] = key.span
        for source in merged:
            self._merge(node, source)

    def _merge(self, node: Node, source: Node) -> None:
        sources = source.value if isinstance(source.value, list) else [source]
        for mapping in sources:
            if not isinstance(mapping.value, dict):
                self.findings.append(Finding("OB108", "`<<` takes a mapping", source.span))
                continue
            for name, value in mapping.value.items():
                if name not in node.value:
                    node.value[name] = value
                    node.key_spans[name] = mapping.key_spans[name]


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Span(start.line + 1, start.column + 1, max(1, length))
