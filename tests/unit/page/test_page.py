"""What the server gives for a page, whoever asks."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import HTTPException, Request

from airflow_transition.page.app import create_page
from airflow_transition.page.security_headers import CONTENT_SECURITY_POLICY
from airflow_transition.page.shell import PAGES

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "airflow_transition" / "page" / "static"
MODULES = sorted(STATIC.glob("*.js"))
IMPORTED = re.compile(r'(?:from|^import) "\./([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Client:
    app: Any

    def get(self, path: str, *, person: str | None = "olga") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                headers = {} if person is None else {"authorization": person}
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def somebody() -> Client:
    async def authenticate(request: Request) -> str:
        known = request.headers.get("authorization")
        if known is None:
            raise HTTPException(401, "Not authenticated")
        if known == "banned":
            raise HTTPException(403, "you may not")
        return known

    app = create_page(authenticate, sign_in=lambda back: f"/auth/login?next={back}")
    return Client(app)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_loads_files_that_are_there(somebody: Client, name: str) -> None:
    answer = somebody.get(f"/{name}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    files = re.findall(r'(?:src|href)="(static/[^"]+)"', answer.text)
    assert any(file.endswith(f"/{name}.js") for file in files)
    for file in files:
        assert somebody.get(f"/{file}").status_code == 200, file


def test_nothing_inline_runs_and_nothing_comes_from_elsewhere(somebody: Client) -> None:
    for path in (*PAGES, "nothing-like-it"):
        answer = somebody.get(f"/{path}")
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert "unsafe" not in CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script>|<style|style=|onclick=|https?://", answer.text)


def test_files_are_kept_for_ever_as_their_address_changes_with_them(somebody: Client) -> None:
    found = re.search(r'"(static/[0-9a-f]{12}/page\.css)"', somebody.get("/fleet").text)
    assert found is not None
    assert "immutable" in somebody.get(f"/{found[1]}").headers["cache-control"]


def test_whoever_is_not_known_signs_in_and_comes_back(somebody: Client) -> None:
    answer = somebody.get("/packages?q=video", person=None)
    assert answer.status_code == 307
    assert answer.headers["location"] == "/auth/login?next=/packages?q=video"
    assert somebody.get("/packages", person="banned").status_code == 403


def test_what_is_not_there_is_said(somebody: Client) -> None:
    assert somebody.get("/passwords").status_code == 404
    assert somebody.get("/static/x/../../app.py").status_code == 404
    assert somebody.get("/").headers["location"] == "fleet"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_imports_what_is_there_and_makes_no_markup_of_values(module: Path) -> None:
    text = module.read_text()
    for imported in IMPORTED.findall(text):
        assert (STATIC / imported).is_file(), imported
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|unsafe|\beval\b|Function\(", text)


def test_what_is_loaded_from_others_is_what_the_lock_names() -> None:
    locked = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    version = {name: locked[f"node_modules/{name}"]["version"] for name in ("chart.js", "lit-html")}
    vendor = STATIC / "vendor"
    assert f"Chart.js v{version['chart.js']}" in (vendor / "chart.umd.js").read_text()[:200]
    assert (
        f'litHtmlVersions??=[]).push("{version["lit-html"]}")'
        in (vendor / "lit-html.js").read_text()
    )
    assert sorted(file.name for file in vendor.glob("*LICENSE*")) == [
        "chart.js.LICENSE.md",
        "kurkle-color.LICENSE.md",
        "lit-html.LICENSE",
    ]
    assert not [name for name, package in locked.items() if "resolved" in package]
