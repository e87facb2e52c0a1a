"""All that can be asked of the catalogue, and told to it."""

from airflow_transition.catalogue import (
    fleet_routes,
    package_routes,
    point_routes,
    series_routes,
    told_routes,
    transition_routes,
)

CATALOGUE_ROUTERS = (
    fleet_routes.router,
    package_routes.router,
    point_routes.router,
    transition_routes.router,
    series_routes.router,
    told_routes.router,
)
