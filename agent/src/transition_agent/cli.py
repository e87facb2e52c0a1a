"""The command line: `transition-agent run` on a node, `transition-agent facts` to look at one."""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from transition_agent import __version__
from transition_agent.agent import Agent
from transition_agent.errors import AgentError
from transition_agent.logs import configure
from transition_agent.node_facts import measure
from transition_agent.settings import AgentSettings, read_settings


@click.group()
@click.version_option(__version__, prog_name="transition-agent")
def main() -> None:
    """Uploads the checkpoint archives of this node to S3, each exactly once and checked.

    Settings are environment variables; CLUSTER_NAME is required.
    """


@main.command()
def run() -> None:
    """Follow the checkpoint folder until SIGTERM."""
    settings = _settings()
    agent = Agent(settings, log=configure(settings.log_level))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()
    sys.stderr.flush()
    # The interpreter would wait for parts on a slow line, for a minute each. They are resumed.
    os._exit(0)


@main.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Replace this file in one step, for NODE_FACTS_FILE.",
)
def facts(output: Path | None) -> None:
    """Measure what this node can do and print it as JSON."""
    settings = _settings()
    measured = measure(
        cluster=settings.cluster_name, node=settings.node_name, now=datetime.now(UTC)
    )
    text = measured.model_dump_json(indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(output)


def _settings() -> AgentSettings:
    try:
        return read_settings()
    except AgentError as error:
        raise click.ClickException(str(error)) from None
