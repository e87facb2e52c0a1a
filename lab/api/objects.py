"""Create, change and delete single objects."""

from http import HTTPStatus
from typing import Any

from lab.api import defaults, patches, pods
from lab.api.answers import ApiError, bad_request, invalid
from lab.api.kinds import NODE, POD, SERVICE, Kind, Object, name_of
from lab.api.store import Store

APPLY = "application/apply-patch+yaml"
_MERGES = ("application/merge-patch+json", "application/strategic-merge-patch+json")
_JSON_PATCH = "application/json-patch+json"

_METADATA = (
    *("name", "generateName", "namespace", "uid", "resourceVersion", "generation"),
    *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    *("labels", "annotations", "ownerReferences"),
)
_FIELDS = ("metadata", "spec", "status")


def create(
    store: Store, kind: Kind, thing: Any, *, namespace: str, dry_run: bool = False
) -> Object:
    """A new object from a POST."""
    thing = _checked(kind, thing)
    if kind.namespaced:
        thing["metadata"]["namespace"] = namespace
    _complete(store, kind, thing)
    return store.create(kind, thing, dry_run=dry_run)


def patch(
    store: Store, kind: Kind, body: Any, *, form: str, manager: str, namespace: str, name: str
) -> tuple[Object, bool]:
    """Change an object in the way that the content type says; True when it was made."""
    if form == APPLY:
        return _apply(store, kind, body, manager=manager, namespace=namespace, name=name)
    live = store.get(kind, namespace=namespace, name=name)
    if form in _MERGES and isinstance(body, dict):
        changed = patches.merge(live, body)
    elif form == _JSON_PATCH and isinstance(body, list):
        changed = patches.json_patch(live, body)
    else:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body of the request was in an unknown format - accepted media types include:"
            f" {_JSON_PATCH}, {', '.join(_MERGES)}, {APPLY}",
            reason="UnsupportedMediaType",
        )
    _complete(store, kind, changed)
    return store.replace(kind, changed), False


def delete(store: Store, kind: Kind, *, namespace: str, name: str) -> Object:
    """Take an object away; a pod first ends on its node."""
    thing = store.get(kind, namespace=namespace, name=name)
    if kind == POD:
        pods.delete(store, thing)
        return whole(kind, store.get(kind, namespace=namespace, name=name))
    if kind == NODE:
        raise bad_request("the node of a lab cluster stays")
    store.remove(kind, thing)
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": name,
            **({"group": kind.group} if kind.group else {}),
            "kind": kind.plural,
            "uid": thing["metadata"]["uid"],
        },
    }


def whole(kind: Kind, thing: Object) -> Object:
    """An object that stands alone says what it is; in a list it does not."""
    return {"kind": kind.name, "apiVersion": kind.api_version, **tidy(thing)}


def tidy(thing: Object) -> Object:
    """The fields in the order in which the API server writes them."""
    metadata = thing["metadata"]
    ordered = {key: metadata[key] for key in _METADATA if key in metadata} | metadata
    rest = {key: value for key, value in thing.items() if key not in _FIELDS}
    body = {key: thing[key] for key in ("spec", "status") if key in thing}
    return {"metadata": ordered} | rest | body


def _apply(
    store: Store, kind: Kind, body: Any, *, manager: str, namespace: str, name: str
) -> tuple[Object, bool]:
    if not manager:
        raise ApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value:'
            " is required for apply patch",
            reason="Invalid",
        )
    wanted = _checked(kind, body)
    if name_of(wanted) != name:
        raise bad_request(
            f"the name of the object ({name_of(wanted)}) does not match the name on the URL"
            f" ({name})"
        )
    if kind.namespaced:
        wanted["metadata"]["namespace"] = namespace
    live = store.find(kind, namespace=namespace, name=name)
    if live is None:
        made = patches.apply({}, before={}, after=wanted)
        _complete(store, kind, made)
        made = store.create(kind, made)
    else:
        before = store.applied(kind, live, manager=manager)
        changed = patches.apply(live, before=before, after=wanted)
        _complete(store, kind, changed)
        made = store.replace(kind, changed)
    store.keep_applied(kind, wanted, manager=manager)
    return made, live is None


def _checked(kind: Kind, thing: Any) -> Object:
    """The object without its type, which must be the right one, and without what is not its own."""
    if not isinstance(thing, dict) or not isinstance(thing.get("metadata"), dict):
        raise bad_request(f"the object provided is unrecognized: no {kind.name}")
    said = (thing.get("apiVersion", kind.api_version), thing.get("kind", kind.name))
    if said != (kind.api_version, kind.name):
        raise bad_request(
            f"{said[1]} in version {said[0]!r} cannot be handled as a {kind.name}:"
            f" no kind {said[1]!r} is registered here"
        )
    kept = {
        key: value for key, value in thing.items() if key not in ("apiVersion", "kind", "status")
    }
    kept["metadata"] = {
        key: value
        for key, value in thing["metadata"].items()
        if key in ("name", "namespace", "labels", "annotations") and value is not None
    }
    if not kept["metadata"].get("name"):
        raise invalid(kind, name="", message="metadata.name: Required value: name is required")
    return kept


def _complete(store: Store, kind: Kind, thing: Object) -> None:
    try:
        defaults.complete(kind, thing)
        if kind == SERVICE:
            others = [each for each in store.each(SERVICE) if name_of(each) != name_of(thing)]
            defaults.assign_addresses(thing, others=others)
    except (KeyError, TypeError, AttributeError) as error:
        raise invalid(
            kind, name=name_of(thing), message=f"spec: Required value: {error}"
        ) from error
