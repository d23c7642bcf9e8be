"""`openbell completion`: the script by which a shell completes verbs and options."""

from __future__ import annotations

import json

import click

from openbell.cli.options import OUTPUT
from openbell.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@OUTPUT
def completion(shell: str, output: str) -> int:
    """Print the script that makes a shell complete the verbs, options and choices of openbell.

    \b
    bash: openbell completion bash > ~/.local/share/bash-completion/completions/openbell
    zsh:  openbell completion zsh > ~/.zfunc/_openbell     (with ~/.zfunc in fpath)
    fish: openbell completion fish > ~/.config/fish/completions/openbell.fish
    """
    from click.shell_completion import get_completion_class

    from openbell.cli.entry import cli

    found = get_completion_class(shell)
    assert found is not None
    source = found(cli, {}, "openbell", "_OPENBELL_COMPLETE").source()
    click.echo(json.dumps({"shell": shell, "script": source}) if output == "json" else source)
    return ExitCode.OK
