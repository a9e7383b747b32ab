"""`spendmeter files`: boards, alert rules and manifests, which are part of the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from spendmeter_deploy.cli.running import refuse

app = typer.Typer(help="List and export boards, alert rules and manifests.", no_args_is_help=True)

FILES: Final = {
    "grafana/dashboards": "Grafana boards",
    "grafana/provisioning": "Grafana data sources, alert rules and board folders",
    "deploy/prometheus": "Prometheus configuration and alert rules",
    "deploy/k8s": "Kubernetes manifests",
    "deploy/compose.yaml": "Docker Compose file",
    ".env.example": "every setting with its default",
}
"""Path in the repository → content."""


def packaged() -> Path:
    """Return the folder with `FILES`: inside the package in a wheel, the repository in a checkout."""
    inside = Path(__file__).parents[2] / "files"
    return inside if inside.is_dir() else Path(__file__).parents[4]


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False) -> None:
    """List the files that `export` writes."""
    if as_json:
        typer.echo(json.dumps([{"path": path, "content": content} for path, content in FILES.items()], indent=2))
        return
    for path, content in FILES.items():
        typer.echo(f"{path:22} {content}")


@app.command("export")
def export(
    directory: Annotated[Path, typer.Argument(help="Folder to write to; created if it does not exist.")],
    only: Annotated[list[str] | None, typer.Option(help="Path of `files list` to export; repeatable.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Write boards, alert rules and manifests of this version to a folder."""
    chosen = only or list(FILES)
    if unknown := [path for path in chosen if path not in FILES]:
        raise refuse(f"--only {unknown[0]}: not one of {', '.join(FILES)}")
    existing = [path for path in chosen if (directory / path).exists()]
    if existing and not force:
        raise refuse(f"{directory / existing[0]} exists; use --force to overwrite it, or another folder")
    for path in chosen:
        try:
            _copy(packaged() / path, directory / path)
        except OSError as error:
            place, reason = error.filename or directory / path, error.strerror or error
            raise refuse(f"cannot write {place} ({reason}); use another folder, or make this one writable") from error
        typer.echo(f"{directory / path}  {FILES[path]}")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
