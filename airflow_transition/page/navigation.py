"""Where the page stands in Airflow. Each of its processes imports this: it stays light."""

from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import conf

PREFIX = "/transition/page"


def navigation() -> list[dict[str, Any]]:
    """One entry at the top level: who needs it at night finds it."""
    page = f"{base_path()}{PREFIX}"
    return [
        {
            "name": "Transition",
            "href": f"{page}/fleet",
            "url_route": "transition",
            "destination": "nav",
            "nav_top_level": True,
            "icon": f"{page}/icon.svg",
            "icon_dark_mode": f"{page}/icon-dark.svg",
        }
    ]


def base_path() -> str:
    """Airflow can be served below a path of its host: its part of each address, or nothing."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
