"""The greeting that a started stack prints."""

from __future__ import annotations

from rich.console import Console

from spendmeter_deploy.embedded.stack import EmbeddedStack


def greet(stack: EmbeddedStack, console: Console) -> None:
    """Print addresses, data folder and a first command. A key generated for this run is printed once."""
    # Do not print a configured key.
    key = stack.key if stack.key_generated else "$SPENDMETER_ADMIN_KEY"
    console.print(f"\nSpendmeter is running at [bold]{stack.url}[/]")
    # The secret is in the fragment, which browsers do not send. The link is not wrapped, so that it can be opened.
    console.out(f"  page           {stack.url}/#link={stack.links.issue(stack.key)}   (signs in once)", highlight=False)
    console.print(f"  documentation  {stack.url}/docs")
    console.print(f"  metrics        {stack.url}/metrics")
    console.print(f"  Kafka          {stack.broker.bootstrap}")
    console.print(f"  data           {stack.folder.path}")
    if stack.key_generated:
        console.print(f"  admin key      {key}   (generated for this run; set SPENDMETER_ADMIN_KEY to keep it)")
    console.print("\nTry it:", style="bold")
    # `out` does not wrap: a wrapped command cannot be copied. In double quotes the shell replaces the variable.
    console.out(
        f"  curl -s -H \"Authorization: Bearer {key}\" '{stack.url}/v1/usage/summary?preset=all'", highlight=False
    )
    console.print("\nPress Ctrl-C to stop. Stored data is kept.")
