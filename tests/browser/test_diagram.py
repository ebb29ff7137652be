"""The diagram of a network in a real browser: offline, opened by clicks and keys, zoomed by the wheel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from browser_visit import Visit

from naslab.arch.diagram import diagram
from naslab.figures.diagram import write_diagram
from naslab.zoo import model

OVERLAPS = """[...document.querySelectorAll('.world, .box.open')].flatMap(group => {
  const groupOf = each => each.parentElement.closest('.box, .world');
  const boxes = [...group.querySelectorAll('.box')].filter(each => groupOf(each) === group);
  const frames = boxes.map(each => [each.dataset.path, each.querySelector('.frame').getBoundingClientRect()]);
  return frames.flatMap(([one, a], index) => frames.slice(index + 1)
    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([two]) => `${one} over ${two}`));
})"""

OUTSIDE = """[...document.querySelectorAll('.box .box')].filter(each => {
  const inner = each.querySelector('.frame').getBoundingClientRect();
  const outer = each.parentElement.closest('.box').querySelector('.frame').getBoundingClientRect();
  return inner.left < outer.left || inner.right > outer.right || inner.top < outer.top || inner.bottom > outer.bottom;
}).map(each => each.dataset.path)"""

LONG_TEXT = """[...document.querySelectorAll('.box')].filter(each => {
  const room = each.querySelector('.frame').getBBox().width;
  return [...each.children].filter(child => child.tagName === 'text')
    .some(text => text.getBBox().x + text.getBBox().width > room);
}).map(each => each.dataset.path)"""


FINGERS = """() => {
  window.fingers = { first: new Map(), last: new Map() };
  const canvas = document.getElementById('canvas');
  const note = (event) => {
    const at = [event.clientX, event.clientY];
    if (!window.fingers.first.has(event.pointerId)) window.fingers.first.set(event.pointerId, at);
    window.fingers.last.set(event.pointerId, at);
  };
  for (const name of ['pointerdown', 'pointermove']) canvas.addEventListener(name, note);
}"""


def opened(browser: Any, folder: Path, name: str, width: int = 1300) -> Visit:
    write_diagram(diagram(model(name)), name, folder / f"{name}.html")
    return Visit(browser, folder / f"{name}.html", width)


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    visit = opened(browser, tmp_path, "efficientnet_b0")
    yield visit
    assert visit.messages == []
    visit.context.close()


def paths(visit: Visit) -> list[str]:
    shown = visit.page.evaluate("[...document.querySelectorAll('.box')].map(each => each.dataset.path)")
    assert isinstance(shown, list)
    return shown


def focused(visit: Visit) -> str:
    return str(visit.page.evaluate("document.activeElement.dataset.path"))


def scale(visit: Visit) -> float:
    return float(visit.page.evaluate("new DOMMatrix(getComputedStyle(document.querySelector('.world')).transform).a"))


def place(visit: Visit, path: str) -> tuple[float, float]:
    """Where the head of a box is on the screen."""
    box = visit.page.evaluate(
        """path => {
          const frame = document.querySelector(`.box[data-path="${path}"] > .frame`).getBoundingClientRect();
          return [frame.x + 12, frame.y + 8];
        }""",
        path,
    )
    return float(box[0]), float(box[1])


def test_it_opens_offline_with_the_stages_closed(visit: Visit, tmp_path: Path) -> None:
    assert paths(visit) == ["input", "stem0", *(f"stage{index}" for index in range(7)), "head", "output"]
    own = (tmp_path / "efficientnet_b0.html").resolve().as_uri()
    assert [url for url in visit.requests if not url.startswith("data:")] == [own]
    assert visit.page.text_content(".lead") == (
        "Input 3 × 224 × 224, 1000 classes, 5,288,548 params, 385,814,752 macs (multiply-accumulates)"
    )
    assert visit.overflow() == 0
    assert visit.page.locator(".box[data-path=stage1] .figures").text_content() == (
        "24 × 56 × 56   16.7 k params   54.9 M macs"
    )


def test_clicks_open_and_close_blocks_down_to_layers(visit: Visit) -> None:
    visit.page.mouse.click(*place(visit, "stage1"))
    assert {"stage1.0", "stage1.1"} <= set(paths(visit))
    visit.page.mouse.click(*place(visit, "stage1.1"))
    visit.page.mouse.click(*place(visit, "stage1.1.body.depthwise"))
    assert "stage1.1.body.depthwise.conv" in paths(visit)
    assert visit.page.locator(".arrow.shortcut").count() == 1
    assert visit.page.locator("#details h2").text_content() == "stage1.1.body.depthwise"
    visit.page.mouse.click(*place(visit, "stage1"))
    assert len(paths(visit)) == 11


def test_the_wheel_zooms_at_the_pointer_and_fit_shows_all(visit: Visit) -> None:
    before = scale(visit)
    x, y = place(visit, "stage3")
    visit.page.mouse.move(x, y)
    visit.page.mouse.wheel(0, -400)
    visit.page.wait_for_function(
        "before => new DOMMatrix(getComputedStyle(document.querySelector('.world')).transform).a > before", arg=before
    )
    after = scale(visit)
    assert after > 1.5 * before
    assert place(visit, "stage3")[0] - 12 == pytest.approx(x - 12 * after / before, abs=1)
    visit.page.click("button[data-do=fit]")
    assert scale(visit) == pytest.approx(before, rel=0.01)
    frames = visit.page.evaluate(
        """[...document.querySelectorAll('.box')].every(each => {
          const [box, all] = [each, document.getElementById('canvas')].map(it => it.getBoundingClientRect());
          return box.top >= all.top && box.bottom <= all.bottom && box.left >= all.left && box.right <= all.right;
        })"""
    )
    assert frames


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_two_fingers_zoom_at_their_places_and_open_nothing(visit: Visit, factor: float) -> None:
    before, (x, y) = scale(visit), place(visit, "stage3")
    visit.page.evaluate(FINGERS)
    pinch = {"x": x, "y": y, "scaleFactor": factor, "relativeSpeed": 1600, "gestureSourceType": "touch"}
    visit.context.new_cdp_session(visit.page).send("Input.synthesizePinchGesture", pinch)
    first, last = (visit.page.evaluate(f"[...window.fingers.{when}.values()]") for when in ("first", "last"))
    assert (len(first), len(last)) == (2, 2)
    spread = math.dist(*last) / math.dist(*first)
    assert (spread > 1) is (factor > 1)
    after = scale(visit)
    assert after / before == pytest.approx(spread, rel=1e-3)
    middle = [(one + two) / 2 for one, two in zip(*last, strict=True)]
    begun = [(one + two) / 2 for one, two in zip(*first, strict=True)]
    moved = [now + (at - was) * spread for at, was, now in zip((x, y), begun, middle, strict=True)]
    frame = place(visit, "stage3")
    assert (frame[0] - 12 + 12 * spread, frame[1] - 8 + 8 * spread) == pytest.approx(moved, abs=1.5)
    assert visit.page.evaluate("visualViewport.scale") == 1
    assert len(paths(visit)) == 11


def test_dragging_pans_and_opens_nothing(visit: Visit) -> None:
    x, y = place(visit, "stage3")
    visit.page.mouse.move(x, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x + 60, y + 40, steps=4)
    visit.page.mouse.up()
    moved = place(visit, "stage3")
    assert (moved[0] - x, moved[1] - y) == pytest.approx((60, 40), abs=1)
    assert len(paths(visit)) == 11


def test_the_keyboard_walks_opens_and_zooms(visit: Visit) -> None:
    visit.page.locator(".box[data-path=input]").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        visit.page.keyboard.press(key)
    assert focused(visit) == "stage1"
    visit.page.keyboard.press("Enter")
    assert "stage1.0" in paths(visit)
    assert visit.page.locator(".box[data-path=stage1]").get_attribute("aria-expanded") == "true"
    assert focused(visit) == "stage1"
    visit.page.keyboard.press("ArrowRight")
    assert focused(visit) == "stage1.0"
    visit.page.keyboard.press("ArrowLeft")
    visit.page.keyboard.press("ArrowLeft")
    assert "stage1.0" not in paths(visit)
    before = scale(visit)
    visit.page.keyboard.press("+")
    assert scale(visit) == pytest.approx(1.25 * before)
    visit.page.keyboard.press("0")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.getElementById('canvas').contains(document.activeElement)") is False


def test_auxiliary_heads_stand_beside_the_network_and_are_not_counted(browser: Any, tmp_path: Path) -> None:
    write_diagram(diagram(model("googlenet"), auxiliary=True), "googlenet", tmp_path / "heads.html")
    visit = Visit(browser, tmp_path / "heads.html", 1300)
    heads = ["auxiliary.stage3", "auxiliary.stage6"]
    assert [path for path in paths(visit) if path.startswith("auxiliary")] == heads
    assert visit.page.locator(".box.auxiliary").count() == 2
    assert visit.page.text_content(".lead") == (
        "Input 3 × 224 × 224, 1000 classes, 6,998,552 params, 1,582,671,872 macs (multiply-accumulates); "
        "auxiliary heads, which are there in training only, come on top"
    )
    visit.page.mouse.click(*place(visit, "auxiliary.stage3"))
    assert "auxiliary.stage3.head" in paths(visit)
    words = visit.page.locator("#details").inner_text().split("\n")
    assert {"auxiliary head in training, its loss counts 0.3", "4,169,728 (in training only)"} <= set(words)
    trunk = visit.page.evaluate(
        """['stage0', 'stage6', 'head'].map(path => {
          const frame = document.querySelector(`.box[data-path="${path}"] > .frame`).getBoundingClientRect();
          return frame.x + frame.width / 2;
        })"""
    )
    assert trunk == pytest.approx([trunk[0]] * 3, abs=1)
    assert visit.messages == []
    visit.context.close()


def test_hovering_shows_details(visit: Visit) -> None:
    visit.page.mouse.move(*place(visit, "head"))
    words = visit.page.locator("#details").inner_text().split("\n")
    assert words[0] == "head"
    assert {"320 × 7 × 7", "1000 × 1 × 1", "1,693,160"} <= set(words)


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "densenet121", "nasnet_a_mobile", "fractalnet20", "lenet5"])
def test_boxes_stay_in_their_groups_and_apart(browser: Any, tmp_path: Path, name: str) -> None:
    visit = opened(browser, tmp_path, name)
    for _ in range(3):
        assert visit.page.evaluate(OVERLAPS) == []
        assert visit.page.evaluate(OUTSIDE) == []
        assert visit.page.evaluate(LONG_TEXT) == []
        visit.page.click("button[data-do=open]")
    visit.page.click("button[data-do=close]")
    assert not any("." in path and " " not in path for path in paths(visit) if path.startswith("stage0."))
    assert visit.messages == []
    visit.context.close()


def test_it_fits_a_phone(browser: Any, tmp_path: Path) -> None:
    visit = opened(browser, tmp_path, "resnet50", width=360)
    assert visit.overflow() == 0
    assert visit.page.locator("#canvas").bounding_box()["height"] > 350
    visit.context.close()


def test_a_hostile_name_runs_nothing(browser: Any, tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    drawn = diagram(model("lenet5"))
    boxes = tuple(msgspec.structs.replace(box, words=hostile) for box in drawn.boxes)
    write_diagram(msgspec.structs.replace(drawn, boxes=boxes), hostile, tmp_path / "hostile.html")
    visit = Visit(browser, tmp_path / "hostile.html", 1000)
    assert visit.page.text_content("h1") == hostile
    assert visit.page.title() == hostile
    assert visit.page.locator("img").count() == 0
    assert visit.messages == []
    visit.context.close()
