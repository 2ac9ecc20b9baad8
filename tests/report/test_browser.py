"""The page in a real Chromium: silent about hostile text, whole without scripts, led by keys."""

from __future__ import annotations

import shutil

import pytest

from variegate.report import render

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update")  # fmt: skip
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

# Every text that is seen, with its colour and that of the paper, as relative luminances.
CONTRASTS = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.documentElement).backgroundColor);
  const found = [];
  for (const node of document.querySelectorAll("main *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.checkVisibility() || /^(title|script)$/i.test(node.tagName)) continue;
    const style = getComputedStyle(node);
    const ink = light(node.closest("svg") ? style.fill : style.color);
    const [low, high] = [ink, paper].sort((a, b) => a - b);
    found.push([(high + 0.05) / (low + 0.05), node.tagName + "." + node.getAttribute("class")]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, tmp_path):
    """Open a page from disk; what it said, asked for or tried is kept in `page.trouble`."""
    contexts = []

    def open_page(trace, **settings):
        path = tmp_path / "report.html"
        path.write_text(render(trace), encoding="utf-8")
        contexts.append(context := chromium.new_context(**settings))
        page = context.new_page()
        page.trouble = []
        page.on("dialog", lambda d: (page.trouble.append(f"dialog: {d.message}"), d.dismiss()))
        page.on("console", lambda m: page.trouble.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: page.trouble.append(f"error: {e}"))
        page.on("request", lambda r: r.url == path.as_uri() or page.trouble.append(r.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.fault(30)
def test_fault_30_a_page_full_of_payloads_opens_in_silence(opened, hostile, nasty):
    trace = hostile(name=nasty[0], headline=nasty, settings={"command": nasty[2]})
    page = opened(trace)
    for _ in range(8):
        page.keyboard.press("j")
    for summary in page.locator("#cells summary").all():
        summary.click()
    assert page.locator("#cells pre").count() > 0
    assert page.locator("#browser img, #browser script, #browser svg, #browser a").count() == 0
    said = set(page.locator("#cells pre").all_text_contents())
    assert said & set(nasty)
    assert page.trouble == []


@pytest.mark.fault(30)
def test_fault_30_the_same_without_scripts(opened, hostile):
    page = opened(hostile(prompts=2), java_script_enabled=False)
    assert page.locator("#read details.fold").count() == 10
    assert page.locator("#read img, #read svg, #read script[src]").count() == 0
    assert page.trouble == []


def test_without_scripts_everything_is_there(opened, trace_of):
    page = opened(trace_of(prompts=2), java_script_enabled=False)
    assert page.locator("svg").count() > 25
    assert page.locator("#stages tbody tr").count() >= 7
    assert not page.locator("#browser").is_visible()
    fold = page.locator("#read details.fold").first
    assert not fold.locator("table").is_visible()
    fold.locator("summary").first.click()
    assert fold.locator("table").is_visible()
    assert "right" in fold.inner_text()


def test_keys_and_choices_lead_through_the_prompts(opened, trace_of):
    page = opened(trace_of(prompts=3))
    asked, place = page.locator("#asked"), page.locator("#place")
    first = asked.inner_text()
    page.keyboard.press("j")
    assert asked.inner_text() != first
    assert place.inner_text() == "2 of 15"
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert asked.inner_text() == first
    assert page.locator("#previous").is_disabled()
    page.locator("#task").select_option("stories")
    assert place.inner_text() == "10 of 15"
    assert asked.inner_text().startswith("stories")
    page.locator("#prompt").select_option(index=2)
    assert place.inner_text() == "12 of 15"
    page.locator("#next").click()
    assert page.locator("#task").input_value() == "opinions"
    assert page.locator("#heads th").all_inner_texts()[0] == "base"
    assert page.trouble == []


def test_reasoning_lies_behind_a_fold(opened, trace_of):
    page = opened(trace_of(prompts=1))
    reasoning = page.get_by_text("First I look at").first
    assert not reasoning.is_visible()
    page.locator("#cells summary", has_text="reasoning").first.click()
    assert reasoning.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_in_dark(opened, trace_of, scheme):
    page = opened(trace_of(prompts=1), color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == {"light": "rgb(252, 252, 250)", "dark": "rgb(20, 22, 26)"}[scheme]
    found = page.evaluate(CONTRASTS)
    assert len(found) > 300
    assert min(found)[0] >= 4.5, min(found)


@pytest.mark.parametrize("width", [1280, 420])
def test_only_boxes_scroll_sideways_and_never_the_page(opened, trace_of, width):
    page = opened(trace_of(prompts=1), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('main').offsetWidth") <= 1100


def test_a_metric_name_opens_to_its_sentence(opened, trace_of):
    page = opened(trace_of(prompts=1))
    term = page.locator("#lineage .term").first
    assert not term.locator(".says").is_visible()
    term.locator("summary").click()
    assert "The chance that two draws give different answers" in term.locator(".says").inner_text()
    assert term.locator("a").get_attribute("href") == "https://doi.org/10.1038/163688a0"


def test_no_label_lies_on_another_in_the_charts_of_levels(opened, trace_of):
    page = opened(trace_of(prompts=1), viewport={"width": 1280, "height": 800})
    overlapping = page.evaluate("""() => {
      const bad = [];
      const charts = "#lineage > .scroll svg, .five svg, #positions svg";
      for (const svg of document.querySelectorAll(charts)) {
        const boxes = [...svg.querySelectorAll("text")].filter((t) => t.checkVisibility())
          .map((t) => [t.textContent, t.getBoundingClientRect()]);
        boxes.forEach(([one, a], i) => boxes.slice(0, i).forEach(([two, b]) => {
          const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          if (wide > 1 && tall > 4) bad.push(one + " / " + two);
        }));
      }
      return bad;
    }""")
    assert overlapping == []


def test_the_long_table_can_be_saved(opened, trace_of):
    page = opened(trace_of(prompts=1))
    with page.expect_download() as download:
        page.get_by_text("The long table as CSV").click()
    assert download.value.suggested_filename == "variegate-levels.csv"
    assert page.trouble == []
