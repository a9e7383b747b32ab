"""Chromium on the page, over a query service in a thread."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, Response, sync_playwright

from tests.support.kafka.process import free_port
from tests.support.required import do_without

_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
_FOLLOW = """(address) => {
  history.pushState(null, "", address);
  window.dispatchEvent(new PopStateEvent("popstate"));
}"""
DRAWN = """() => {
  const panels = [...document.querySelectorAll("#view .panel")];
  const near = [...document.querySelectorAll(".plot")].filter((plot) => plot.offsetWidth
    && plot.getBoundingClientRect().top < innerHeight && plot.getBoundingClientRect().bottom > 0);
  const drawn = (node, name) => name in node.dataset;
  return panels.length > 0 && panels.every((panel) => drawn(panel, "ready"))
    && near.every((plot) => drawn(plot, "drawn"));
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium. Without it, skip the test."""
    path = shutil.which("chromium")
    if path is None:
        do_without("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served_page(app: FastAPI) -> Iterator[str]:
    """Serve `app` in a thread; yield its URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.02)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join()


@dataclass
class Visit:
    """One signed-in tab of a browser, and everything that went wrong in it."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> Page:
        """Open the page at `query`, as one of its links does, and wait until its panels are drawn."""
        address = f"{self.url}?tz=Asia/Kolkata{'&' if query else ''}{query}"
        if self.page.url.startswith(self.url):
            # Without a new document: modules and charts are loaded once.
            self.page.evaluate(_FOLLOW, address)
        else:
            self.page.goto(address)
        self.ready()
        return self.page

    def ready(self) -> None:
        """Wait until the panels and the charts on the screen are drawn."""
        self.page.wait_for_function(DRAWN)

    def violations(self) -> list[str]:
        """Return the violations of the Content-Security-Policy in this document."""
        found: list[str] = self.page.evaluate("window.violations")
        return found


@contextmanager
def visiting(browser: Browser, url: str, key: str = "", **options: Any) -> Iterator[Visit]:
    """Open a fresh context, signed in with `key`."""
    defaults = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "Asia/Kolkata", "reduced_motion": "reduce"}
    context = browser.new_context(**{**defaults, **options})
    context.add_init_script(_VIOLATIONS)
    visit = Visit(context.new_page(), url)
    visit.page.on("console", lambda message: visit.faults.append(message.text) if message.type == "error" else None)
    visit.page.on("pageerror", lambda error: visit.faults.append(str(error)))
    visit.page.on("response", lambda response: _note(visit, response))
    if key:
        headers = {"X-Spendmeter-Page": "1", "Origin": url.rstrip("/")}
        answer = context.request.post(f"{url}v1/session", data={"key": key}, headers=headers)
        assert answer.ok, answer.text()
        context.add_init_script("localStorage.setItem('signed-in', 'yes')")
    yield visit
    context.close()


def _note(visit: Visit, response: Response) -> None:
    if not response.url.startswith(visit.url):
        visit.faults.append(f"another host: {response.url}")


def inaccessible(page: Page, part: str) -> list[tuple[str, str]]:
    """Return the rules that `part` breaks, each with an element."""
    if not page.evaluate("'axe' in window"):
        axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
        page.evaluate(f"() => {{ {axe} }}")
    options = {
        "runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"],
        "resultTypes": ["violations"],
        "elementRef": False,
    }
    found = page.evaluate("([part, options]) => axe.run(part, options)", [part, options])
    return [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found["violations"]]
