"""What one task returns and another one takes."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import XComArg

TaskValue = Mapping[str, Any] | XComArg
"""Small JSON: a reference to another task's result where the DAG is built, the result itself where
the task runs."""
