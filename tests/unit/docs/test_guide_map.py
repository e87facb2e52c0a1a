"""Whoever comes from the guide finds every page of it, and no promise that nothing shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
MAP = DOCS / "reference" / "guide-map.md"
HERE = Path(__file__).parent
HEADINGS = [
    line.lstrip("#").strip() for line in (HERE / "guide-headings.txt").read_text().splitlines()
]
LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
TEST = re.compile(r"`([\w/.-]+\.py)::(\w+)`")
PAGES = sorted(DOCS.rglob("*.md"))


def rows() -> dict[str, tuple[str, str]]:
    lines = [line for line in MAP.read_text().splitlines() if line.startswith("| ")][1:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {heading: (where, shown) for heading, where, shown in cells}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    words = (re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings)
    return {word.replace(" ", "-") for word in words}


def test_every_heading_of_the_guide_has_its_row_in_the_guides_order() -> None:
    assert list(rows()) == HEADINGS


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_row_names_a_test_or_says_that_there_is_none(heading: str) -> None:
    _, shown = rows()[heading]
    named = TEST.findall(shown)
    assert named or "not built yet" in shown or shown == "nothing to run"
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(), f"{file} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), f"{target}#{anchor}"


def test_every_variable_of_the_guide_has_its_place() -> None:
    text = (DOCS / "how-to" / "secrets.md").read_text()
    variables = (HERE / "guide-variables.txt").read_text().split()
    assert [name for name in variables if f"`{name}`" not in text] == []


def test_the_runc_conf_that_is_shown_does_not_contradict_itself() -> None:
    text = (DOCS / "how-to" / "prepare-nodes.md").read_text()
    shown = text.partition("### /etc/criu/runc.conf")[2].split("```")[1].split()
    assert {"tcp-close", "tcp-established"} & set(shown) == {"tcp-close"}
