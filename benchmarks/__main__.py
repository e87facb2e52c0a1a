"""`python -m benchmarks NAME`: run one benchmark; without a name, list them."""

import sys

from benchmarks.bench import find, names, run


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in names():
        print("give the name of one benchmark:", ", ".join(names()), file=sys.stderr)
        return 2
    run(arguments[0], find(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
