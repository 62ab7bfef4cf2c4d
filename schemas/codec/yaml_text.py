"""YAML as people write it, read with bounds: a file can't cost more than its length.

A key stands once, ``=`` is a text (a comparator), nothing is nested deeper than `MAX_DEPTH`, and
aliases may not unfold to more than `MAX_VALUES` values, or into themselves.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml

MAX_CHARACTERS: Final = 4 * 1024 * 1024
MAX_VALUES: Final = 100_000
MAX_DEPTH: Final = 50
_VALUE_TAG: Final = "tag:yaml.org,2002:value"
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"


def load_yaml(text: str) -> Iterator[Any]:
    """The documents of a text, one after the other.

    Raises:
        yaml.YAMLError: not YAML, or beyond a bound; the message says what to do.

    """
    for value, _ in load_yaml_nodes(text):
        yield value


def load_yaml_nodes(text: str) -> Iterator[tuple[Any, yaml.Node | None]]:
    """The documents of a text and their nodes, which know their lines; raises as `load_yaml`."""
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"is longer than {MAX_CHARACTERS} characters; write several files")
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            yield loader.construct_document(node), node
    except RecursionError:
        raise _too_deep(None) from None
    finally:
        loader.dispose()


def compose_yaml(text: str) -> yaml.Node | None:
    """The nodes of a text's one document; raises as `load_yaml`."""
    try:
        node: yaml.Node | None = yaml.compose(text, _Loader)
    except RecursionError:
        raise _too_deep(None) from None
    return node


class _Loader(yaml.SafeLoader):
    """Checks every document before any of it is built."""

    def compose_document(self) -> yaml.Node | None:
        """One document's nodes, within the bounds."""
        node: yaml.Node | None = super().compose_document()
        if node is not None:
            _Size().of(node, 0)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; a repeated key is an error, not the last one's victory."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a list or a mapping cannot be a key", key.start_mark
                )
            if key.value in seen and key.tag != _MERGE_TAG:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands here twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor(_VALUE_TAG, lambda loader, node: str(node.value))


class _Size:
    """How many values a node unfolds to; an alias is the very node it points to."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._open: set[int] = set()

    def of(self, node: yaml.Node, depth: int) -> int:
        """Values in ``node``, aliases unfolded; each node is looked at once."""
        identity = id(node)
        if identity in self._open:
            raise yaml.constructor.ConstructorError(
                None, None, "an alias here holds itself; write it out", node.start_mark
            )
        if identity in self._known:
            return self._known[identity]
        if depth > MAX_DEPTH:
            raise _too_deep(node.start_mark)
        self._open.add(identity)
        size = 1 + sum(self.of(child, depth + 1) for child in _children(node))
        self._open.remove(identity)
        if size > MAX_VALUES:
            raise yaml.constructor.ConstructorError(
                None, None, f"this unfolds to more than {MAX_VALUES} values", node.start_mark
            )
        self._known[identity] = size
        return size


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _too_deep(mark: Any) -> yaml.MarkedYAMLError:
    sentence = f"nested deeper than {MAX_DEPTH} levels"
    return yaml.constructor.ConstructorError(None, None, sentence, mark)
