"""The page in Chromium over demo data: figures as the API's, states, keyboard, accessibility, other orgs' privacy."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Route, expect

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.api_keys import ApiKey, digest_of, generate_key, store_key
from spendmeter_clickhouse.catalogue import DIMENSIONS
from spendmeter_clickhouse.scopes import ORG_READ
from spendmeter_rollups import ServiceSettings, SignInLinks, create_app
from tests.support.browser import Visit, chromium, inaccessible, served_page, visiting
from tests.support.demo_store import fill_with_demo
from tests.support.service import ADMIN_KEY, NOW

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ORG = "niketan-bengaluru"
TABS = [
    *("overview", "orgs", "roles", "classes", "sections", "users", "features", "actions", "models", "providers"),
    *("agents", "tags", "errors", "cache", "heatmap", "log", "budgets"),
]
# The other tabs consist of the same parts as these.
AUDITED = {"overview", "users", "features", "models", "agents", "tags", "errors", "cache", "heatmap", "log", "budgets"}
WORDS = {"org": "School"}
TABLES = {"orgs": "org", "roles": "role", "classes": "class", "sections": "section", "users": "user"}
TABLES |= {"features": "feature", "actions": "action", "models": "model", "providers": "provider"}


@dataclass
class Site:
    """The served page, an org's key, and links that sign in."""

    url: str
    org_key: str
    links: SignInLinks

    def answer(self, path: str, **parameters: Any) -> Any:
        """Return the JSON answer of the API."""
        return self._get(f"{path}?{urlencode({'tz': 'Asia/Kolkata', **parameters})}")

    def explanation(self, event_id: str) -> Any:
        """Return the explanation of a call, which has no parameters."""
        return self._get(f"v1/usage/events/{event_id}")

    def _get(self, address: str) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}{address}", headers=headers)) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def site(store: Store) -> Iterator[Site]:
    fill_with_demo(store, days=10, end=NOW, scale=0.1)
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


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    # After the site: Playwright runs an event loop in this thread, in which `asyncio.run` fails.
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    with visiting(browser, site.url, ADMIN_KEY) as visit:
        yield visit
        assert visit.faults == []


def exact(amount: str) -> str:
    """Return an amount as the page shows it on hover."""
    whole, _, fraction = amount.partition(".")
    return f"USD {int(whole):,}{'.' if fraction else ''}{fraction}"


def test_the_cards_are_the_figures_of_the_api(visit: Visit, site: Site) -> None:
    page, totals = visit.open(), site.answer("v1/usage/summary")["totals"]
    cards = {
        card.locator("dt").inner_text(): card.locator(".value").inner_html() for card in page.locator(".card").all()
    }
    assert exact(totals["cost"]) in cards["Cost"]
    assert f">{totals['requests']:,}<" in cards["Requests"]
    assert f">{totals['total_tokens']:,}<" in cards["Tokens"]
    assert f">{totals['prompt_tokens']:,}<" in cards["Prompt tokens"]
    assert cards["Success rate"] == f"{totals['success_rate']:.2%}".replace(".00", "").replace("0%", "%")
    projection = site.answer("v1/usage/projection")
    assert exact(projection["projected"]) in cards["Projection, Nov"]
    assert visit.violations() == []


@pytest.mark.parametrize(("tab", "dimension"), TABLES.items())
def test_a_table_has_the_rows_and_totals_of_the_api(visit: Visit, site: Site, tab: str, dimension: str) -> None:
    page, answer = visit.open(f"tab={tab}"), site.answer(f"v1/usage/breakdown/{dimension}", limit=1000)
    table = page.locator(".table-panel table").first
    costs = table.locator("tbody td.strong > span").evaluate_all("cells => cells.map((cell) => cell.title)")
    assert costs == [exact(row["cost"]) for row in answer["rows"]][:25]
    assert exact(answer["totals"]["cost"]) in table.locator("tfoot").inner_html()
    assert f"{answer['totals']['requests']:,}" in table.locator("tfoot").inner_html()


@pytest.mark.parametrize(("scheme", "tabs"), [("light", TABS), ("dark", ["overview", "log"])])
def test_every_tab_is_accessible_and_breaks_no_rule(browser: Browser, site: Site, scheme: str, tabs: list[str]) -> None:
    with visiting(browser, site.url, ADMIN_KEY, color_scheme=scheme) as visit:
        for tab in tabs:
            page = visit.open(f"tab={tab}")
            if tab in AUDITED:
                # The frame is the same around each view.
                assert inaccessible(page, "html" if tab == "overview" else "#view") == [], tab
            assert page.locator(".failure").count() == 0, tab
            assert visit.violations() == [], tab
        assert visit.faults == []


def test_the_url_has_the_whole_state(visit: Visit) -> None:
    page = visit.open("preset=7d&source=platform&tab=users&sort=-requests")
    page.get_by_role("button", name="+ Filter").click()
    dialog = page.get_by_role("dialog", name="Filters")
    dialog.get_by_role("button", name="Role").click()
    dialog.get_by_role("checkbox", name=re.compile("^student")).check()
    dialog.get_by_role("button", name="Apply").click()
    visit.ready()
    chip = page.get_by_role("button", name="Role: student", exact=True)
    expect(chip).to_be_visible()
    shown = page.locator("#main").inner_text()
    page.reload()
    visit.ready()
    assert page.locator("#main").inner_text() == shown
    assert "role=student" in page.url
    page.go_back()
    expect(chip).to_have_count(0)


def test_unknown_parameters_are_ignored_and_named(visit: Visit) -> None:
    page = visit.open("preset=nonsense&tab=nothing&x=1")
    assert page.get_by_text("Ignored in the address: preset, x.").is_visible()


def test_sorting_stays_in_its_tab(visit: Visit) -> None:
    page = visit.open("tab=users")
    header = page.get_by_role("columnheader", name="Tokens")
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_role("columnheader", name="Cost", exact=True)).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("columnheader", name="Tokens")).not_to_have_attribute("aria-sort", "descending")


@pytest.mark.parametrize(
    "tab", ["overview", "sections", "users", "models", "agents", "tags", "errors", "cache", "heatmap", "log"]
)
def test_without_data_every_tab_is_empty_and_says_so(visit: Visit, tab: str) -> None:
    page = visit.open(f"tab={tab}&role=parent&feature=vector_sections")
    assert page.locator(".empty").count() >= 1
    assert page.locator(".failure, .spinner:not([hidden])").count() == 0


def test_a_failed_panel_says_why_and_retries(browser: Browser, site: Site) -> None:
    with visiting(browser, site.url, ADMIN_KEY) as visit:
        refusal = {"status": 503, "content_type": "application/problem+json", "body": '{"detail": "Retry later."}'}
        visit.page.route("**/v1/usage/heatmap*", lambda route: route.fulfill(**refusal))
        page = visit.open("tab=heatmap")
        assert "Retry later." in page.get_by_role("alert").inner_text()
        page.unroute_all()
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("table.heat")).to_be_visible()


def test_an_org_sees_itself_alone(browser: Browser, site: Site) -> None:
    # The org of calls without one is `platform`, which is also a source of keys.
    rows = site.answer("v1/usage/breakdown/org")["rows"]
    others = [row for row in rows if row["key"]["org_id"] not in (ORG, "platform")]
    names = [row["name"] for row in others if row["name"]] + [row["key"]["org_id"] for row in others]
    with visiting(browser, site.url) as visit:
        texts: list[str] = []
        visit.page.route("**/v1/**", lambda route: _recorded(route, texts))
        visit.page.goto(site.url)
        visit.page.get_by_label("API key").fill(site.org_key)
        visit.page.get_by_role("button", name="Sign in").click()
        visit.ready()
        assert visit.page.get_by_role("link", name="Schools", exact=True).count() == 0
        texts += [
            visit.open(f"tab={tab}").locator("body").inner_text()
            for tab in ("orgs", "users", "errors", "log", "budgets")
        ]
    assert any(ORG in text for text in texts)
    assert [name for name in names if any(name in text for text in texts)] == []


def _recorded(route: Route, texts: list[str]) -> None:
    answer = route.fetch()
    texts.append(answer.text())
    route.fulfill(response=answer)


def test_the_drawer_never_shows_the_former_user(browser: Browser, site: Site) -> None:
    first, second = [row for row in site.answer("v1/usage/breakdown/user")["rows"] if row["name"]][:2]
    with visiting(browser, site.url, ADMIN_KEY) as visit:
        page = visit.open("tab=users")
        held: list[Route] = []
        page.route(f"**/v1/usage/users/{first['key']['user_id']}*", lambda route: held.append(route))
        page.get_by_role("link", name=first["name"], exact=True).first.click()
        drawer = page.get_by_role("dialog")
        expect(drawer).to_contain_text(first["key"]["user_id"])
        page.keyboard.press("Escape")
        expect(drawer).to_have_count(0)
        page.get_by_role("link", name=second["name"], exact=True).first.click()
        expect(drawer.get_by_role("heading", name=second["name"])).to_be_visible()
        for route in held:
            route.continue_()
        cost = drawer.locator(".card .value span").first
        expect(cost).to_have_attribute("title", exact(second["cost"]))
        assert first["name"] not in drawer.inner_text()
        box = drawer.bounding_box()
        assert box is not None
        assert box["width"] == 640
        page.reload()
        expect(page.get_by_role("dialog").get_by_role("heading", name=second["name"])).to_be_visible()


def test_the_log_pages_by_cursor_and_filters_by_status(visit: Visit, site: Site) -> None:
    page = visit.open("tab=log")
    rows = page.locator(".table-panel tbody tr")
    first = rows.first.inner_text()
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text("50, newest first")).to_be_visible()
    assert rows.first.inner_text() != first
    page.get_by_role("button", name="Newer").click()
    expect(rows.first).to_have_text(first, use_inner_text=True)
    page.get_by_label("Status").select_option("error")
    expect(page.locator(".badge").first).to_have_class("badge error")


def test_a_row_of_the_log_explains_the_price_of_its_call(visit: Visit, site: Site) -> None:
    page, call = visit.open("tab=log"), site.answer("v1/usage/events")["rows"][0]
    explained = site.explanation(call["event_id"])
    page.locator(".table-panel tbody tr").first.locator("th").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", level=2).first).to_contain_text(exact(explained["current_cost"]))
    assert dialog.locator("tbody td.strong").all_inner_texts() == [
        line["cost"] or "—" for line in explained["estimate"]["lines"]
    ]
    rows = [line["origin"]["row"] for line in explained["estimate"]["lines"] if line["origin"]]
    assert rows
    assert [row for row in rows if row not in dialog.inner_text()] == []
    assert inaccessible(page, "dialog") == []
    page.reload()
    expect(dialog.get_by_role("heading", level=2).first).to_contain_text(exact(explained["current_cost"]))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert "call=" not in page.url
    # The keyboard opens the same by the link of the cost, and returns to it.
    visit.ready()
    link = page.locator(".table-panel tbody td.strong a").first
    link.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()


def test_every_dimension_and_every_tag_is_a_filter(visit: Visit, site: Site) -> None:
    page = visit.open("tab=models")
    page.get_by_role("button", name="+ Filter").click()
    dialog = page.get_by_role("dialog", name="Filters")
    keys = [value["value"] for value in site.answer("v1/filters/tag")["values"]]
    expect(dialog.get_by_role("button", name=keys[-1], exact=True)).to_be_visible()
    shown = dialog.locator(".dimensions button").all_inner_texts()
    words = [WORDS.get(name, name.replace("_", " ").capitalize()) for name in DIMENSIONS if name != "key_source"]
    assert set(shown) == {*words, *keys}
    assert inaccessible(page, "dialog") == []
    value = site.answer(f"v1/filters/tag:{keys[0]}")["values"][0]["value"]
    dialog.get_by_role("button", name=keys[0], exact=True).click()
    dialog.get_by_role("checkbox", name=re.compile(f"^{re.escape(value or '(none)')}")).check()
    dialog.get_by_role("button", name="Service", exact=True).click()
    service = site.answer("v1/filters/service", tag=f"{keys[0]}:{value}")["values"][0]["value"]
    dialog.get_by_role("checkbox", name=re.compile(f"^{service}")).check()
    dialog.get_by_role("button", name="Apply").click()
    visit.ready()
    expect(page.get_by_role("button", name=f"{keys[0]}: {value or '(none)'}", exact=True)).to_be_visible()
    answer = site.answer("v1/usage/breakdown/model", service=service, tag=f"{keys[0]}:{value}")
    assert exact(answer["totals"]["cost"]) in page.locator(".table-panel tfoot").inner_html()


def test_the_tags_have_the_rows_of_the_api(visit: Visit, site: Site) -> None:
    key = site.answer("v1/filters/tag")["values"][-1]["value"]
    page = visit.open("tab=tags")
    page.get_by_role("combobox", name=re.compile("^Tag")).select_option(key)
    visit.ready()
    answer = site.answer(f"v1/usage/breakdown/tag:{key}")
    costs = page.locator("tbody td.strong > span").evaluate_all("cells => cells.map((cell) => cell.title)")
    assert costs == [exact(row["cost"]) for row in answer["rows"]][:25]
    link = page.get_by_role("link", name="Export CSV").get_attribute("href")
    lines = page.request.get(site.url + str(link)).text().splitlines()
    assert len(lines) == 1 + len(answer["rows"])


def test_the_export_has_every_row_of_the_view(visit: Visit, site: Site) -> None:
    page = visit.open("tab=users&role=student&preset=7d")
    link = page.get_by_role("link", name="Export CSV").get_attribute("href")
    lines = page.request.get(site.url + str(link)).text().splitlines()
    answer = site.answer("v1/usage/breakdown/user", role="student", preset="7d", limit=1000)
    assert len(lines) == 1 + len(answer["rows"])


def test_a_link_signs_in_once_and_leaves_the_address(browser: Browser, site: Site) -> None:
    link = f"{site.url}?tab=models#link={site.links.issue(ADMIN_KEY)}"
    with visiting(browser, site.url) as visit:
        visit.page.goto(link)
        visit.ready()
        assert "#" not in visit.page.url
        visit.page.get_by_role("button", name="Sign out").click()
        expect(visit.page.get_by_label("API key")).to_be_visible()
    with visiting(browser, site.url) as visit:
        visit.page.goto(link)
        expect(visit.page.get_by_role("alert")).to_contain_text("used before")


def test_a_phone_never_scrolls_sideways(browser: Browser, site: Site) -> None:
    width = 320
    with visiting(browser, site.url, ADMIN_KEY, viewport={"width": width, "height": 844}) as visit:
        for tab in ("overview", "users"):
            page = visit.open(f"tab={tab}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab


def test_numbers_are_short_and_the_same_in_every_locale(browser: Browser, site: Site) -> None:
    cases = {
        "money('0.004', 'INR')": "< ₹0.01", "money('0', 'INR')": "₹0.00", "money('12.4', 'INR')": "₹12.40",
        "money('1500', 'INR')": "₹1.5K", "money('999.996', 'USD')": "$1K", "money('0.4', 'JPY')": "< ¥1",
        "money(null, 'USD')": "—", "compact(1234)": "1.2K", "compact(2345678)": "2.3M", "compact(999950)": "1M",
        "duration(840)": "840 ms", "duration(1234)": "1.2 s", "changeText(0.124)": "▲ 12.4 %",
        "exactMoney('1234567.125', 'USD')": "USD 1,234,567.125",
    }  # fmt: skip
    for locale in ("en-IN", "de-DE"):
        with visiting(browser, site.url, locale=locale) as visit:
            visit.page.goto(site.url)
            format_js = visit.page.locator('link[href$="parts/format.js"]').get_attribute("href")
            calls = ", ".join(f"format.{call}" for call in cases)
            shown = visit.page.evaluate(f"import('/{format_js}').then((format) => [{calls}])")
            assert shown == list(cases.values())


def test_a_budget_is_created_changed_and_deleted(visit: Visit) -> None:
    page = visit.open("tab=budgets")
    page.get_by_text("New budget").click()
    form = page.locator("form.budget")
    form.get_by_role("textbox", name="School").fill(ORG)
    form.get_by_label("Amount per month").fill("20")
    form.get_by_role("button", name="Create").click()
    row = page.locator("tbody tr")
    expect(row).to_contain_text("$20.00")
    row.get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog", name="Change the budget")
    dialog.get_by_label("Amount per month").fill("30")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("$30.00")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete the budget?").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No budgets yet.")).to_be_visible()
