"""`nearproof completion`: what a shell needs to complete our commands and flags."""

from __future__ import annotations

import click

from nearproof.daemon.cli.options import Command

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and flags in SHELL.

    Put it where the shell looks for it, then open a new terminal.

    bash: nearproof completion bash >> ~/.bash_completion

    zsh: nearproof completion zsh >> ~/.zshrc

    fish: nearproof completion fish > ~/.config/fish/completions/nearproof.fish
    """
    from click.shell_completion import get_completion_class

    asking = get_completion_class(shell)  # of the program itself, at every press of the key
    assert asking is not None  # noqa: S101 - click has one for each of SHELLS
    root = context.find_root().command
    click.echo(asking(root, {}, "nearproof", "_NEARPROOF_COMPLETE").source(), nl=False)
