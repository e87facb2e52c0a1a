"""`airflow transition watch`: a move while it goes on."""

import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from airflow_transition.cli.moves import KINDS, Move, Step, newest_move, read_move
from airflow_transition.cli.session import FAILED, Answer, UsageError, command, with_connections

_POLL = 0.5
_BAR = 24
_STYLES = {
    "success": ("✓", "green"),
    "failed": ("✕", "bold red"),
    "upstream_failed": ("✕", "red"),
    "skipped": ("-", "dim"),
    "up_for_retry": ("↻", "yellow"),
    "deferred": ("…", "cyan"),
    "running": ("…", "cyan"),
}

Read = Callable[[], Move]


@command
def watch(args: Namespace) -> Answer:
    """Follow a run to its end; exit status 1 if it failed."""
    with_connections()
    dag_id, run_id = _which(args.move)

    def read() -> Move:
        move = read_move(dag_id, run_id=run_id)
        if move is None:
            raise UsageError(f"there is no run {run_id} of {dag_id}; `airflow dags list-runs`")
        return move

    console = Console(stderr=True)
    if args.once:
        move = read()
        console.print(drawn(move, now=datetime.now(UTC)))
    else:
        move = follow(read, console=console, pause=time.sleep)
    return Answer(ended(move), FAILED if move.state == "failed" else 0)


def _which(name: str | None) -> tuple[str, str]:
    """Of a run by `<dag id>/<run id>`, of a policy or of any: the newest."""
    if name is not None and "/" in name:
        dag_id, _, run_id = name.partition("/")
        return dag_id, run_id
    found = newest_move(name)
    if found is None:
        of = "" if name is None else f" of policy {name}"
        raise UsageError(f"no run{of} yet, of {', '.join(f'{kind}.<policy>' for kind in KINDS)}")
    return found


def follow(read: Read, *, console: Console, pause: Callable[[float], None]) -> Move:
    """Drawn anew in place on a terminal; elsewhere a line for each change."""
    move = read()
    if not console.is_terminal:
        return _follow_in_lines(move, read=read, console=console, pause=pause)
    with Live(drawn(move, now=datetime.now(UTC)), console=console, refresh_per_second=8) as live:
        while not move.is_over:
            pause(_POLL)
            move = read()
            live.update(drawn(move, now=datetime.now(UTC)))
    return move


def _follow_in_lines(
    move: Move, *, read: Read, console: Console, pause: Callable[[float], None]
) -> Move:
    known: dict[str, str | None] = {}
    while True:
        for step in move.steps:
            if step.state != known.get(step.task_id):
                known[step.task_id] = step.state
                console.print(f"{step.task_id}: {step.state}{_in_brackets(step)}", markup=False)
        if move.is_over:
            return move
        pause(_POLL)
        move = read()


def drawn(move: Move, *, now: datetime) -> Group:
    """A line for each step with a bar that shows when it ran."""
    whole = move.took(now=now) or timedelta(0)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "Step", "State", "Took", "When"):
        table.add_column(name, justify="right" if name == "Took" else "left")
    for step in move.steps:
        sign, style = _STYLES.get(step.state or "", (" ", "dim"))
        took = step.took(now=now)
        mark = Spinner("dots", style=style) if step.state == "running" else Text(sign, style=style)
        table.add_row(
            mark,
            step.task_id,
            Text(step.state or "waits", style=style),
            "" if took is None else _seconds(took),
            Text("".join(_bar(step, move=move, whole=whole, now=now)), style=style),
        )
    return Group(Text(f"{move.name}: {move.state}, {_seconds(whole)}", style="bold"), table)


def _bar(step: Step, *, move: Move, whole: timedelta, now: datetime) -> Iterator[str]:
    took = step.took(now=now)
    if took is None or step.began is None or move.began is None or whole <= timedelta(0):
        return
    begin = min(_BAR - 1, max(0, int(_BAR * ((step.began - move.began) / whole))))
    yield " " * begin
    yield "█" * max(1, min(_BAR - begin, round(_BAR * (took / whole))))


def ended(move: Move) -> str:
    """What goes to stdout at the end."""
    failed = [step.task_id for step in move.steps if step.state == "failed"]
    why = f"; read the log of {', '.join(failed)}" if failed else ""
    return f"{move.name}: {move.state}{why}"


def _in_brackets(step: Step) -> str:
    if step.began is None or step.ended is None:
        return ""
    return f" ({_seconds(step.ended - step.began)})"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.1f} s"
