"""The report and single figures in a real browser: offline, without errors, on wide and narrow screens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import synthetic_study as synthetic
from browser_visit import Visit

from naslab.analysis.choice import choices_of
from naslab.analysis.front import front
from naslab.analysis.reference import reference_point
from naslab.analysis.zoo import zoo_table
from naslab.figures import front_figure, write_figure, write_report, zoo_figure

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(synthetic.study(), path, "naslab.db")
    return path


@pytest.fixture(scope="module")
def wide(browser: Browser, report: Path) -> Iterator[Visit]:
    visit = Visit(browser, report, 1400)
    yield visit
    visit.context.close()


@pytest.fixture(scope="module")
def narrow(browser: Browser, report: Path) -> Iterator[Visit]:
    visit = Visit(browser, report, 360, 740)
    yield visit
    visit.context.close()


def test_the_report_opens_offline_and_says_nothing_to_the_console(wide: Visit, report: Path) -> None:
    assert wide.messages == []
    assert [url for url in wide.requests if not url.startswith(("data:", "blob:"))] == [report.resolve().as_uri()]


def test_every_figure_is_drawn(wide: Visit) -> None:
    drawn = wide.page.evaluate("[...document.querySelectorAll('.plot')].map(each => [each.id, each.data.length])")
    assert drawn == [
        ["front-figure", 6],
        ["progress-candidates", 2],
        ["progress-time", 2],
        ["predicted-figure", 2],
        ["curves-figure", 9],
        ["choices-figure", 2],
        ["importance-figure", 1],
        ["family-figure", 1],
    ]


def test_what_is_far_from_the_screen_is_drawn_when_it_comes_near(browser: Browser, report: Path) -> None:
    visit = Visit(browser, report, 1400, draws_all=False)
    drawn = "[...document.querySelectorAll('.plot')].filter(each => each.data).map(each => each.id)"
    first = visit.page.evaluate(drawn)
    assert first[0] == "front-figure"
    assert "family-figure" not in first
    assert visit.page.locator(".take-away").count() == visit.page.locator(".plot").count()
    visit.page.evaluate("document.getElementById('family-figure').scrollIntoView()")
    visit.page.wait_for_selector("#family-figure .main-svg")
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(visit.page.evaluate(drawn)) == visit.page.locator(".plot").count()
    assert visit.messages == []
    visit.context.close()


def test_no_button_offers_to_send_data_elsewhere(wide: Visit) -> None:
    titles = wide.page.evaluate(
        "[...new Set([...document.querySelectorAll('.modebar-btn')].map(each => each.dataset.title))]"
    )
    assert titles == ["Download plot as a PNG", "Zoom", "Pan", "Reset axes"]


def test_the_front_has_its_points(wide: Visit) -> None:
    view = synthetic.study()
    table = front(view.outcomes, view.problem.objectives, reference_point(view.problem))
    counts = wide.page.evaluate(
        """[...document.querySelectorAll('#front-figure .scatterlayer .trace')]
          .map(trace => trace.querySelectorAll('.point').length)"""
    )
    choices = choices_of(table, view.problem.limits)
    assert choices is not None
    beside = [len(choices.alike), len(view.family), len(view.baselines), len({each.trial for each in choices.takes})]
    assert counts == [len(table.dominated), len(table.front), *beside]


def test_hovering_a_point_shows_its_architecture(wide: Visit) -> None:
    place = wide.page.evaluate(
        """() => {
          const plot = document.getElementById('front-figure');
          plot.scrollIntoView({block: 'center'});
          const point = plot.querySelectorAll('.scatterlayer .trace')[1].querySelectorAll('.point')[0];
          const box = point.getBoundingClientRect();
          return {x: box.x + box.width / 2, y: box.y + box.height / 2};
        }"""
    )
    wide.page.mouse.move(place["x"], place["y"])
    wide.page.wait_for_selector("#front-figure .hoverlayer .hovertext")
    words = wide.page.text_content("#front-figure .hoverlayer .hovertext")
    assert words is not None
    assert "trial 44" in words
    assert "depthwise_separable" in words
    assert "181,088 macs" in words


def test_a_command_can_be_copied_with_the_keyboard(wide: Visit) -> None:
    button = wide.page.locator("#front button.copy").first
    wide.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button.evaluate(
        """button => {
          window.said = new Promise(resolve => new MutationObserver(
            () => button.textContent === 'Copied' && resolve()
          ).observe(button, {childList: true}));
        }"""
    )
    button.focus()
    wide.page.keyboard.press("Enter")
    wide.page.evaluate("window.said")  # it says so for a moment
    assert (
        wide.page.evaluate("navigator.clipboard.readText()")
        == "naslab train digits-demo:44 --ledger naslab.db --epochs 40"
    )


def test_every_plot_and_table_has_a_name_and_takes_the_focus(wide: Visit) -> None:
    unnamed = wide.page.evaluate(
        """[...document.querySelectorAll('.plot, .scroll')].filter(each => {
          const label = each.getAttribute('aria-label')
            || document.getElementById(each.getAttribute('aria-labelledby'))?.textContent;
          return !label || each.tabIndex !== 0;
        }).length"""
    )
    assert unnamed == 0


@pytest.mark.slow
@pytest.mark.parametrize("screen", ["wide", "narrow"])
def test_the_page_never_scrolls_sideways(screen: str, request: pytest.FixtureRequest) -> None:
    visit: Visit = request.getfixturevalue(screen)
    assert visit.overflow() == 0
    assert visit.messages == []


def test_figures_fit_a_phone(narrow: Visit) -> None:
    widths = narrow.page.evaluate(
        "[...document.querySelectorAll('.plot .main-svg')].map(each => each.getBoundingClientRect().right)"
    )
    assert max(widths) <= 360
    clipped = narrow.page.evaluate(
        """[...document.querySelectorAll('.plot')].flatMap(plot => {
          const frame = plot.getBoundingClientRect();
          return [...plot.querySelectorAll('.xtick text, .ytick text, .g-xtitle text, .g-ytitle text, .legendtext')]
            .filter(each => {
              const box = each.getBoundingClientRect();
              return box.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1);
            })
            .map(each => `${plot.id}: ${each.textContent}`);
        })"""
    )
    assert clipped == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1400])
def test_tick_labels_do_not_print_over_each_other(width: int, request: pytest.FixtureRequest) -> None:
    visit: Visit = request.getfixturevalue("wide" if width == 1400 else "narrow")
    overlaps = visit.page.evaluate(
        """[...document.querySelectorAll('.plot')].flatMap(plot => {
          const ticks = [...plot.querySelectorAll('.xaxislayer-above .xtick text')];
          const boxes = ticks.map(each => each.getBoundingClientRect()).sort((one, two) => one.left - two.left);
          return boxes.slice(1).filter((box, index) => box.left < boxes[index].right + 2)
            .map(box => `${plot.id} at ${box.left}`);
        })"""
    )
    assert overlaps == []


def test_a_hostile_name_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    hostile = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    view = synthetic.study(name=hostile, count=20)
    candidate = msgspec.structs.replace(view.baselines[0].candidate, origin={"zoo": hostile})
    baseline = msgspec.structs.replace(view.baselines[0], candidate=candidate)
    write_report(msgspec.structs.replace(view, baselines=(baseline,)), tmp_path / "report.html", "naslab.db")
    visit = Visit(browser, tmp_path / "report.html", 1000)
    assert visit.page.title() != "taken"
    assert visit.page.text_content("h1") == hostile
    assert visit.page.locator("img").count() == 0
    assert visit.messages == []
    assert visit.overflow() == 0
    visit.context.close()


def test_single_figures_open_offline(browser: Browser, tmp_path: Path) -> None:
    view = synthetic.study()
    table = front(view.outcomes, view.problem.objectives, reference_point(view.problem))
    write_figure(front_figure(table), tmp_path / "front.html")
    write_figure(zoo_figure(zoo_table()), tmp_path / "zoo.html")
    for name, heading in (("front", "Pareto front of accuracy and macs"), ("zoo", "Published accuracy on ImageNet")):
        path = tmp_path / f"{name}.html"
        visit = Visit(browser, path, 360)
        assert (visit.page.text_content("h1") or "").startswith(heading)
        assert visit.messages == []
        assert [url for url in visit.requests if not url.startswith("data:")] == [path.resolve().as_uri()]
        assert visit.overflow() == 0
        visit.context.close()


def test_the_candidates_are_sorted_and_filtered(wide: Visit) -> None:
    table = wide.page.locator("#candidates")
    table.locator("input[type=search]").fill("diverged")
    failed = [each for each in synthetic.study().outcomes if each.estimate.failure is not None]
    diverged = sum(each.estimate.failure.reason == "diverged" for each in failed if each.estimate.failure)
    assert table.locator("tbody tr").count() == diverged > 0
    table.locator("input[type=search]").fill("")
    table.locator("thead button >> text=accuracy").click()
    table.locator("thead button >> text=accuracy").click()
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("accuracy")
    best = max(each.value("accuracy") for each in synthetic.study().outcomes if each.is_complete)
    assert float(table.locator("tbody tr").first.locator("td").nth(1).inner_text()) == pytest.approx(best, abs=0.01)


def test_a_picture_can_be_taken_as_numbers_and_as_vectors(wide: Visit) -> None:
    figure = wide.page.locator("figure:has(#front-figure)")
    with wide.page.expect_download() as taken:
        figure.locator("button[data-save=csv]").click()
    lines = taken.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0] == "series,x,y,error_x,error_y,text"
    points = [line for line in lines if line.startswith("Pareto front,")]
    assert len(points) == 9
    assert not any("; ;" in line for line in lines)  # empty lines of what hovers
    with wide.page.expect_download() as taken:
        figure.locator("button[data-save=svg]").click()
    assert taken.value.suggested_filename == "front-figure.svg"
    assert taken.value.path().read_text(encoding="utf-8").startswith("<svg")
