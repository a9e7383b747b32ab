"""The commands of README.md and deploy/README.md: all exist, and recipes create what deploy files read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from spendmeter_deploy.cli.app import app
from tests.support.shipped.deployments import secret_of_readme
from tests.support.shipped.files import MANIFESTS, ROOT, compose_variables

PAGES = (
    "README.md",
    "deploy/README.md",
    "CONTRIBUTING.md",
    *(str(it.relative_to(ROOT)) for it in ROOT.glob("docs/*.md")),
)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_of_a_page_exists(page: str) -> None:
    lines = [line for block in blocks(page) for line in block.splitlines()]
    commands = {match[1] for line in lines if (match := re.match(r"(?:\S+/)?spendmeter ([a-z]\S*)", line.strip()))}
    assert commands <= set(get_command(app).commands)  # type: ignore[attr-defined]
    made = {match[1] for line in lines if (match := re.match(r"make ([a-z]+)", line.strip()))}
    assert made <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_recipe_for_compose_makes_every_variable(tmp_path: Path) -> None:
    (recipe,) = [block for block in blocks("deploy/README.md") if "> deploy/.env" in block]
    script = "\n".join(line for line in recipe.splitlines() if not line.startswith("docker"))
    (tmp_path / "deploy").mkdir()
    subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, check=True, timeout=60)
    written = dict(line.split("=", 1) for line in (tmp_path / "deploy" / ".env").read_text().splitlines())
    assert written.keys() == compose_variables()
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in written.values())


def test_the_recipe_for_kubernetes_makes_every_key_of_the_secret() -> None:
    read = re.findall(
        r"secretKeyRef: \{name: spendmeter, key: ([\w-]+)\}", "".join(it.read_text() for it in MANIFESTS.glob("*.yaml"))
    )
    assert secret_of_readme().keys() == set(read)


def test_kubectl_applies_files_that_exist() -> None:
    (recipe,) = [block for block in blocks("deploy/README.md") if "kubectl" in block]
    for path in re.findall(r"apply -[fk] (\S+)", recipe):
        assert (ROOT / path).exists()
    assert yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["namespace"] == "spendmeter"
