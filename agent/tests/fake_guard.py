"""An nft that notes the rules that it was given, and refuses when it is told to."""

from dataclasses import dataclass, field

from transition_agent.commands import CommandError


@dataclass
class FakeNft:
    loaded: list[str] = field(default_factory=list)
    refuses: str = ""
    """Rules that hold these words are refused."""

    def __call__(self, text: str) -> None:
        if self.refuses and self.refuses in text:
            raise CommandError("Operation not permitted", where="nft", do="run it as root")
        self.loaded.append(text)

    @property
    def last(self) -> str:
        return self.loaded[-1]
