"""`make screenshots`: the pictures in docs/images, from a running Airflow that is filled."""

import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, expect

from lab.airflow import AirflowInstance
from tests.browser.seed import POLICY, SOURCE
from tests.browser.stage import ROOT, chromium, filled_airflow, new_visitor

IMAGES = ROOT / "docs" / "images"
OF_VIDEO = f"policy={POLICY}&package=video"
FAILED = f"transition?id={quote(f'{POLICY}/{SOURCE}@3', safe='')}"

SHOTS: tuple[tuple[str, str, str, int], ...] = (
    ("fleet", "fleet", "light", 1280),
    ("packages", "packages", "light", 1280),
    ("package", f"package?{OF_VIDEO}", "light", 1280),
    ("restore-points", f"restore-points?{OF_VIDEO}", "light", 1280),
    ("transitions", "transitions", "light", 1280),
    ("transition", FAILED, "dark", 1280),
    ("start", f"start?dag=migrate.{POLICY}&package=video", "light", 1280),
    ("fleet-narrow", "fleet", "dark", 360),
)
"""File, page, theme, width; those that are wide are shown in Airflow's frame."""

_WIDE = 700


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="transition-shots-") as folder,
        filled_airflow(Path(folder)) as airflow,
        chromium() as browser,
    ):
        for name, page, theme, width in SHOTS:
            shoot(browser, airflow=airflow, name=name, page=page, theme=theme, width=width)
            print(f"docs/images/{name}.png")  # noqa: T201 - a command prints


def shoot(
    browser: Browser, *, airflow: AirflowInstance, name: str, page: str, theme: str, width: int
) -> None:
    context, visitor = new_visitor(
        browser, airflow=airflow, theme=theme, width=width, height=900 if width > _WIDE else 740
    )
    if width > _WIDE:
        visitor.page.goto(f"{airflow.url}/plugin/transition/transition/page/{page}")
        main = visitor.page.frame_locator("iframe[title=Transition]").locator("main")
    else:
        visitor.page.goto(f"{airflow.url}/transition/page/{page}")
        main = visitor.main
    expect(main).to_have_attribute("aria-busy", "false", timeout=30_000)
    visitor.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    context.close()


if __name__ == "__main__":
    main()
