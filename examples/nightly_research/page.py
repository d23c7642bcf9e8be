"""The pager: an alert comes as JSON on standard input; a line of `out/pages.txt` tells it.

A desk's own rings somebody up. Exit status 0 says that it was told; with another one it is tried again.
"""

import json
import sys
from pathlib import Path

PAGES = Path("out/pages.txt")


def main() -> None:
    alert = json.load(sys.stdin)
    number = alert.get("alert", "-")  # `openbell alerts test` is about none
    PAGES.parent.mkdir(exist_ok=True)
    with PAGES.open("a") as pages:
        pages.write(f"{alert['timestamp']} alert {number}, {alert['severity']}: {alert['subject']}\n")


if __name__ == "__main__":
    main()
