"""The page in a real browser: what a reader sees and clicks."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from axial_deeplab.evaluation.html_report import (
    Comparison,
    Page,
    Training,
    write_html,
)
from axial_deeplab.evaluation.tables import Table

_PROGRAMS = "chromium", "chromedriver"
_PATIENCE_SECONDS = 60
_OPTIONS = {
    "binary": shutil.which("chromium"),
    "args": ["--headless", "--no-sandbox", "--disable-gpu"],
}

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, _PROGRAMS)),
    reason="needs Debian's packages chromium and chromium-driver",
)


class Browser:
    """A page in Chromium, by the WebDriver protocol of the W3C."""

    def __init__(self, address):
        self._address = address
        options = {"goog:chromeOptions": _OPTIONS}
        wanted = {"capabilities": {"alwaysMatch": options}}
        session = self._post("session", wanted)["sessionId"]
        self._address = f"{address}/session/{session}"

    def open(self, path):
        self._post("url", {"url": path.as_uri()})

    def run(self, script, *arguments):
        return self._post("execute/sync", {"script": script, "args": arguments})

    def click(self, css):
        using = {"using": "css selector", "value": css}
        (element,) = self._post("element", using).values()
        self._post(f"element/{element}/click", {})

    def close(self):
        request = urllib.request.Request(self._address, method="DELETE")
        urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS).close()

    def _post(self, path, body):
        request = urllib.request.Request(
            f"{self._address}/{path}", json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as one:
            return json.load(one)["value"]


@pytest.fixture(scope="module")
def browser():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["chromedriver", f"--port={port}"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(f"{address}/status")
        with contextlib.closing(Browser(address)) as browser:
            yield browser
    finally:
        driver.terminate()
        driver.wait(_PATIENCE_SECONDS)


def _wait_until_ready(address):
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    rows = [("road", 0.1), ("car", None), ("sky", 0.75), ("bus", 0.2)]
    picture = np.zeros((30, 40, 3), np.uint8)
    page = Page(
        "A title",
        [Table("classes", ("class", "IoU"), rows)],
        [Comparison("one", {"photograph": picture, "truth": picture}, {})],
        training=Training("seed: 1", picture),
    )
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_html(path, page)
    browser.open(path)
    return browser


def test_every_picture_is_there(page):
    widths = "return [...document.images].map((one) => one.naturalWidth)"
    assert page.run(widths) == [40, 40, 40]
    assert page.run("return document.querySelector('h1').innerText") == (
        "A title"
    )


def test_nothing_is_asked_of_the_network(page):
    names = "return performance.getEntriesByType('resource').map((x) => x.name)"
    assert all(name.startswith("data:") for name in page.run(names))


def test_a_click_sorts_and_another_turns_round(page):
    """Classes without a number stay last."""
    names = (
        "return [...document.querySelectorAll('.sortable td.text')]"
        ".map((cell) => cell.innerText)"
    )
    heading = ".sortable th:nth-child({})".format
    assert page.run(names) == ["road", "car", "sky", "bus"]
    for column, expected in (
        (2, ["sky", "bus", "road", "car"]),
        (2, ["road", "bus", "sky", "car"]),
        (1, ["bus", "car", "road", "sky"]),
        (1, ["sky", "road", "car", "bus"]),
        (2, ["sky", "bus", "road", "car"]),
    ):
        page.click(heading(column))
        assert page.run(names) == expected, column
    order = f"return document.querySelector('{heading(2)}').ariaSort"
    assert page.run(order) == "descending"
