"""What can go wrong on a node. Each error says what, where and what to do, and holds no secret."""


class AgentError(Exception):
    """Base of all; whoever raises a subclass stands beside it."""

    def __init__(self, what: str, *, where: str, do: str) -> None:
        self.what = what
        self.where = where
        self.do = do
        super().__init__(f"{where}: {what}; {do}")
