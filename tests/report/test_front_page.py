"""The page of a front: whole without scripts, silent about hostile text, every point readable."""

from __future__ import annotations

import io
import itertools
import re
import shutil

import pytest
from rich.console import Console

from variegate.fronts import Arms, front
from variegate.report import front_terminal, render_front
from variegate.samples import Samples

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update")  # fmt: skip


def rows(arm, texts, *, prompts=8, say=None):
    return [
        {"arm": arm, "task": f"task {p % 2}", "prompt_id": f"p{p}", "prompt": f"question {p}?",
         "text": say() if say else f"{text} {p}", "answer": f"{text}{i if say else ''}",
         "sample": i, "correct": (i + p) % 4 != 0}
        for p in range(prompts) for i, text in enumerate(texts)
    ]  # fmt: skip


def made(*, say=None, names=("plain", "wide"), prompts=8, **more):
    plain = Samples.from_rows(
        [*rows("cool", "aaabbb", say=say, prompts=prompts),
         *rows("hot", "aabbcc", say=say, prompts=prompts)]
    )  # fmt: skip
    wide = Samples.from_rows(rows("wide", "abcdef", say=say, prompts=prompts))
    arms = Arms(
        name=more.pop("name", "small < front"),
        methods=[{"name": names[0], "samples": plain}, {"name": names[1], "samples": wide}],
        variety="gini_simpson",
        cost="calls",
        **more,
    )
    return front(arms, resamples=200)


@pytest.fixture(scope="module")
def found():
    return made()


def section(page, name):
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def test_every_setting_stands_on_the_plane_and_leads_to_its_outputs(found):
    page = render_front(found)
    plane = section(page, "plane")
    links = re.findall(r'<a href="#([\w-]+)"', plane)
    assert len(links) == found.points.height == 3
    assert all(f'id="{link}"' in section(page, "settings") for link in links)
    assert 'class="band"' in plane
    assert 'class="c0 faint"' in plane
    assert "<h1>small &lt; front: quality against variety at equal cost</h1>" in page
    for sentence in found.headline:
        words = sentence.split(" [")[0]
        assert words in re.sub(r"</?span[^>]*>", "", page)


def test_the_table_has_every_method_with_its_reading(found):
    methods = section(render_front(found), "methods")
    assert methods.count('<th scope="row"') == 2
    assert "what the others are held against" in methods
    assert "1 of 2" in methods  # equal tuning: the other method has a single setting
    assert "How to read this" in methods
    assert "6 calls" not in methods


def test_outputs_stand_behind_points_and_in_the_browser(found):
    page = render_front(found)
    settings = section(page, "settings")
    assert settings.count('class="fold"') == 1 + found.points.height
    assert "question 1?" in settings
    assert "a 0" in settings
    assert '<script type="application/json" id="data">' in section(page, "read")
    for name in ("read", "careful", "made"):
        assert section(page, name)


def test_what_could_not_be_compared_is_listed_with_the_reason():
    samples = Samples.from_rows([*rows("plain", "ab"), *rows("one", "a")])
    result = front(samples, variety="gini_simpson", cost="calls", budget=2, resamples=50)
    methods = section(render_front(result), "methods")
    assert "Not compared" in methods
    assert "fewer than 2 outputs" in methods


def test_the_screen_says_the_same(found):
    out = io.StringIO()
    Console(file=out, width=160).print(front_terminal(found, page="runs/front.html"))
    said = out.getvalue()
    assert "Page: runs/front.html" in said
    assert "beyond" in said or "cannot be told" in said or "dominates" in said
    assert found.headline[0][:60] in said


@pytest.mark.fault(30)
def test_fault_30_names_and_outputs_of_a_front_are_only_text(nasty):
    turn = itertools.cycle(nasty)
    result = made(
        say=lambda: next(turn), names=("<img src=x onerror=alert(1)>", "\x1b[2J‮wide"), name=nasty[0]
    )
    page = render_front(result)
    assert "<img" not in page
    assert "onerror=alert(1)&gt;" in page
    assert "\x1b" not in page
    assert "‮" not in page
    out = io.StringIO()
    Console(file=out, width=120).print(front_terminal(result))
    assert "\x1b[2J" not in out.getvalue()


@pytest.fixture
def opened(tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))

        def open_page(result, **settings):
            path = tmp_path / "front.html"
            path.write_text(render_front(result), encoding="utf-8")
            page = browser.new_context(**settings).new_page()
            page.trouble = []
            page.on("dialog", lambda d: (page.trouble.append(d.message), d.dismiss()))
            page.on("console", lambda m: page.trouble.append(m.text))
            page.on("pageerror", lambda e: page.trouble.append(str(e)))
            page.on("request", lambda r: r.url == path.as_uri() or page.trouble.append(r.url))
            page.goto(path.as_uri())
            return page

        yield open_page
        browser.close()


browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.mark.browser
@browser
def test_a_point_opens_its_outputs_and_keys_lead_through_the_prompts(opened, found):
    page = opened(found)
    behind = page.locator("#settings details.fold")
    assert not behind.last.locator("table").is_visible()
    page.locator("#plane svg a").last.click()
    anchor = page.url.partition("#")[2]
    assert page.locator(f"#{anchor} table").is_visible()
    page.keyboard.press("j")
    assert page.locator("#place").inner_text() == "2 of 8"
    assert page.locator("#cells pre").count() > 0
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]
    assert page.trouble == []


@pytest.mark.browser
@browser
@pytest.mark.fault(30)
def test_fault_30_a_hostile_front_opens_in_silence(opened, nasty):
    turn = itertools.cycle(nasty)
    page = opened(made(say=lambda: next(turn), names=(nasty[1] or "a", "wide"), name=nasty[0]))
    for summary in page.locator("#settings details.fold > summary").all():
        summary.click()
    page.keyboard.press("j")
    assert page.locator("#settings pre").count() > 0
    assert page.locator("#settings img, #settings script, #browser img").count() == 0
    assert page.trouble == []


@pytest.mark.browser
@browser
def test_without_scripts_the_front_is_whole(opened, found):
    page = opened(found, java_script_enabled=False)
    assert page.locator("#plane svg").count() == 1
    assert page.locator("#methods tbody tr").count() >= 2
    assert page.locator("#read details.fold").count() == 8
    assert page.trouble == []
