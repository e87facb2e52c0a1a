"""The one statement by which a batch of heartbeats reaches the database, in each dialect.

The rows travel as one JSON text: no driver turns thousands of parameters into SQL.
"""

from sqlalchemy import TextClause, text

_COLUMNS = "cluster, node, boot_id, agent_id, sequence, trusted, receiver, batch, shown"
_KEEP = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[2:])
# A receiver that was slow must not put an older heartbeat over a newer one.
_UPSERT = f"""
  ON CONFLICT (cluster, node) DO UPDATE SET {_KEEP}
  WHERE NOT (transition_node.boot_id = excluded.boot_id
    AND transition_node.agent_id = excluded.agent_id
    AND transition_node.sequence > excluded.sequence)"""
_MINE = """
  INSERT INTO transition_receiver (receiver, batch, seen) VALUES (:receiver, :batch, :seen)
  ON CONFLICT (receiver) DO UPDATE SET batch = excluded.batch, seen = excluded.seen"""
_GRANTS = "INSERT INTO transition_grant (cluster, namespace, package, node)"

# FOR SHARE: a claim that raises the version waits for this batch, or this batch for the claim.
POSTGRESQL_BATCH = (
    text(f"""
WITH promised AS MATERIALIZED (
  SELECT version FROM transition_state WHERE id = 1 FOR SHARE
), heard AS (
  INSERT INTO transition_node ({_COLUMNS})
  SELECT e->>0, e->>1, e->>2, e->>3, (e->>4)::bigint, (e->>5)::boolean, e->>6, (e->>7)::bigint,
    e->>8
  FROM json_array_elements(CAST(:nodes AS json)) AS e {_UPSERT}
), granted AS (
  {_GRANTS}
  SELECT e->>0, e->>1, e->>2, e->>3 FROM json_array_elements(CAST(:grants AS json)) AS e
  ON CONFLICT DO NOTHING
), mine AS ({_MINE})
SELECT version FROM promised"""),  # noqa: S608 - no value is in it
)


def _sqlite_row(columns: int) -> str:
    return ", ".join(f"json_extract(value, '$[{place}]')" for place in range(columns))


# SQLite takes no changes in a WITH, and locks the whole file from the first of them on.
SQLITE_BATCH: tuple[TextClause, ...] = (
    text(_MINE),
    text(
        f"INSERT INTO transition_node ({_COLUMNS}) SELECT {_sqlite_row(9)} "  # noqa: S608
        f"FROM json_each(:nodes) WHERE true {_UPSERT}"
    ),
    text(
        f"{_GRANTS} SELECT {_sqlite_row(4)} FROM json_each(:grants) "  # noqa: S608
        "WHERE true ON CONFLICT DO NOTHING"
    ),
    text("SELECT version FROM transition_state WHERE id = 1"),
)


def batch_statements(dialect: str) -> tuple[TextClause, ...]:
    """To be run in one transaction; the last one answers the promises' version."""
    return {"postgresql": POSTGRESQL_BATCH, "sqlite": SQLITE_BATCH}[dialect]
