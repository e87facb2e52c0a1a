"""What a container is given besides its image: variables, and folders of the node."""

import base64
import json
import shutil
import tarfile
from pathlib import Path

from lab.api.commands import CommandFailedError
from lab.api.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, SECRET, Object, name_of, namespace_of
from lab.api.store import Store

_CLAIMS = Path("/var/lib/containers/claims")
_FOLDER = Path("/var/lib/containers/pods")
"""In the node's private storage: a real kubelet has them below /var/lib/kubelet/pods."""


def environment(spec: Object, *, pod: Object, address: str, store: Store) -> dict[str, str]:
    """The variables of a container: values, ConfigMaps, Secrets and the pod's own fields."""
    variables: dict[str, str] = {}
    for source in spec.get("envFrom", ()):
        variables |= _contents(source, pod=pod, store=store)
    for each in spec.get("env", ()):
        if "valueFrom" in each:
            variables[each["name"]] = _from(
                each["valueFrom"], pod=pod, address=address, store=store
            )
        else:
            variables[each["name"]] = str(each.get("value", ""))
    return variables


def mounts(spec: Object, *, pod: Object, store: Store) -> dict[Path, Path]:
    """Place in the container -> folder on the node, filled where the volume has contents."""
    known = {each["name"]: each for each in pod["spec"].get("volumes", ())}
    return {
        Path(each["mountPath"]): _folder(known[each["name"]], pod=pod, store=store)
        for each in spec.get("volumeMounts", ())
    }


def prepare_for(archive: Path) -> None:
    """Make the folders that a checkpoint's own mounts name: Podman restores with those.

    They are empty, as a new pod's emptyDir is; what lay in them did not travel.
    """
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile("config.dump")
            mounts = json.load(file)["spec"].get("mounts") or [] if file else []
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise CommandFailedError(f"the checkpoint archive cannot be read: {error}") from error
    for mount in mounts:
        source = Path(mount.get("source", ""))
        if source.is_relative_to(_FOLDER) and ".." not in source.parts:
            source.mkdir(parents=True, exist_ok=True)


def claim_folder(namespace: str, *, name: str) -> Path:
    """What a PersistentVolumeClaim holds; it stays when its pods go."""
    return _CLAIMS / namespace / name


def folder_of(pod: Object) -> Path:
    """What the node keeps for a pod as long as it lives."""
    return _FOLDER / str(pod["metadata"]["uid"])


def remove(pod: Object) -> None:
    shutil.rmtree(folder_of(pod), ignore_errors=True)


def _folder(volume: Object, *, pod: Object, store: Store) -> Path:
    if "persistentVolumeClaim" in volume:
        return _claimed(volume["persistentVolumeClaim"]["claimName"], pod=pod, store=store)
    folder = folder_of(pod) / "volumes" / str(volume["name"])
    folder.mkdir(parents=True, exist_ok=True)
    if "emptyDir" in volume:
        folder.chmod(0o777)
    elif "image" in volume:
        pass  # the node has the image; its files are not shown, which nothing here needs
    elif "configMap" in volume or "secret" in volume:
        for name, content in _contents(volume, pod=pod, store=store).items():
            (folder / name).write_text(content)
    else:
        raise CommandFailedError(
            f'volume "{volume["name"]}" is of a kind that this node does not have'
        )
    return folder


def _claimed(name: str, *, pod: Object, store: Store) -> Path:
    if store.find(PERSISTENT_VOLUME_CLAIM, namespace=namespace_of(pod), name=name) is None:
        raise CommandFailedError(f'persistentvolumeclaim "{name}" not found')
    folder = claim_folder(namespace_of(pod), name=name)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    return folder


def _from(source: Object, *, pod: Object, address: str, store: Store) -> str:
    if field := source.get("fieldRef"):
        fields = {
            "metadata.name": name_of(pod),
            "metadata.namespace": namespace_of(pod),
            "metadata.uid": pod["metadata"]["uid"],
            "spec.nodeName": pod["spec"]["nodeName"],
            "status.podIP": address,
        }
        return str(fields[field["fieldPath"]])
    (reference,) = source.values()
    return _contents(source, pod=pod, store=store)[reference["key"]]


def _contents(source: Object, *, pod: Object, store: Store) -> dict[str, str]:
    """The texts of the ConfigMap or Secret that `source` names."""
    for field, kind in (
        *(("configMap", CONFIG_MAP), ("configMapRef", CONFIG_MAP), ("configMapKeyRef", CONFIG_MAP)),
        *(("secret", SECRET), ("secretRef", SECRET), ("secretKeyRef", SECRET)),
    ):
        if reference := source.get(field):
            name = reference.get("name") or reference.get("secretName")
            thing = store.find(kind, namespace=namespace_of(pod), name=name)
            if thing is None:
                raise CommandFailedError(f'{kind.plural[:-1]} "{name}" not found')
            plain = dict(thing.get("data") or {})
            if kind == SECRET:
                plain = {key: base64.b64decode(value).decode() for key, value in plain.items()}
                plain |= thing.get("stringData") or {}
            return plain
    raise CommandFailedError(f"not a source of variables: {sorted(source)}")
