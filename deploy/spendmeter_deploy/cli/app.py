"""The `spendmeter` command: the stack and its processes. The other subcommands have a module each (`lazy.COMMANDS`).

Imports that only one subcommand needs are inside it: worker, query service and broker take seconds to load.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from spendmeter_deploy.cli.lazy import PLAIN, LazyGroup
from spendmeter_deploy.cli.running import check_environment, configure_logs, log_as_json, refuse, run
from spendmeter_deploy.dotenv import apply_dotenv
from spendmeter_deploy.ending import current_ending, leaving_in_time

if TYPE_CHECKING:
    from spendmeter_clickhouse import Store
    from spendmeter_deploy.settings import StackSettings

CHECKOUT: Final = Path(__file__).parents[3]

app = typer.Typer(
    cls=LazyGroup,
    help="Spendmeter: exact LLM cost by org, user, feature and model, from Kafka events to ClickHouse rollups.",
    no_args_is_help=True,
    rich_markup_mode=PLAIN,
    pretty_exceptions_enable=False,
)

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Data folder of the embedded stack. Default: SPENDMETER_DATA_DIR or .spendmeter."),
]
Port = Annotated[
    int | None,
    typer.Option("--port", help="HTTP port; 0 picks a free one. Default: SPENDMETER_PORT or 8080.", min=0, max=65535),
]


def _print_version(requested: bool) -> None:
    if requested:
        from spendmeter_stream.runtime.version import installed_version

        typer.echo(f"spendmeter {installed_version()}")
        raise typer.Exit


@app.callback()
def main_options(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log progress to stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Set up logging and check the environment."""
    configure_logs(verbose=verbose)
    check_environment(context.invoked_subcommand)


@app.command()
def demo(
    data_dir: DataDir = None,
    port: Port = None,
    days: Annotated[int, typer.Option(help="Days of traffic.", min=1, max=400)] = 90,
    seed: Annotated[
        int, typer.Option(help="Seed of the traffic; the same seed generates the same events.", min=0, max=2**63 - 1)
    ] = 7,
    exit_: Annotated[bool, typer.Option("--exit", help="Exit after the summary.")] = False,
) -> None:
    """Run the embedded stack with demo traffic, print a summary, and serve the API."""
    from spendmeter_deploy.embedded.demo import DemoOptions, run_demo

    run(run_demo(_settings(data_dir, port), DemoOptions(days=days, seed=seed, exit=exit_)))


@app.command()
def up(data_dir: DataDir = None, port: Port = None) -> None:
    """Run the embedded stack: broker, store, worker and query service in one process tree."""
    log_as_json()
    run(_up(_settings(data_dir, port)), serves=True)


@app.command("migrate")
def migrate_(
    adopt_group: Annotated[
        bool,
        typer.Option(
            "--adopt-group", help="Make SPENDMETER_GROUP the group that fills the store. Stop all workers first."
        ),
    ] = False,
) -> None:
    """Apply the schema migrations to the store at SPENDMETER_STORE_DSN."""
    run(_migrate(adopt_group=adopt_group))


@app.command()
def worker() -> None:
    """Run a worker: consume from SPENDMETER_BOOTSTRAP, insert into SPENDMETER_STORE_DSN."""
    from spendmeter_deploy.serving import work_forever

    log_as_json()
    run(work_forever(), serves=True)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)] = 8080,
) -> None:
    """Run the query service on SPENDMETER_STORE_DSN."""
    from spendmeter_deploy.serving import serve_forever

    log_as_json()
    run(serve_forever(host, port), serves=True)


@app.command()
def collect(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)] = 8081,
) -> None:
    """Run the collector: usage events over HTTP, published to SPENDMETER_BOOTSTRAP."""
    from spendmeter_deploy.serving import collect_forever

    log_as_json()
    run(collect_forever(host, port), serves=True)


@app.command(context_settings={"ignore_unknown_options": True})
def bench(what: Annotated[list[str] | None, typer.Argument(help="Benchmarks to run. Default: all.")] = None) -> None:
    """Run the benchmarks and write docs/benchmarks.md. Needs a checkout with the development dependencies."""
    if not (CHECKOUT / "benchmarks").is_dir():
        raise refuse("the benchmarks are not in the package; clone the repository and run `make bench`")
    command = [sys.executable, "-m", "benchmarks", *(what or ())]
    os.chdir(CHECKOUT)
    # Replace this process, so that signals reach the benchmark.
    os.execv(sys.executable, command)  # noqa: S606 - the command is fixed


def main() -> None:
    """Run the `spendmeter` command; the entry point of the script."""
    apply_dotenv(os.environ)
    with leaving_in_time():
        app()


def _settings(data_dir: Path | None, port: int | None) -> StackSettings:
    from spendmeter_deploy.settings import StackSettings

    options: dict[str, Any] = {"data_dir": data_dir, "port": port}
    return StackSettings(**{name: value for name, value in options.items() if value is not None})


async def _up(settings: StackSettings) -> None:
    from rich.console import Console

    from spendmeter_deploy.embedded.greeting import greet
    from spendmeter_deploy.embedded.stack import embedded_stack

    async with embedded_stack(settings) as stack:
        greet(stack, Console())
        await current_ending().stop_requested()


async def _migrate(*, adopt_group: bool) -> None:
    from spendmeter_clickhouse import Store, StoreSettings, migrate
    from spendmeter_stream.runtime.start import wait_for_store

    with Store(StoreSettings()) as store:
        await wait_for_store(store)
        for migration in await migrate(store):
            typer.echo(f"applied {migration.version:04}_{migration.name}")
        typer.echo(f"the schema of {store.database} is up to date")
        if adopt_group:
            await _adopt_group(store)


async def _adopt_group(store: Store) -> None:
    from spendmeter_stream.journal.group_owner import adopt_group
    from spendmeter_stream.settings import StreamSettings

    group = StreamSettings().group
    former = await adopt_group(store.session("group"), group)
    typer.echo(f"consumer group {group} now fills the store" + (f" (previously {former})" if former else ""))


if __name__ == "__main__":
    main()
