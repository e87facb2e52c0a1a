"""As much of nftables as the agent's guard speaks: sets that run out, chains, and a map of pods."""

from dataclasses import dataclass, field
from typing import Protocol

from transition_agent.commands import CommandError

_FAMILY = "inet"
"""The other one says the same."""
_EMPTY = float("-inf")


class Clock(Protocol):
    def read(self) -> float: ...


@dataclass
class Rules:
    """What a transaction changes as a whole or not at all."""

    chains: dict[str, list[str]] = field(default_factory=dict)
    sets: dict[str, float] = field(default_factory=dict)
    """When the elements of each run out."""
    pods: dict[str, str] = field(default_factory=dict)
    """The chain that an address leads to."""

    def copy(self) -> "Rules":
        chains = {name: list(rules) for name, rules in self.chains.items()}
        return Rules(chains, dict(self.sets), dict(self.pods))


@dataclass
class Kernel:
    """It counts on whatever becomes of the agent, and forgets all when the node boots."""

    clock: Clock
    rules: Rules = field(default_factory=Rules)

    def boot(self) -> None:
        self.rules = Rules()

    def passes(self, address: str) -> bool:
        """Whether packets of this address pass; one that leads nowhere is not looked at."""
        chain = self.rules.pods.get(address)
        if chain is None:
            return True
        for rule in self.rules.chains[chain]:
            words = rule.split()
            if words[-1] == "drop":
                return False
            name = words[2].removeprefix("@")
            if self.clock.read() < self.rules.sets[name]:
                return True
        return True

    def __call__(self, text: str) -> None:
        """`nft -f -`"""
        before = self.rules.copy()
        try:
            for line in text.splitlines():
                if line.split()[2] == _FAMILY:
                    self._do(line)
        except KeyError as error:
            self.rules = before
            raise CommandError(
                f"No such file or directory: {error}", where="nft", do="nothing"
            ) from error

    def _do(self, line: str) -> None:
        verb, kind, _, _, *more = line.split(maxsplit=5)
        if kind == "table" or (verb, kind) == ("add", "map"):
            return
        name, *rest = more
        match kind:
            case "chain":
                self._chain(verb, name)
            case "set":
                self._set(verb, name)
            case "rule":
                self._rule(name, rest[0])
            case "element":
                self._element(name, rest[0].strip("{ }"))
            case "map" if verb == "flush" and name == "pods4":
                self.rules.pods = {}

    def _chain(self, verb: str, name: str) -> None:
        chains = self.rules.chains
        if verb == "add":
            chains.setdefault(name, [])
        elif verb == "flush":
            chains[name].clear()
        else:
            del chains[name]

    def _set(self, verb: str, name: str) -> None:
        """What is flushed is empty, and what is deleted is not there."""
        if verb == "add":
            self.rules.sets.setdefault(name, _EMPTY)
            return
        del self.rules.sets[name]
        if verb == "flush":
            self.rules.sets[name] = _EMPTY

    def _rule(self, chain: str, rule: str) -> None:
        if "vmap" in rule:
            return
        words = rule.split()
        assert words[-1] in {"drop", "return"}
        if "@" in rule:
            self.rules.sets[words[2].removeprefix("@")]  # the rule refers to it
        self.rules.chains[chain].append(rule)

    def _element(self, name: str, element: str) -> None:
        if name in {"pods4", "pods6"}:
            address, _, target = element.partition(" : jump ")
            self.rules.chains[target]
            self.rules.pods[address] = target
            return
        timeout, _, _ = element.removeprefix("ip timeout ").partition("ms,")
        self.rules.sets[name] = self.clock.read() + int(timeout) / 1000
