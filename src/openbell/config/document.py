"""YAML 1.2 into a tree that knows where everything stands, within bounds that no honest file meets.

Built on the events of ruamel.yaml. Tags, recursive and exploding aliases, duplicate keys and more
than one document are findings. Plain scalars resolve by the core schema of YAML 1.2: `16:00:00`,
`NO` and `2024-01-02` are strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from openbell.config.findings import Finding, Severity, Span

_LARGEST = 4 << 20  # bytes
_DEEPEST = 40
_MOST_NODES = 200_000  # aliases counted as often as they are used

Path = tuple[str | int, ...]
"""Keys and positions that lead to a place in a document."""

Scalar = str | int | float | bool | None

_NULL = ("~", "null", "Null", "NULL", "")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_INTEGER = 100  # characters; longer ones are numbers all the same, but nobody counts so far

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no environment variable, argument, path or database takes."""

_BREAK = re.compile(r"\r\n|[\r\n]")


@dataclass(slots=True)
class Node:
    """A value with its place. `key_spans` are those of a mapping's keys."""

    value: Any
    span: Span
    plain: bool = False
    """An unquoted scalar: what it means depends on its text."""
    text: str = ""
    """A scalar as written: what a key is called."""
    size: int = 1
    height: int = 0
    """Levels below this one."""
    key_spans: dict[str, Span] = field(default_factory=dict)
    complete: bool = True

    def copy(self, span: Span) -> Node:
        """The node once more, at the place of an alias. What changes in one does not in the other."""
        match self.value:
            case dict():
                value: Any = {key: node.copy(node.span) for key, node in self.value.items()}
            case list():
                value = [node.copy(node.span) for node in self.value]
            case scalar:
                value = scalar
        return replace(self, value=value, span=span, key_spans=dict(self.key_spans))

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a mapping; of anything else there are none."""
        return self.value if isinstance(self.value, dict) else {}

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
        return self.root.span if self.root is not None else Span()

    def decided_now(self, path: Path) -> None:
        """The plan depends on the value at `path`: that its variable is not set is an error already."""
        self.findings[:] = [
            replace(found, severity=Severity.ERROR) if found.code == "OB107" and found.path == path else found
            for found in self.findings
        ]


def read(path: FilePath) -> Document:
    """Read and parse a file. What is wrong is in the findings; nothing is raised."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        return Document(path, [], None, [Finding("OB112", f"cannot read {path}: {said}")])
    if len(raw) > _LARGEST:
        return Document(path, [], None, [Finding("OB110", f"the file is larger than {_LARGEST >> 20} MiB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        span = _end(error.object[: error.start].decode())
        return Document(path, [], None, [Finding("OB108", "the file is not UTF-8 text", span)])
    return parse(text, path)


def parse(text: str, path: FilePath) -> Document:
    """Parse a text as the content of `path`."""
    builder = _Builder()
    lines = _BREAK.split(text)
    fault = _build(builder, text)
    if fault is not None:
        return Document(path, lines, None, [*builder.findings, fault])
    return Document(path, lines, builder.root or Node(None, Span()), builder.findings)


def _build(builder: _Builder, text: str) -> Finding | None:
    """Build the tree of the text. What stops that, if anything does."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except _Refused as refusal:
        return refusal.finding
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        span = Span(mark.line + 1, mark.column + 1) if mark else builder.reached
        said = error.problem or error.context or "this is no YAML"
        return Finding("OB108", f"not valid YAML: {said}", span, _advice(said, text, span))
    except ReaderError as error:
        told = f"the character U+{ord(text[error.position]):04X} is not accepted"
        return Finding("OB108", told, _end(text[: error.position]))
    except YAMLError as error:
        return Finding("OB108", f"not valid YAML: {str(error).splitlines()[0]}", builder.reached)
    except (ValueError, OverflowError):
        return Finding("OB108", "not valid YAML: an escape stands for no character", builder.reached)
    return None


def _advice(said: str, text: str, span: Span) -> str:
    """What to do about the two mistakes that the parser's words do not explain."""
    line = [*_BREAK.split(text), ""][span.line - 1]
    if line[max(0, span.column - 2) : span.column] == "${":
        return 'inside brackets a reference is written in quotes: "${VAR}"'
    return "YAML takes spaces, not tabs" if "'\\t'" in said else ""


def _end(text: str) -> Span:
    """The place after this text."""
    *above, last = _BREAK.split(text)
    return Span(len(above) + 1, len(last) + 1)


def no_text(text: str) -> str | None:
    """The first character that cannot be part of a text here, as U+0000; None when there is none."""
    found = _NO_TEXT.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def resolve(text: str) -> Scalar:
    """What a plain scalar means by the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) < _LONGEST_INTEGER:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _OTHER_BASE.fullmatch(text):
            return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
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
        self.reached = Span()
        """How far it came."""
        self._open: list[tuple[Node, list[Node]]] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._total = 0

    def take(self, event: Any) -> None:
        self.reached = _span(event)
        if getattr(event, "tag", None) is not None:
            self._tagged(event)
        match type(event).__name__:
            case "DocumentStartEvent":
                self._document(event)
            case "ScalarEvent":
                self._add(self._scalar(event), event.anchor)
            case "AliasEvent":
                self._alias(event)
            case "MappingStartEvent":
                self._start(Node({}, _span(event), complete=False), event.anchor)
            case "SequenceStartEvent":
                self._start(Node([], _span(event), complete=False), event.anchor)
            case "MappingEndEvent" | "SequenceEndEvent":
                self._close()

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _Refused(Finding("OB108", "more than one document in the file", _span(event)))
        if event.version not in (None, (1, 2)):
            told = "the file asks for another YAML than 1.2: " + ".".join(map(str, event.version))
            self.findings.append(Finding("OB108", told, _span(event), "remove the line `%YAML`"))

    def _tagged(self, event: Any) -> None:
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        told = f"tags such as `{tag}` are not accepted"
        self.findings.append(Finding("OB110", told, _span(event), "write a plain value"))

    def _scalar(self, event: Any) -> Node:
        plain = not event.style
        text: str = event.value
        if (character := no_text(text)) is not None:
            told = f"the character {character} is not accepted"
            self.findings.append(Finding("OB108", told, _span(event)))
            text = _NO_TEXT.sub("\ufffd", text)
        return Node(resolve(text) if plain else text, _span(event), plain, text)

    def _alias(self, event: Any) -> None:
        span = _span(event)
        node = self._anchors.get(str(event.anchor))
        if node is None:
            raise _Refused(Finding("OB108", f"the anchor `{event.anchor}` is not defined", span))
        if not node.complete:
            raise _Refused(Finding("OB110", f"the anchor `{event.anchor}` contains itself", span))
        self._check(span, node.size, node.height)
        self._add(node.copy(span), None)

    def _start(self, node: Node, anchor: Any) -> None:
        self._check(node.span, height=1)
        if anchor:
            self._anchors[str(anchor)] = node
        self._open.append((node, []))

    def _check(self, span: Span, size: int = 1, height: int = 0) -> None:
        """Refuse what would go beyond the bounds at this place."""
        if len(self._open) + height > _DEEPEST:
            raise _Refused(Finding("OB110", f"nested deeper than {_DEEPEST} levels", span))
        if self._total + size > _MOST_NODES:
            raise _Refused(Finding("OB110", f"more than {_MOST_NODES} values, aliases included", span))

    def _add(self, node: Node, anchor: Any) -> None:
        if anchor:
            self._anchors[str(anchor)] = node
        self._check(node.span, node.size)
        self._total += node.size
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
        node.height = 1 + max((child.height for child in children), default=0)
        node.complete = True
        self._total -= node.size - 1  # its children are counted already
        self._add(node, None)

    def _fill(self, node: Node, children: list[Node]) -> None:
        """Pair keys and values; merge `<<`."""
        merged: Node | None = None
        for key, value in zip(children[::2], children[1::2], strict=True):
            name = key.text
            if isinstance(key.value, dict | list) or not name:
                self.findings.append(Finding("OB108", "a key must be text", key.span))
            elif (first := node.key_spans.get(name)) is not None:
                told = f"the key `{name}` occurs twice (first in line {first.line})"
                self.findings.append(Finding("OB109", told, key.span))
            else:
                node.key_spans[name] = key.span
                if name == "<<" and key.plain:
                    merged = value
                else:
                    node.value[name] = value
        if merged is not None:
            del node.key_spans["<<"]
            self._merge(node, merged)

    def _merge(self, node: Node, source: Node) -> None:
        sources = source.value if isinstance(source.value, list) else [source]
        for mapping in sources:
            if not isinstance(mapping.value, dict):
                self.findings.append(Finding("OB108", "`<<` takes a mapping", mapping.span))
                continue
            for name, value in mapping.value.items():
                if name not in node.value:
                    node.value[name] = value
                    node.key_spans[name] = mapping.key_spans[name]


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Span(start.line + 1, start.column + 1, max(1, length))
