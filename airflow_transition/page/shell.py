"""The frame of each page: a few lines of HTML that load its module, which asks for the rest."""

from dataclasses import dataclass
from html import escape
from string import Template

_SHELL = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title - Transition</title>
<link rel="icon" href="$static/icon.svg">
<link rel="stylesheet" href="$static/page.css">
<script src="$static/theme.js"></script>
$preloads
<script type="module" src="$static/$name.js"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<p class="product">Transition</p>
<nav aria-label="Transition"><ul>$tabs</ul></nav>
</header>
<main id="content" tabindex="-1" data-answers="$name">
<h1>$title</h1>
<p class="waiting">Loading …</p>
<noscript><p class="notice bad">This page needs JavaScript, as all of Airflow does.</p></noscript>
</main>
<p id="freshness" role="status" class="freshness"></p>
</body>
</html>
""")

_SHARED = ("vendor/lit-html", "api", "times", "parts", "address", "airflow-links", "live", "words")


@dataclass(frozen=True)
class Page:
    """One address below the page's prefix."""

    name: str
    title: str
    tab: str
    """Name of the page whose tab it belongs to."""


PAGES = {
    page.name: page
    for page in (
        Page("fleet", "Fleet", tab="fleet"),
        Page("cluster", "Cluster", tab="fleet"),
        Page("packages", "Packages", tab="packages"),
        Page("package", "Package", tab="packages"),
        Page("restore-points", "Restore points", tab="restore-points"),
        Page("restore-point", "Restore point", tab="restore-points"),
        Page("transitions", "Transitions", tab="transitions"),
        Page("transition", "Transition", tab="transitions"),
        Page("start", "Start", tab=""),
    )
}


def shell(page: Page, *, static: str) -> str:
    """The page's HTML; `static` is where its files are, relative to it."""
    return _SHELL.substitute(
        title=escape(page.title),
        name=page.name,
        static=static,
        preloads="\n".join(
            f'<link rel="modulepreload" href="{static}/{name}.js">' for name in _SHARED
        ),
        tabs="".join(
            _tab(each, current=each.name == page.tab)
            for each in PAGES.values()
            if each.name == each.tab
        ),
    )


def _tab(page: Page, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<li><a href="{page.name}"{mark}>{escape(page.title)}</a></li>'
