"""`python -m transition_agent` is `transition-agent`."""

from transition_agent.cli import main

main()
