"""Two real clusters on one machine; not part of the installed packages."""
