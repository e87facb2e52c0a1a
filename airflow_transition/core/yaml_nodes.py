"""YAML as nodes that know where they stand in the text, bounded against hostile input.

The parser is libyaml, which Kubernetes' own reader descends from.
"""

from collections.abc import Iterator
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from airflow_transition.core.errors import PermanentError

# Without libyaml PyYAML gives the same nodes, ten times slower.
EventLoader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

MAX_DEPTH = 100
MAX_EXPANDED = 200_000
"""Nodes of a document once every alias is written out."""
_SAFE_WIDTH = 200
"""With fewer brackets and columns than this no text nests too deep to be walked."""
_BREAKS = "\n\r\x85\u2028\u2029"
"""What libyaml takes for the end of a line."""

STRING_TAG = "tag:yaml.org,2002:str"
NULL_TAG = "tag:yaml.org,2002:null"
MERGE_TAG = "tag:yaml.org,2002:merge"


class NotYamlError(PermanentError):
    """The text is not YAML, or nests too deep to be meant honestly."""

    def __init__(self, problem: str, *, where: str, line: int) -> None:
        self.problem = problem
        self.line = line
        super().__init__(
            f"not YAML: {problem}", where=f"{where}:{line}", do="correct the file at this line"
        )


def compose(text: str, *, where: str) -> tuple[Node, ...]:
    """Root node of each document; `text` must begin after a byte order mark, if it has one."""
    try:
        _refuse_deep_nesting(text, where=where)
        roots = tuple(yaml.compose_all(text, Loader=EventLoader))
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise not_yaml_from(error, text=text, where=where) from None
    if "&" in text:
        _refuse_expansion(roots, where=where)
    return roots


def not_yaml_from(
    error: yaml.YAMLError | UnicodeEncodeError, *, text: str, where: str
) -> NotYamlError:
    """libyaml's error in our words; what stands in the text is not repeated."""
    if isinstance(error, yaml.reader.ReaderError):
        line = line_at(text, error.position)
        return NotYamlError("holds a control character", where=where, line=line)
    if isinstance(error, UnicodeEncodeError):
        return NotYamlError("holds half a character", where=where, line=line_at(text, error.start))
    if not isinstance(error, yaml.MarkedYAMLError):
        return NotYamlError("cannot be read", where=where, line=1)
    mark = error.problem_mark or error.context_mark
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    return NotYamlError(problem, where=where, line=mark.line + 1 if mark else 1)


def line_at(text: str, index: int) -> int:
    """Number of the line that holds the character at `index`, the first being 1."""
    before = text[:index].replace("\r\n", "\n")
    return 1 + sum(before.count(end) for end in _BREAKS)


def line_of(node: Node) -> int:
    return int(node.start_mark.line) + 1


def pairs(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    """Keys and values, those that a merge key (`<<`) brings in after the mapping's own."""
    own = [pair for pair in node.value if pair[0].tag != MERGE_TAG]
    yield from own
    seen = {key.value for key, _ in own if isinstance(key, ScalarNode)}
    for merge, source in node.value:
        if merge.tag != MERGE_TAG:
            continue
        for merged in source.value if isinstance(source, SequenceNode) else (source,):
            for key, value in pairs(merged) if isinstance(merged, MappingNode) else ():
                if isinstance(key, ScalarNode) and key.value not in seen:
                    seen.add(key.value)
                    yield key, value


def child(node: Node | None, key: str | int) -> Node | None:
    """Value under `key` of a mapping or at index `key` of a list; None if there is none."""
    if isinstance(node, MappingNode):
        for name, value in pairs(node):
            if isinstance(name, ScalarNode) and name.value == key:
                return value
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        found: Node = node.value[key]
        return found
    return None


def descend(node: Node | None, *path: str | int) -> Node | None:
    for key in path:
        node = child(node, key)
    return node


def text_of(node: Node | None) -> str | None:
    """Content of a scalar; None for anything else, and for null."""
    if isinstance(node, ScalarNode) and node.tag != NULL_TAG:
        return str(node.value)
    return None


def items(node: Node | None) -> tuple[Node, ...]:
    """Entries of a list; none for anything else."""
    return tuple(node.value) if isinstance(node, SequenceNode) else ()


def _refuse_deep_nesting(text: str, *, where: str) -> None:
    """libyaml's composer recurses in C: thousands of levels end the whole process.

    Nesting costs a bracket, or a column, so most texts are cleared by counting; others are read
    as a flat stream of events first.
    """
    brackets = text.count("[") + text.count("{")
    if brackets < _SAFE_WIDTH and all(len(line) < _SAFE_WIDTH for line in text.splitlines()):
        return
    depth = 0
    opening: tuple[Any, ...] = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
    closing: tuple[Any, ...] = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
    for event in yaml.parse(text, Loader=EventLoader):
        depth += isinstance(event, opening) - isinstance(event, closing)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise NotYamlError(f"nests deeper than {MAX_DEPTH} levels", where=where, line=line)


def _refuse_expansion(roots: tuple[Node, ...], *, where: str) -> None:
    """Aliases share nodes, so a few lines can stand for billions, or for themselves."""
    expanded: dict[int, tuple[int, int] | None] = {}

    def measure(node: Node) -> tuple[int, int]:
        """Nodes and levels below and with `node`; an anchor is measured before its aliases."""
        if isinstance(node, ScalarNode):
            return 1, 1
        known = expanded.get(id(node), (0, 0))
        if known is None:
            raise NotYamlError("an alias stands inside its own anchor", **at(node))
        if known != (0, 0):
            return known
        expanded[id(node)] = None
        below = [measure(entry) for entry in _entries(node)]
        size, depth = 1 + sum(size for size, _ in below), 1 + max((d for _, d in below), default=0)
        if size > MAX_EXPANDED or depth > MAX_DEPTH:
            raise NotYamlError("its aliases expand without measure", **at(node))
        expanded[id(node)] = size, depth
        return size, depth

    def at(node: Node) -> Any:
        return {"where": where, "line": line_of(node)}

    for root in roots:
        measure(root)


def _entries(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from node.value
