"""Calls, filters, tags, exports and budgets of the page in Chromium, over demo data."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.catalogue import DIMENSIONS
from tests.support.browser import Visit, chromium, inaccessible, visiting
from tests.support.page_site import ORG, Site, demo_site, exact
from tests.support.service import ADMIN_KEY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORDS = {"org": "School"}


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


def test_the_log_names_its_callers_and_sorts_by_cost(visit: Visit, site: Site) -> None:
    page, rows = visit.open("tab=log"), site.answer("v1/usage/events", order_by="cost", page_size=25)["rows"]
    page.get_by_role("columnheader", name="Cost").get_by_role("button").click()
    visit.ready()
    shown = page.locator(".table-panel tbody tr")
    expect(shown.first.locator("td.strong span[title]")).to_have_attribute("title", exact(rows[0]["cost"]))
    named = next(place for place, row in enumerate(rows) if row["user_name"])
    expect(shown.nth(named)).to_contain_text(rows[named]["user_name"])
    expect(shown.nth(named)).to_contain_text(rows[named]["org_name"])
    assert "< $0.01" not in page.locator(".table-panel").inner_text()


def test_features_and_agents_have_the_names_of_the_directory(visit: Visit, site: Site) -> None:
    features = site.answer("v1/usage/breakdown/feature")["rows"]
    page = visit.open("tab=features")
    assert features[0]["name"] in page.locator(".legend").first.inner_text()
    call = site.answer("v1/usage/events", status="error")["rows"][0]
    assert call["feature_name"] not in (None, call["feature"])
    for tab in ("log&status=error", "errors"):
        page = visit.open(f"tab={tab}")
        expect(page.locator("tbody tr").filter(has_text=call["feature_name"]).first).to_be_visible()
        assert call["feature"] not in page.locator("#view").inner_text()
    agents = [row for row in site.answer("v1/usage/breakdown/agent")["rows"] if row["name"]]
    page = visit.open("tab=agents")
    for agent in agents:
        expect(page.get_by_role("link", name=agent["name"], exact=True).first).to_be_visible()


def test_a_chart_ends_now_and_its_colours_are_distinct(visit: Visit, site: Site) -> None:
    # Another period has other features first.
    for period in ("today", "all", "custom&from=2026-11-20&to=2026-11-30"):
        page = visit.open(f"preset={period}")
        charts = page.locator("#view figure.chart")
        inks = charts.nth(1).locator(".legend i").evaluate_all("marks => marks.map((mark) => mark.style.cssText)")
        assert len(set(inks)) == len(inks) > 1, period
    for summary in charts.locator("summary").all()[:2]:
        summary.click()
    assert charts.nth(0).locator("tbody th").all_inner_texts()[:3] == ["20 Nov", "21 Nov", "22 Nov"]
    assert charts.nth(1).locator("tbody th").all_inner_texts() == ["20 Nov", "21 Nov", "22 Nov"]


def test_a_total_without_some_prices_is_a_lower_bound(visit: Visit) -> None:
    for name in ("summary", "breakdown"):
        visit.page.route(f"**/v1/usage/{name}?*", _unpriced)
    page = visit.open("tab=features&preset=90d")
    page.unroute_all()
    expect(page.locator("tfoot td.strong")).to_contain_text("≥ $")
    expect(page.locator("#view figcaption").nth(1)).to_contain_text("of ≥ $")


def _unpriced(route: Route) -> None:
    answer = route.fetch()
    body = answer.json()
    body["totals"]["unpriced_requests"] = 1
    route.fulfill(response=answer, json=body)


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
    expect(page).not_to_have_url(re.compile("call="))
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


def test_a_budget_is_created_changed_and_deleted(visit: Visit) -> None:
    page = visit.open("tab=budgets")
    page.get_by_text("New budget").click()
    form = page.locator("form.budget")
    form.get_by_role("textbox", name="School").fill(ORG)
    form.get_by_label("Amount per month").fill("20")
    form.get_by_role("button", name="Create").click()
    row = page.locator("tbody tr")
    expect(row).to_contain_text("$20.00")
    expect(row).not_to_contain_text(ORG)
    row.get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog", name="Change the budget")
    dialog.get_by_label("Amount per month").fill("30")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("$30.00")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete the budget?").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No budgets yet.")).to_be_visible()


@pytest.mark.parametrize(
    ("scope", "fields", "shown"),
    [
        ("User", {"School": ORG, "User": "*"}, " over"),
        ("Section", {"School": ORG, "Class": "8", "Section": "B"}, "8 / B"),
        ("Model", {"Model": "gpt-5-mini"}, "gpt-5-mini"),
    ],
)
def test_every_dimension_can_have_a_budget(visit: Visit, scope: str, fields: dict[str, str], shown: str) -> None:
    page = visit.open("tab=budgets")
    page.get_by_text("New budget").click()
    form = page.locator("form.budget")
    form.get_by_label("For").select_option(label=scope)
    for label, value in fields.items():
        form.get_by_role("textbox", name=label, exact=True).fill(value)
    form.get_by_label("Amount per month").fill("20")
    form.get_by_role("button", name="Create").click()
    row = page.locator("tbody tr")
    expect(row).to_contain_text(shown)
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete the budget?").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No budgets yet.")).to_be_visible()
