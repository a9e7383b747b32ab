"""The page in Chromium over demo data: figures as the API's, states, keyboard, accessibility, other orgs' privacy."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from spendmeter_clickhouse import Store
from tests.support.browser import Visit, chromium, inaccessible, visiting
from tests.support.page_site import ORG, Site, demo_site, exact
from tests.support.service import ADMIN_KEY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TABS = [
    *("overview", "orgs", "roles", "classes", "sections", "users", "features", "actions", "models", "providers"),
    *("agents", "tags", "errors", "cache", "heatmap", "log", "budgets"),
    *("prices", "alerts"),
]
# The other tabs consist of the same parts as these.
AUDITED = {
    "overview",
    "users",
    "features",
    "models",
    "agents",
    "tags",
    "errors",
    "cache",
    "heatmap",
    "log",
    "budgets",
    "prices",
    "alerts",
}
WORDS = {"org": "School"}
TABLES = {"orgs": "org", "roles": "role", "classes": "class", "sections": "section", "users": "user"}
TABLES |= {"features": "feature", "actions": "action", "models": "model", "providers": "provider"}


@pytest.fixture(scope="module")
def site(store: Store) -> Iterator[Site]:
    with demo_site(store) as site:
        yield site


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
            # Names of the site are scripts and markup.
            assert page.evaluate("window.attacked") is None, tab
            assert page.locator("#main :is(img, script, a[href^=javascript])").count() == 0, tab
            assert page.evaluate("document.documentElement.scrollWidth") <= 1280, tab
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
        expect(visit.page.get_by_text("prints a link and an admin key")).to_be_visible()
        visit.page.get_by_label("API key").fill(site.org_key)
        visit.page.get_by_role("button", name="Sign in").click()
        visit.ready()
        assert visit.page.get_by_role("link", name="Schools", exact=True).count() == 0
        texts += [
            visit.open(f"tab={tab}").locator("body").inner_text()
            for tab in ("orgs", "users", "errors", "log", "budgets", "prices", "alerts")
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


def test_prices_and_alerts_are_those_of_the_api(visit: Visit, site: Site) -> None:
    page, prices = visit.open("tab=prices"), site.answer("v1/prices", limit=500)["rows"]
    for row in sorted(prices, key=lambda row: -row["calls"])[:5]:
        shown = page.locator("tbody tr").filter(has=page.get_by_text(row["model"], exact=True)).first
        for rate in (each for each in row["rates"] if each["unit"] in ("input_tokens", "output_tokens", "characters")):
            expect(shown.get_by_title(f"USD {rate['rate_usd']} each", exact=True).first).to_be_visible()
    page, alerts = visit.open("tab=alerts"), site.alerts()
    assert len(alerts) == page.locator("tbody tr").count() == 3
    for alert in alerts:
        name = alert["user_name"] or alert["org_name"]
        row = page.locator("tbody tr").filter(has=page.get_by_role("link", name=name, exact=True)).first
        expect(row.get_by_title(exact(alert["spend_usd"]), exact=True)).to_be_visible()
        expect(row).to_contain_text(alert["severity"].capitalize())
    page.get_by_role("link", name=alerts[-1]["org_name"], exact=True).click()
    visit.ready()
    assert "tab=" not in page.url
    assert f"org={alerts[-1]['org_id']}" in page.url


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
        for tab in ("overview", "users", "log"):
            page = visit.open(f"tab={tab}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
            if tab != "overview":
                cost = page.locator("tbody td.strong > *").first.bounding_box()
                assert cost is not None
                assert cost["x"] + cost["width"] <= width, tab


def test_numbers_are_short_and_the_same_in_every_locale(browser: Browser, site: Site) -> None:
    cases = {
        "money('0.004', 'INR')": "< ₹0.01", "money('0', 'INR')": "₹0.00", "money('12.4', 'INR')": "₹12.40",
        "money('1500', 'INR')": "₹1.5K", "money('999.996', 'USD')": "$1K", "money('0.4', 'JPY')": "< ¥1",
        "money(null, 'USD')": "—", "compact(1234)": "1.2K", "compact(2345678)": "2.3M", "compact(999950)": "1M",
        "duration(840)": "840 ms", "duration(1234)": "1.2 s", "changeText(0.124)": "▲ 12.4 %",
        "changeText(-0.0004)": "0 %", "money('0.00012346', 'USD', 4)": "$0.0001235", "money('0.5', 'USD', 4)": "$0.50",
        "atLeast({cost: '0.004', unpriced_requests: 1, partial_requests: 0}, 'USD')": "≥ $0.004",
        "counted(1, 'call')": "1 call", "counted(1000, 'call')": "1,000 calls",
        "exactMoney('1234567.125', 'USD')": "USD 1,234,567.125",
    }  # fmt: skip
    for locale in ("en-IN", "de-DE"):
        with visiting(browser, site.url, locale=locale) as visit:
            visit.page.goto(site.url)
            format_js = visit.page.locator('link[href$="parts/format.js"]').get_attribute("href")
            calls = ", ".join(f"format.{call}" for call in cases)
            shown = visit.page.evaluate(f"import('/{format_js}').then((format) => [{calls}])")
            assert shown == list(cases.values())
