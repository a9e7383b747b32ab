"""What a started stack says about itself."""

from __future__ import annotations

from rich.console import Console

from spendmeter_deploy.embedded.stack import EmbeddedStack


def introduce(stack: EmbeddedStack, console: Console) -> None:
    """Where to look, and with which key. A key made for this run is shown here, once."""
    # A key that was set is not repeated on the screen.
    key = stack.key if stack.made_key else "$SPENDMETER_ADMIN_KEY"
    console.print(f"\nSpendmeter serves [bold]{stack.url}[/]")
    console.print(f"  documentation  {stack.url}/docs")
    console.print(f"  metrics        {stack.url}/metrics")
    console.print(f"  Kafka          {stack.broker.bootstrap}")
    console.print(f"  data           {stack.folder.path}")
    if stack.made_key:
        console.print(f"  admin key      {key}   (made for this run; set SPENDMETER_ADMIN_KEY to keep one)")
    console.print("\nTry it:", style="bold")
    # Printed plain: a wrapped or highlighted command cannot be copied.
    print(f"  curl -s -H 'Authorization: Bearer {key}' '{stack.url}/v1/usage/summary?preset=all'")  # noqa: T201
    print("\nCtrl-C stops it; nothing that was stored is lost.", flush=True)  # noqa: T201
