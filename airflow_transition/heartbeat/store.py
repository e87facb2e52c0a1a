"""The receiver's tables: read in one go, changed in transactions that serialise what is promised.

Every call is blocking and belongs into the writer's thread.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from airflow_transition.core.errors import PermanentError
from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.batch import Batch
from airflow_transition.heartbeat.promise_rows import read_promises
from airflow_transition.heartbeat.promises import Promises
from airflow_transition.heartbeat.statements import batch_statements

_DIALECTS = ("postgresql", "sqlite")
_FORGET_RECEIVERS_AFTER = timedelta(days=1)
_NODE_COLUMNS = (
    tables.node.c.cluster,
    tables.node.c.node,
    tables.node.c.boot_id,
    tables.node.c.agent_id,
    tables.node.c.sequence,
    tables.node.c.trusted,
    tables.node.c.receiver,
    tables.node.c.batch,
    tables.node.c.shown,
)


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What the database knows when a receiver starts."""

    promises: Promises
    grants: Sequence[Sequence[Any]]
    batches: Mapping[str, int]
    """Of each receiver, the last one that the nodes have in them."""


@dataclass(frozen=True, kw_only=True)
class News:
    """What a receiver asks for again and again."""

    version: int
    """Of the promises."""
    batches: Mapping[str, int]
    nodes: Sequence[Sequence[Any]]
    """That other receivers heard."""


class Store:
    """One receiver's way to the database."""

    def __init__(self, engine: Engine, *, receiver: str | None = None) -> None:
        """`receiver` names this process. None: a new name when it starts, as no other has it."""
        if engine.dialect.name not in _DIALECTS:
            raise PermanentError(
                "the receiver keeps its tables in PostgreSQL or SQLite only",
                where="[database] sql_alchemy_conn",
                found=engine.dialect.name,
                do="use one of the two",
            )
        self._engine = engine
        self._batch = batch_statements(engine.dialect.name)
        self._number = 0
        self._given_name = receiver
        self.receiver = receiver or ""

    def prepare(self) -> None:
        """The one row that serialises all promises; and receivers that are long gone, forgotten.

        The name is made here: a server may have made the application before it forked.
        """
        self.receiver = self._given_name or secrets.token_hex(8)
        before = datetime.now(UTC) - _FORGET_RECEIVERS_AFTER
        with self._engine.begin() as connection:
            connection.execute(
                self.upsert(tables.state).values(id=1, version=1).on_conflict_do_nothing()
            )
            connection.execute(delete(tables.receiver).where(tables.receiver.c.seen < before))

    def load(self) -> Remembered:
        """Before the nodes: what is newer than its batches' numbers is read again, without harm."""
        with self._engine.connect() as connection:
            batches = self._batches(connection)
            promises = read_promises(connection)
            grants = connection.execute(select(tables.grant)).all()
        return Remembered(promises=promises, grants=grants, batches=batches)

    def nodes(self) -> Iterator[Sequence[Any]]:
        """In parts: 50,000 rows at once would cost more memory than the nodes do for ever."""
        with self._engine.connect() as connection:
            streamed = {"yield_per": 1000}
            yield from connection.execute(select(*_NODE_COLUMNS), execution_options=streamed)

    def promises(self) -> Promises:
        with self._engine.connect() as connection:
            return read_promises(connection)

    def write(self, batch: Batch) -> int:
        """Store a batch in one transaction; the version of the promises that it read."""
        self._number += 1
        values = {
            "receiver": self.receiver,
            "batch": self._number,
            "seen": datetime.now(UTC),
            "nodes": batch.node_rows(receiver=self.receiver, number=self._number),
            "grants": batch.grant_rows(),
        }
        with self._engine.begin() as connection:
            for statement in self._batch:
                result = connection.execute(statement, values)
            return int(result.scalar_one())

    def news(self, seen: Mapping[str, int]) -> News:
        """What others wrote since their batches in `seen`, and which promises there are now."""
        rows: list[Sequence[Any]] = []
        with self._engine.connect() as connection:
            version = self.version_in(connection)
            batches = self._batches(connection)
            for receiver, batch in batches.items():
                after = seen.get(receiver, 0)
                if batch > after:
                    rows += connection.execute(
                        select(*_NODE_COLUMNS).where(
                            tables.node.c.receiver == receiver, tables.node.c.batch > after
                        )
                    ).all()
        return News(version=version, batches=batches, nodes=rows)

    @contextmanager
    def promising(self) -> Iterator[tuple[Connection, int]]:
        """A transaction that changes what is promised, and the version that it makes.

        It holds the state's row from the beginning, so it comes before or after each batch and each
        other change, never between their reading and their writing.
        """
        with self._engine.begin() as connection:
            connection.execute(
                update(tables.state)
                .where(tables.state.c.id == 1)
                .values(version=tables.state.c.version + 1)
            )
            yield connection, self.version_in(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    def upsert(self, table: Any) -> Any:
        """An insert that can say what is done on a conflict."""
        if self._engine.dialect.name == "postgresql":
            return postgresql_insert(table)
        return sqlite_insert(table)

    @staticmethod
    def version_in(connection: Connection) -> int:
        version = select(tables.state.c.version).where(tables.state.c.id == 1)
        return int(connection.execute(version).scalar_one())

    def _batches(self, connection: Connection) -> dict[str, int]:
        rows = connection.execute(
            select(tables.receiver.c.receiver, tables.receiver.c.batch).where(
                tables.receiver.c.receiver != self.receiver
            )
        )
        return {receiver: int(batch) for receiver, batch in rows}
