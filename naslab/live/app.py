"""The application: which address gives what. Studies are named by their numbers, files by a fixed list."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from naslab.arch.diagram import diagram
from naslab.bench.study_groups import StudyGroup, compare_groups
from naslab.errors import NaslabError, StudyError
from naslab.figures.diagram import SCRIPTS, STYLES, diagram_body
from naslab.figures.markup import Markup, element, join
from naslab.figures.page import figure_block, plotly_script, shipped
from naslab.figures.study_comparison import (
    candidates_figure,
    curve_words,
    fronts_figure,
    reference_words,
    seconds_figure,
)
from naslab.ledger.ledger import Ledger
from naslab.ledger.news import StudyLine, read_candidates, study_lines, study_name
from naslab.live.guard import Guard
from naslab.live.sections import (
    believed_blocks,
    candidate_rows,
    core_blocks,
    later_blocks,
    now_block,
    study_row,
    told_since,
    trial_block,
)
from naslab.live.watch import StudyReplacedError, StudyWatch
from naslab.passwords import without_passwords

EVENT_SECONDS = 0.5
"""How often a page that is open is told what is new."""
MOST_COMPARED = 8
MOST_DIGITS = 20
"""A version of more digits is none."""
MOST_KEY = 2**31 - 1
"""The largest number of a study or a trial in PostgreSQL."""


class Studies:
    """The studies of `ledger` that pages have asked for, each followed once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._lock = threading.Lock()
        self._watches: dict[int, StudyWatch] = {}
        self._listed: dict[int, tuple[StudyLine, StudyWatch]] = {}

    def watch(self, study_id: int) -> StudyWatch:
        """The study with that key as it is now; `StudyError` where there is none."""
        require_keys(study_id)
        try:
            return self._polled(study_id)
        except StudyReplacedError:
            return self._polled(study_id)

    def _polled(self, study_id: int) -> StudyWatch:
        """The study as far as it was read, and what is new; one that is gone or replaced is followed no longer."""
        with self._lock:
            if study_id not in self._watches:
                self._watches[study_id] = StudyWatch(self.ledger, study_id)
            found = self._watches[study_id]
        try:
            found.poll(waits=not found.num_read)
        except StudyError:
            with self._lock:
                if self._watches.get(study_id) is found:
                    del self._watches[study_id]
            raise
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The list of studies; one that cannot be read says why. Only those whose line is another one are asked."""
        found = []
        for line in study_lines(self.ledger):
            try:
                before, watch = self._listed.get(line.study_id, (None, None))
                if watch is None or before != line or self._watches.get(line.study_id) is not watch:
                    watch = self.watch(line.study_id)
                    read = (watch.record.name, watch.record.trials, watch.num_read, watch.driver, watch.last_run)
                    if read == (line.name, line.trials, line.num_outcomes, line.driver, line.last_run):
                        self._listed[line.study_id] = (line, watch)
                found.append(study_row(line, watch))
            except NaslabError as error:
                found.append({"id": line.study_id, "name": line.name, "state": "unreadable", "failures": str(error)})
        return found


def require_keys(*numbers: int) -> None:
    """Raise `StudyError` for a number that no row of a database can have."""
    if max(numbers) > MOST_KEY:
        raise StudyError("there is no study or trial of that number")


def make_app(
    ledger: Ledger,
    hosts: Iterable[str],
    token: str = "",
    ends: Callable[[], bool] = lambda: False,
    everywhere: bool = False,
) -> Guard:
    """The page over `ledger`, for requests to the `hosts` alone, and with the `token` where there is one.

    Pages that are open are told of nothing more once the server `ends`. One that listens `everywhere` also goes by the
    address that a request came in on.
    """
    pages = Pages(ledger, ends)
    routes = [
        Route("/", pages.home),
        Route("/compare", pages.compare),
        Route("/study/{study:int}", pages.study),
        Route("/study/{study:int}/trial/{trial:int}/diagram", pages.drawing),
        Route("/static/{name}", pages.file),
        Route("/api/studies", pages.study_list),
        Route("/api/events", pages.list_events),
        Route("/api/compare", pages.comparison),
        Route("/api/study/{study:int}/core", pages.core),
        Route("/api/study/{study:int}/later", pages.later),
        Route("/api/study/{study:int}/believed", pages.believed),
        Route("/api/study/{study:int}/candidates", pages.candidates),
        Route("/api/study/{study:int}/events", pages.study_events),
        Route("/api/study/{study:int}/trial/{trial:int}", pages.trial),
    ]
    return Guard(Starlette(routes=routes), hosts, token, everywhere)


class Pages:
    """What each address answers, from `ledger`; pages that are open are told no more once the server `ends`."""

    def __init__(self, ledger: Ledger, ends: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._ends = ends
        self._studies = Studies(ledger)
        self._files = _files()
        self._place = str(ledger.location)

    async def home(self, _: Request) -> Response:
        """The list of studies, which the page asks for."""
        listed = element("main", attributes={"id": "studies", "data-ledger": self._place})
        return HTMLResponse(_page("naslab", listed))

    async def study(self, request: Request) -> Response:
        """The page of one study, which says its name at once and asks for its sections."""
        key = request.path_params["study"]
        name = await run_in_threadpool(self._name, key)
        opening = element(
            "div", element("h1", name), element("p", "Reading the study ..."), attributes={"id": "opening"}
        )
        return HTMLResponse(
            _page("naslab", element("main", opening, attributes={"id": "study", "data-study": str(key)}))
        )

    def _name(self, key: int) -> str:
        """The name of a study; `naslab` where there is none, which the page tells in words."""
        try:
            require_keys(key)
            return without_passwords(study_name(self._ledger, key) or "naslab")
        except NaslabError:
            return "naslab"

    async def compare(self, request: Request) -> Response:
        """The page of several studies side by side."""
        keys = request.query_params.get("studies", "")
        body = element("main", attributes={"id": "compare", "data-studies": keys})
        return HTMLResponse(_page("naslab: studies compared", body))

    async def file(self, request: Request) -> Response:
        """A style or a script of the pages."""
        name = request.path_params["name"]
        if name not in self._files:
            return PlainTextResponse("there is no such file", 404)
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        age = {"Cache-Control": "private, max-age=3600" if name == "plotly.js" else "no-cache"}
        return Response(self._files[name](), media_type=kind, headers=age)

    async def study_list(self, _: Request) -> Response:
        """The rows of the list of studies."""
        return await _answered(lambda: JSONResponse({"ledger": self._place, "studies": self._studies.rows()}))

    async def core(self, request: Request) -> Response:
        """The sections of a study that are quick to make, as far as they changed since a version that the page has."""
        given = request.query_params.get("since", "")
        since = int(given) if given.isascii() and given.isdecimal() and len(given) < MOST_DIGITS else 0

        def build(watch: StudyWatch) -> dict[str, Any]:
            return {"sections": told_since(watch, core_blocks(watch, self._place), since)}

        return await self._part(request, build)

    async def later(self, request: Request) -> Response:
        """Its other sections."""
        return await self._part(request, lambda watch: {"sections": later_blocks(watch)})

    async def believed(self, request: Request) -> Response:
        """What its surrogate believes of candidates it has not tried."""
        key = request.path_params["study"]
        return await _answered(lambda: _json({"sections": believed_blocks(self._studies.watch(key))}))

    async def candidates(self, request: Request) -> Response:
        """The rows of its table of candidates."""
        return await self._part(request, candidate_rows)

    async def _part(self, request: Request, build: Callable[[StudyWatch], dict[str, Any]]) -> Response:
        """What `build` makes of the study that is asked for, with the version of what was read."""

        def work() -> Response:
            watch = self._studies.watch(request.path_params["study"])
            with watch.lock:
                return _json({"version": watch.version, **build(watch)})

        return await _answered(work)

    async def trial(self, request: Request) -> Response:
        """One candidate of a study: its numbers, curve and lineage."""

        def work() -> Response:
            require_keys(request.path_params["trial"])
            watch = self._studies.watch(request.path_params["study"])
            found = trial_block(watch, self._ledger, request.path_params["trial"])
            return PlainTextResponse("there is no such trial", 404) if found is None else HTMLResponse(found)

        return await _answered(work)

    async def drawing(self, request: Request) -> Response:
        """The diagram of a candidate's network."""
        key, number = request.path_params["study"], request.path_params["trial"]

        def work() -> Response:
            require_keys(key, number)
            found = read_candidates(self._ledger, key, [number]).get(number)
            if found is None:
                return PlainTextResponse("there is no such trial", 404)
            title = f"{self._studies.watch(key).record.name}: trial {number}"
            return HTMLResponse(_document(title, diagram_body(diagram(found.arch), title), STYLES, SCRIPTS))

        return await _answered(work)

    async def comparison(self, request: Request) -> Response:
        """The figures of studies that are compared."""
        asked = request.query_params.get("studies", "").split(",")
        keys = list(dict.fromkeys(int(each) for each in asked if each.isascii() and each.isdecimal()))[:MOST_COMPARED]

        def work() -> Response:
            watches = [self._studies.watch(key) for key in keys]
            for each in watches:
                each.poll_whole()
            views = [each.view() for each in watches]
            if len(views) < 2:
                raise StudyError("two or more studies are compared: choose them in the list")
            found = compare_groups([StudyGroup(view.record.name, (view,)) for view in views])
            drawn = (fronts_figure(found), candidates_figure(found), seconds_figure(found))
            names = ("fronts", "candidates", "seconds")
            notes = [element("p", f"Note: {each}.", attributes={"class": "note"}) for each in found.notes]
            words = (reference_words(found), curve_words(found), curve_words(found))
            blocks = [
                figure_block(each, name, told, height=500, level="h2")
                for each, name, told in zip(drawn, names, words, strict=True)
            ]
            title = element("h1", " against ".join(view.record.name for view in views))
            return _json({"html": join([title, *notes, *blocks])})

        return await _answered(work)

    async def list_events(self, request: Request) -> Response:
        """What is new in the list of studies, as it comes."""
        return _stream(request, lambda: {"studies": self._studies.rows()}, self._ends)

    async def study_events(self, request: Request) -> Response:
        """What is new in a study, as it comes."""
        key = request.path_params["study"]

        def news() -> dict[str, Any]:
            watch = self._studies.watch(key)
            with watch.lock:
                return {"version": watch.version, "state": watch.state, "now": now_block(watch, self._ledger)}

        return _stream(request, news, self._ends)


async def _answered(work: Callable[[], Response]) -> Response:
    """What `work` gives, in a thread of its own; its errors in words."""
    try:
        return await run_in_threadpool(work)
    except StudyError as error:
        return PlainTextResponse(without_passwords(str(error)), 404)
    except NaslabError as error:
        return PlainTextResponse(without_passwords(str(error)), 500)


def _stream(request: Request, news: Callable[[], dict[str, Any]], ends: Callable[[], bool]) -> Response:
    """Server-sent events: what `news` gives, whenever it is something else than before, until the server `ends`."""

    async def events() -> AsyncIterator[str]:
        before = ""
        while not ends() and not await request.is_disconnected():
            try:
                now = json.dumps(await run_in_threadpool(news))
            except NaslabError as error:
                now = json.dumps({"error": without_passwords(str(error))})
            yield f"data: {now}\n\n" if now != before else ": nothing new\n\n"
            before = now
            await asyncio.sleep(EVENT_SECONDS)

    return StreamingResponse(events(), media_type="text/event-stream")


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False, allow_nan=False), media_type="application/json")


def _files() -> dict[str, Callable[[], str]]:
    """The files that pages load, by name; nothing else is served."""
    static = resources.files("naslab.live") / "static"

    def own(name: str) -> Callable[[], str]:
        return lambda: (static / name).read_text(encoding="utf-8")

    def of_reports(name: str) -> Callable[[], str]:
        return lambda: shipped(name)

    made = {name: own(name) for name in ("live.js", "live.css", "parallel.js")}
    made |= {name: of_reports(name) for name in ("page.css", "page.js", "candidates.js", *STYLES, *SCRIPTS)}
    return {**made, "plotly.js": plotly_script}


def _page(title: str, body: Markup) -> str:
    scripts = ("plotly.js", "page.js", "candidates.js", "parallel.js", "live.js")
    return _document(title, body, ("page.css", "live.css"), scripts)


def _document(title: str, body: Markup, styles: Iterable[str], scripts: Iterable[str]) -> str:
    """A page whose styles and scripts are files of this server: none stands in its text."""
    head = join(
        [
            element("meta", attributes={"charset": "utf-8"}),
            element("meta", attributes={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
            element("link", attributes={"rel": "icon", "href": "data:,"}),
            element("title", title),
            *(element("link", attributes={"rel": "stylesheet", "href": f"/static/{name}"}) for name in styles),
            *(element("script", attributes={"src": f"/static/{name}", "defer": ""}) for name in scripts),
        ]
    )
    whole = element("html", element("head", head), element("body", body), attributes={"lang": "en"})
    return f"<!DOCTYPE html>\n{whole}\n"
