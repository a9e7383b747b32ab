"""The page over demo data, served for a browser."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.api_keys import ApiKey, digest_of, generate_key, store_key
from spendmeter_clickhouse.scopes import ORG_READ
from spendmeter_rollups import ServiceSettings, SignInLinks, create_app
from tests.support.browser import served_page
from tests.support.demo_store import fill_with_demo
from tests.support.hostile_calls import store_hostile_calls
from tests.support.sent_alerts import store_alerts
from tests.support.service import ADMIN_KEY, NOW

ORG: Final = "niketan-bengaluru"


@dataclass
class Site:
    """The served page, an org's key, and links that sign in."""

    url: str
    org_key: str
    links: SignInLinks

    def answer(self, path: str, **parameters: Any) -> Any:
        """Return the JSON answer of the API."""
        return self._get(f"{quote(path)}?{urlencode({'tz': 'Asia/Kolkata', **parameters})}")

    def explanation(self, event_id: str) -> Any:
        """Return the explanation of a call, which has no parameters."""
        return self._get(f"v1/usage/events/{event_id}")

    def alerts(self) -> Any:
        """Return the sent alerts, which have no parameters of usage."""
        return self._get("v1/alerts")["alerts"]

    def _get(self, address: str) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}{address}", headers=headers)) as answer:
            return json.load(answer)


@contextmanager
def demo_site(store: Store) -> Iterator[Site]:
    """Store 10 days of demo traffic and an org's key, and serve the page."""
    fill_with_demo(store, days=10, end=NOW, scale=0.1)
    store_alerts(store)
    store_hostile_calls(store)
    key, prefix = generate_key()
    with store.session("page") as session:
        stored = ApiKey(
            prefix=prefix,
            digest=digest_of(key),
            name="org",
            scopes=(ORG_READ,),
            org_id=ORG,
            created_at=NOW,
            updated_at=NOW,
        )
        asyncio.run(store_key(session, stored))
    links = SignInLinks()
    settings = ServiceSettings(admin_key=ADMIN_KEY, requests_per_minute=0, word_org="School/Schools")
    app = create_app(store=store, settings=settings, clock=lambda: NOW, links=links)
    with served_page(app) as url:
        yield Site(url, key, links)


def exact(amount: str) -> str:
    """Return an amount as the page shows it on hover."""
    whole, _, fraction = amount.partition(".")
    return f"USD {int(whole):,}{'.' if fraction else ''}{fraction}"
