"""Requirements of every board and panel, checked on the files that Grafana reads."""

from __future__ import annotations

import re
from typing import Any

import pytest
from grafana.build import alerts
from grafana.build.all import FOLDER, rendered

from spendmeter_clickhouse.catalogue import FILTERS
from tests.gate.statements import boards, name_of

Json = dict[str, Any]
BOARDS = {name_of(board): board for board in boards()}
ISSUE = [
    *("overview", "orgs", "users", "user", "features", "models", "agents"),
    *("classes", "errors", "cache", "heatmap", "log", "budgets", "pipeline"),
]
CLICKHOUSE = {name: board for name, board in BOARDS.items() if name != "pipeline"}
PANELS = {
    f"{name}: {panel['title']}": (name, panel)
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
each_clickhouse_board = pytest.mark.parametrize("board", CLICKHOUSE.values(), ids=CLICKHOUSE)
each_panel = pytest.mark.parametrize("placed", PANELS.values(), ids=PANELS)


def links(panel: Json) -> list[Json]:
    """Return the data links of the panel's fields."""
    overrides = [found for override in panel["fieldConfig"]["overrides"] for found in override["properties"]]
    of_columns = [link for found in overrides if found["id"] == "links" for link in found["value"]]
    return [*panel["fieldConfig"]["defaults"].get("links", ()), *of_columns]


def variables(board: Json) -> dict[str, Json]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def test_the_files_are_what_the_source_makes() -> None:
    """`make boards` regenerates them."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == rendered()
    assert alerts.PATH.read_text(encoding="utf-8") == alerts.rendered()


def test_the_boards_are_the_required_ones() -> None:
    assert set(BOARDS) == set(ISSUE)


@each_board
def test_a_board_can_be_provisioned(board: Json) -> None:
    assert board["schemaVersion"] == 42
    assert board["editable"] is False
    assert not {"id", "__inputs", "__requires", "version"} & set(board)
    assert board["title"]
    assert board["description"]
    assert board["uid"].startswith("spendmeter-")
    assert len(board["uid"]) <= 40


@each_board
def test_panels_lie_inside_the_grid_and_not_on_each_other(board: Json) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@each_panel
def test_a_panel_has_a_description(placed: tuple[str, Json]) -> None:
    _, panel = placed
    assert panel["title"].strip()
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert len(panel["fieldConfig"]["defaults"]["noValue"]) > 10
    titles = [other["title"] for name, other in PANELS.values() if name == placed[0]]
    assert titles.count(panel["title"]) == 1


@each_panel
def test_data_sources_are_chosen_by_a_variable(placed: tuple[str, Json]) -> None:
    name, panel = placed
    for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
        variable = re.fullmatch(r"\$\{(\w+)\}", source["uid"])
        assert variable
        found = variables(BOARDS[name])[variable[1]]
        assert (found["type"], found["query"]) == ("datasource", source["type"])


@each_panel
def test_panels_of_several_series_have_a_table_for_a_legend(placed: tuple[str, Json]) -> None:
    _, panel = placed
    if panel["type"] in ("timeseries", "trend", "barchart", "piechart"):
        legend = panel["options"]["legend"]
        assert (legend["showLegend"], legend["displayMode"]) == (True, "table")


@each_panel
def test_links_carry_the_range_and_the_filters(placed: tuple[str, Json]) -> None:
    name, panel = placed
    assert links(panel)
    for link in links(panel):
        uid = re.match(r"/d/spendmeter-(\w+)\?", link["url"])
        assert uid, link
        assert "${__url_time_range}" in link["url"]
        if name == "pipeline":
            continue
        for variable in ("currency", "granularity", *FILTERS):
            assert f"${{{variable}:queryparam}}" in link["url"] or f"var-{variable}=${{" in link["url"], link
        given = set(re.findall(r"var-(\w+)=\$\{[\w.]+:percentencode\}", link["url"]))
        assert given <= set(variables(BOARDS[uid[1]])), "a filter that the other board does not have"


@each_panel
def test_a_link_reads_columns_that_the_statement_gives(placed: tuple[str, Json]) -> None:
    _, panel = placed
    given = "\n".join(target.get("rawSql", "") for target in panel["targets"])
    for link in links(panel):
        for column in re.findall(r"\$\{__data\.fields\.(\w+):", link["url"]):
            assert re.search(rf"\bAS {column}\b", given), (link, column)
        if "__field.labels.name" in link["url"]:
            assert re.search(r"\bAS name\b", given)


@each_panel
def test_columns_that_are_hidden_linked_or_summed_are_there(placed: tuple[str, Json]) -> None:
    _, panel = placed
    given = "\n".join(target.get("rawSql", "") for target in panel["targets"])
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byName" and "rawSql" in panel["targets"][0]:
            name = override["matcher"]["options"]
            assert re.search(rf'AS "?{re.escape(name)}"?(?!\w)|\b{re.escape(name)}\b', given), name


@each_clickhouse_board
def test_every_filter_of_the_product_is_a_variable(board: Json) -> None:
    found = variables(board)
    single = {"org", "user"} if name_of(board) == "user" else set()
    for name in FILTERS:
        several = name not in single
        assert (found[name]["type"], found[name]["multi"], found[name]["includeAll"]) == ("query", several, several)
        assert "AS value" in found[name]["query"]
        if several:
            assert found[name]["current"]["value"] == ["$__all"]


@each_clickhouse_board
def test_every_filter_narrows_every_panel(board: Json) -> None:
    """Except panels that are not about calls: freshness, the rate, the directory. A hidden filter has no effect."""
    of_no_call = {"Freshness", "Exchange rate", "Identity"}
    for panel in board["panels"]:
        if panel["type"] == "row" or panel["title"] in of_no_call:
            continue
        for target in panel["targets"]:
            for name in FILTERS:
                if variables(board)[name].get("hide") == 2:
                    continue
                assert f"${{{name}:singlequote}}" in target["rawSql"], (panel["title"], name)


@each_clickhouse_board
def test_amounts_are_in_the_chosen_currency_at_its_dated_rate(board: Json) -> None:
    assert "fx_rates" in variables(board)["currency"]["query"]
    assert variables(board)["currency"]["current"]["value"] == "USD"
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            if "${currency}" in target["rawSql"]:
                assert "rate_date <= toDate(w1 - 1, zone)" in target["rawSql"]
                overrides = panel["fieldConfig"]["overrides"]
                units = {found["value"] for each in overrides for found in each["properties"] if found["id"] == "unit"}
                assert {"currencyUSD", "currencyINR"} <= units


@each_board
def test_a_boards_bar_leads_to_the_others_with_range_and_filters(board: Json) -> None:
    (bar,) = board["links"]
    assert (bar["type"], bar["includeVars"], bar["keepTime"]) == ("dashboards", True, True)
    assert set(bar["tags"]) <= set(board["tags"])
