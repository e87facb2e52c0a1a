"""The cluster's objects: in memory, and in one file so that a killed server finds them again."""

import asyncio
import copy
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from lab.api.answers import already_exists, not_found
from lab.api.kinds import NAMESPACE, Kind, Object, name_of, namespace_of

Key = tuple[str, str, str]
"""Plural, namespace ("" for cluster objects), name."""


class Store:
    """Every change gets the next resourceVersion, is on disk, and wakes the controllers."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._objects: dict[Key, Object] = {}
        self._applied: dict[Key, dict[str, Object]] = {}
        self._version = 0
        self.changed = asyncio.Event()
        if file.exists():
            self._load()

    @property
    def version(self) -> str:
        return str(self._version)

    def list(self, kind: Kind, *, namespace: str | None = None) -> list[Object]:
        """Copies, in the order of their names."""
        return [copy.deepcopy(each) for each in self.each(kind, namespace=namespace)]

    def each(self, kind: Kind, *, namespace: str | None = None) -> Iterator[Object]:
        """The objects themselves, for reading."""
        for (plural, place, _), thing in sorted(self._objects.items()):
            if plural == kind.plural and namespace in (None, place):
                yield thing

    def find(self, kind: Kind, *, namespace: str = "", name: str) -> Object | None:
        thing = self._objects.get((kind.plural, namespace, name))
        return copy.deepcopy(thing) if thing else None

    def get(self, kind: Kind, *, namespace: str = "", name: str) -> Object:
        thing = self.find(kind, namespace=namespace, name=name)
        if thing is None:
            raise not_found(kind, name=name)
        return thing

    def create(self, kind: Kind, thing: Object, *, dry_run: bool = False) -> Object:
        """Add a new object; gives it uid, creation time and version. Dry: only as if."""
        key = self._key(kind, thing)
        if key in self._objects:
            raise already_exists(kind, name=key[2])
        if kind.namespaced and self.find(NAMESPACE, name=key[1]) is None:
            raise not_found(NAMESPACE, name=key[1])
        thing = copy.deepcopy(thing)
        thing["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
        if "spec" in thing:
            thing["metadata"]["generation"] = 1
        return thing if dry_run else self._put(key, thing)

    def replace(self, kind: Kind, thing: Object) -> Object:
        """Write a changed object back; nothing happens when nothing changed."""
        key = self._key(kind, thing)
        live = self._objects.get(key)
        if live is None:
            raise not_found(kind, name=key[2])
        thing = copy.deepcopy(thing)
        for field in ("uid", "creationTimestamp", "resourceVersion"):
            thing["metadata"][field] = live["metadata"][field]
        if thing == live:
            return thing
        if "spec" in thing and thing["spec"] != live.get("spec"):
            thing["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        return self._put(key, thing)

    def change(self, kind: Kind, thing: Object, *, by: Callable[[Object], None]) -> None:
        """Change an object in place if it is still there."""
        live = self.find(kind, namespace=namespace_of(thing), name=name_of(thing))
        if live and live["metadata"]["uid"] == thing["metadata"]["uid"]:
            by(live)
            self.replace(kind, live)

    def remove(self, kind: Kind, thing: Object) -> None:
        key = self._key(kind, thing)
        if self._objects.pop(key, None) is not None:
            self._applied.pop(key, None)
            self._version += 1
            self._save()

    def applied(self, kind: Kind, thing: Object, *, manager: str) -> Object:
        """What this manager applied the last time; empty before the first."""
        return self._applied.get(self._key(kind, thing), {}).get(manager, {})

    def keep_applied(self, kind: Kind, thing: Object, *, manager: str) -> None:
        self._applied.setdefault(self._key(kind, thing), {})[manager] = copy.deepcopy(thing)
        self._save()

    def uids(self) -> set[str]:
        return {str(thing["metadata"]["uid"]) for thing in self._objects.values()}

    def _key(self, kind: Kind, thing: Object) -> Key:
        return kind.plural, namespace_of(thing), name_of(thing)

    def _put(self, key: Key, thing: Object) -> Object:
        self._version += 1
        thing["metadata"]["resourceVersion"] = self.version
        self._objects[key] = thing
        self._save()
        return copy.deepcopy(thing)

    def _save(self) -> None:
        kept = {
            "version": self._version,
            "objects": [[*key, thing] for key, thing in self._objects.items()],
            "applied": [[*key, managers] for key, managers in self._applied.items()],
        }
        partial = self._file.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(kept))
        partial.replace(self._file)
        self.changed.set()

    def _load(self) -> None:
        kept = json.loads(self._file.read_bytes())
        self._version = kept["version"]
        self._objects = {(*key,): thing for *key, thing in kept["objects"]}
        self._applied = {(*key,): managers for *key, managers in kept["applied"]}


def timestamp() -> str:
    """Now, as Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
