"""`python -m openbell`."""

from openbell.cli.entry import main

main()
