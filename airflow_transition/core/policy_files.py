"""Policy files: found, read within bounds, and every error of a file told at once with its line."""

import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_document import PolicyDocument, Problem
from airflow_transition.core.yaml_nodes import NULL_TAG, NotYamlError, compose

MAX_BYTES = 1024 * 1024
"""A thousand packages take a quarter of it."""

_FIELD = re.compile(r"^[\s-]*(?P<field>\w+)\s*:")


class PolicyFileError(PermanentError):
    """All errors of one policy file, one a line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems))
        self.path = Path(problems[0].path)
        super().__init__(
            f"{len(problems)} errors in a policy", where=str(self.path), do="correct the file"
        )

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@dataclass(frozen=True)
class LoadedPolicy:
    """A valid policy and where it stands."""

    policy: ClusterPolicy
    path: Path
    line: int
    """Of its name."""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class PolicyFiles:
    """What a folder holds: the valid policies, and one error for each broken file."""

    loaded: tuple[LoadedPolicy, ...]
    errors: tuple[PolicyFileError, ...]

    @property
    def policies(self) -> tuple[ClusterPolicy, ...]:
        return tuple(loaded.policy for loaded in self.loaded)


def find_policies(folder: Path) -> PolicyFiles:
    """Every policy below `folder`; a broken file takes nothing away but its own policies.

    Where two files use one name, and so one DAG id, the first by path keeps it and the other is
    broken: Airflow itself would let either overwrite the other in silence.
    """
    if not folder.is_dir():
        return PolicyFiles((), (_whole(folder, "is no folder; correct the policies folder"),))
    return read_policies(policy_paths(folder))


def read_policies(paths: Iterable[Path]) -> PolicyFiles:
    """The policies of these files, as `find_policies` gives those of a folder."""
    kept: dict[str, LoadedPolicy] = {}
    errors = []
    for path in paths:
        try:
            loaded = _load(path)
            _refuse_names_taken(loaded, by=kept)
        except PolicyFileError as error:
            errors.append(error)
        else:
            kept |= {one.policy.name: one for one in loaded}
    return PolicyFiles(tuple(kept.values()), tuple(errors))


def find_policy(folder: Path, *, name: str) -> ClusterPolicy | None:
    """The policy that `find_policies` gives for `name`, without reading the others as YAML.

    A task looks for its one policy at each start; a file that does not even hold the name as text
    cannot be it.
    """
    for path in policy_paths(folder):
        try:
            if name in _read(path):
                for loaded in _load(path):
                    if loaded.policy.name == name:
                        return loaded.policy
        except PolicyFileError:
            continue  # it is reported where DAG files are parsed
    return None


def load_policies(path: Path) -> tuple[ClusterPolicy, ...]:
    """Every policy of a file, which may hold several documents."""
    return tuple(loaded.policy for loaded in _load(path))


def load_policy(path: Path) -> ClusterPolicy:
    """The policy of a file that holds exactly one."""
    first, *others = _load(path)
    if others:
        found = f"is one of {1 + len(others)}; this file is read as one policy: split it"
        raise PolicyFileError((Problem(str(path), others[0].line, "metadata.name", found),))
    return first.policy


def policy_paths(folder: Path) -> list[Path]:
    """Hidden folders are left out: Git's own, and the copies that a mounted ConfigMap keeps."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in {".yaml", ".yml"}
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _load(path: Path) -> tuple[LoadedPolicy, ...]:
    text = _read(path)
    try:
        roots = [root for root in compose(text, where=str(path)) if root.tag != NULL_TAG]
    except NotYamlError as error:
        raise PolicyFileError((_not_yaml(error, path=path, text=text),)) from None
    if not roots:
        raise _whole(path, "holds no policy; write one, or remove the file")
    documents = [PolicyDocument(root, path=str(path)) for root in roots]
    problems = [problem for document in documents for problem in document.problems]
    problems += _names_twice(documents)
    if problems:
        raise PolicyFileError(tuple(problems))
    return tuple(
        LoadedPolicy(document.policy, path, document.name_line)
        for document in documents
        if document.policy is not None
    )


def _read(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _whole(path, "is no file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _whole(path, f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _whole(path, f"is larger than {MAX_BYTES} bytes; split it into several files")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise _whole(path, "is not UTF-8; save it as UTF-8", line=line) from None


def _whole(path: Path, message: str, *, line: int = 1) -> PolicyFileError:
    return PolicyFileError((Problem(str(path), line, "file", message),))


def _not_yaml(error: NotYamlError, *, path: Path, text: str) -> Problem:
    """libyaml's words, and the cure where the mistake is a common one."""
    lines = text.splitlines()
    line = lines[error.line - 1] if error.line <= len(lines) else ""
    found = _FIELD.match(line)
    value = line.partition(":")[2].strip()
    cure = "correct the file at this line"
    if line.lstrip(" ").startswith("\t"):
        cure = "indent with spaces, not tabs"
    elif found and value[:1] in {"*", "@", "%", "`"}:
        cure = "put the value into quotes"
    field = found["field"] if found else "file"
    return Problem(str(path), error.line, field, f"not YAML: {error.problem}; {cure}")


def _names_twice(documents: list[PolicyDocument]) -> Iterator[Problem]:
    first: dict[str, PolicyDocument] = {}
    for one in documents:
        other = first.setdefault(one.name, one) if one.name else one
        if other is not one:
            yield _taken(one.name, path=one.path, line=one.name_line, by=other.name_place)


def _refuse_names_taken(loaded: tuple[LoadedPolicy, ...], *, by: dict[str, LoadedPolicy]) -> None:
    problems = [
        _taken(one.policy.name, path=str(one.path), line=one.line, by=by[one.policy.name].place)
        for one in loaded
        if one.policy.name in by
    ]
    if problems:
        raise PolicyFileError(tuple(problems))


def _taken(name: str, *, path: str, line: int, by: str) -> Problem:
    message = f'"{name}" is already the name of the policy in {by}; choose another'
    return Problem(path, line, "metadata.name", message)
