"""Photograph every view of the page over demo data, in Chromium: some of them dark and on a phone."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid5

from playwright.sync_api import Browser

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_clickhouse.budgets import Budget, write_budget
from spendmeter_rollups import ServiceSettings, create_app
from tests.screens.views import BUDGETS, DARK, NAMESPACE, PHONE, SCREENS
from tests.support.browser import chromium, served_page, visiting
from tests.support.demo_store import fill_with_demo
from tests.support.sent_alerts import store_alerts
from tests.support.service import ADMIN_KEY, NOW

FOLDER: Final = Path(__file__).parents[2] / "docs" / "page"


@contextmanager
def demo() -> Iterator[str]:
    """Serve the page over 70 days of demo data; yield its URL."""
    settings = ServiceSettings(admin_key=ADMIN_KEY, requests_per_minute=0, word_org="School/Schools")
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(StoreSettings(store_dsn=f"chdb://{folder}/store?database=screens")) as store,
    ):
        asyncio.run(migrate(store))
        fill_with_demo(store, days=70, end=NOW, scale=0.3)
        asyncio.run(_set_budgets(store))
        store_alerts(store)
        with served_page(create_app(store=store, settings=settings, clock=lambda: NOW)) as url:
            yield url


async def _set_budgets(store: Store) -> None:
    with store.session("screens") as session:
        for subject, amount in BUDGETS.items():
            scope, org, user = subject
            number = uuid5(NAMESPACE, "/".join(subject))
            budget = Budget(
                budget_id=number,
                scope=scope,
                org_id=org,
                user_id=user,
                feature="",
                amount=amount,
                currency="USD",
                updated_at=NOW,
            )
            await write_budget(session, budget)


def photograph(browser: Browser, url: str, scheme: str) -> None:
    """Take the screens of one colour scheme."""
    with visiting(browser, url, ADMIN_KEY, color_scheme=scheme) as visit:
        for name in SCREENS if scheme == "light" else DARK:
            page = visit.open(SCREENS[name])
            page.wait_for_timeout(300)
            page.screenshot(path=FOLDER / f"{name}-{scheme}.png")


def photograph_phone(browser: Browser, url: str) -> None:
    """Take the screens of a phone."""
    with visiting(browser, url, ADMIN_KEY, viewport={"width": 390, "height": 844}) as visit:
        for name in PHONE:
            page = visit.open(SCREENS[name])
            page.wait_for_timeout(300)
            page.screenshot(path=FOLDER / f"{name}-phone.png")


def main() -> None:
    """Write all screens."""
    FOLDER.mkdir(exist_ok=True)
    with demo() as url, chromium() as browser:
        for scheme in ("light", "dark"):
            photograph(browser, url, scheme)
        photograph_phone(browser, url)


if __name__ == "__main__":
    main()
