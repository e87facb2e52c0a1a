"""Pure parts of the lab's API server."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.api import names, patches, selectors
from lab.api.answers import ApiError

_KEYS = st.sampled_from("abcd")
_LEAVES = st.integers(min_value=0, max_value=3) | st.just([1, 2])
_INNER = st.dictionaries(_KEYS, _LEAVES, max_size=3)
_OBJECTS = st.dictionaries(_KEYS, _LEAVES | _INNER, max_size=4)
_LABELS = {"app": "video", "tier": "web"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=video", True),
        ("app==video,tier=web", True),
        ("app!=video", False),
        ("app in (video, other)", True),
        ("app notin (video)", False),
        ("tier", True),
        ("!tier", False),
        ("kubernetes.io/name=x", False),
        ("!kubernetes.io/name,app=video", True),
    ],
)
def test_label_selectors(selector: str, matches: bool) -> None:
    assert selectors.parse(selector)(_LABELS) is matches


def test_a_selector_that_makes_no_sense_is_a_400() -> None:
    with pytest.raises(ApiError) as refused:
        selectors.parse("app=(")
    assert refused.value.status == 400


@given(live=_OBJECTS, mine=_OBJECTS)
def test_what_one_manager_applied_is_there(live: dict[str, Any], mine: dict[str, Any]) -> None:
    applied = patches.apply(live, before={}, after=mine)
    assert patches.apply(applied, before=mine, after=mine) == applied
    assert _holds(applied, mine)


@given(others=_OBJECTS, before=_OBJECTS, after=_OBJECTS)
def test_fields_that_no_manifest_names_stay(
    others: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Such as the door's key in a Service's selector."""
    foreign = {f"other-{key}": value for key, value in others.items()}
    live = patches.apply(foreign, before={}, after=before)
    applied = patches.apply(live, before=before, after=after)
    assert applied == foreign | patches.apply({}, before={}, after=after) or _holds(
        applied, foreign | after
    )


@given(live=_OBJECTS, patch=_OBJECTS)
def test_a_merge_patch_is_idempotent(live: dict[str, Any], patch: dict[str, Any]) -> None:
    once = patches.merge(live, patch)
    assert patches.merge(once, patch) == once


def test_null_in_a_merge_patch_takes_a_key_away() -> None:
    live = {"spec": {"selector": {"app": "video", "door": "closed"}}}
    patch = {"spec": {"selector": {"door": None}}}
    assert patches.merge(live, patch) == {"spec": {"selector": {"app": "video"}}}


def test_generated_names_have_the_alphabet_of_kubernetes() -> None:
    digest = names.template_hash({"spec": {"containers": []}})
    assert re.fullmatch(r"[bcdfghjklmnpqrstvwxz2456789]{10}", digest)
    assert re.fullmatch(r"video-[bcdfghjklmnpqrstvwxz2456789]{5}", names.generated("video-"))


def _holds(document: Any, part: Any) -> bool:
    """Whether every leaf of `part` is in `document`."""
    if isinstance(part, dict):
        return isinstance(document, dict) and all(
            key in document and _holds(document[key], value) for key, value in part.items()
        )
    return bool(document == part)
