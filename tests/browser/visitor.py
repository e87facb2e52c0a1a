"""A person in front of the page, and what their browser noticed meanwhile."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

PEOPLE = {"admin": "admin", "olga": "op", "uma": "user", "vera": "viewer"}
_SERIOUS = {"serious", "critical"}
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Visitor:
    """One browser page; `check` fails on what no page of ours may do."""

    def __init__(self, page: Page, *, url: str) -> None:
        self.page = page
        self.url = url
        self.expected_failures = re.compile(r"$^")
        self._troubles: list[str] = []
        self._hosts: set[str] = set()
        page.on("pageerror", lambda error: self._troubles.append(f"script: {error}"))
        page.on("console", self._console)
        page.on("request", lambda request: self._hosts.add(urlsplit(request.url).netloc))

    def open(self, path: str) -> "Visitor":
        """One of our pages, once it shows what it asked for."""
        self.page.goto(f"{self.url}/transition/page/{path}")
        return self.settled()

    def settled(self) -> "Visitor":
        expect(self.main).to_have_attribute("aria-busy", "false")
        return self

    @property
    def main(self) -> Locator:
        return self.page.locator("main")

    def answer(self, path: str, *, body: object = None, status: int = 200) -> None:
        """The catalogue answers this from now on."""

        def fulfill(route: Route) -> None:
            route.fulfill(status=status, json=body)

        if status >= 400:
            self.expected_failures = re.compile("Failed to load resource")
        self.page.route(re.compile(rf"/transition/catalogue/{path}(\?|$)"), fulfill)

    def serious_findings(self) -> list[str]:
        """What axe-core finds on the page as it stands."""
        found: dict[str, Any] = Axe().run(self.page, options=_RULES).response
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: {one['nodes'][0]['html'][:300]}"
            for one in found["violations"]
            if one["impact"] in _SERIOUS
        ]

    def overflow(self) -> int:
        """Pixels that the page is wider than the window."""
        return int(
            self.page.evaluate(
                "Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"
            )
        )

    def shoot(self, file: Path) -> None:
        self.page.screenshot(path=file, animations="disabled", full_page=True)

    def check(self) -> None:
        """No error of a script, nothing that the policy of contents refused, no other server."""
        assert self._troubles == [], json.dumps(self._troubles, indent=1)
        others = self._hosts - {urlsplit(self.url).netloc, ""}
        assert others == set()

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            text = f"{message.text} {message.location.get('url', '')}"
            if not self.expected_failures.search(text):
                self._troubles.append(f"console: {text}")
