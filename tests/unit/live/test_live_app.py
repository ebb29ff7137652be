"""The live page's answers: what the report says, nothing but reading, for those alone who may see it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_studies import made_problem, made_study, naslab
from starlette.testclient import TestClient

from naslab.analysis.study import read_study
from naslab.execution.source import make_candidate
from naslab.figures.report import core_sections, later_sections, report_tables, section_block
from naslab.figures.report_sections import headline
from naslab.ledger import Ledger
from naslab.ledger.running import Epoch, Taker
from naslab.live import watch as watching
from naslab.live.app import make_app
from naslab.live.sections import now_block
from naslab.live.watch import StudyWatch
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import EpochRecord, Estimate, Outcome

HOSTILE = "<script>document.title='taken'</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "l.db") as ledger:
        made_study(ledger, "one", trials=12, failing=(2, 5))
        made_study(ledger, HOSTILE, seed=1, trials=6)
    return tmp_path


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with Ledger.watch(folder / "l.db") as ledger:
        yield TestClient(make_app(ledger, ["testserver"]))


def test_a_finished_study_says_what_the_report_says(folder: Path, client: TestClient) -> None:
    with Ledger.open(folder / "l.db") as ledger:
        view = read_study(ledger, "one")
    place = str(folder / "l.db")
    tables = msgspec.structs.replace(report_tables(view), importance=None)
    core = client.get("/api/study/1/core").json()["sections"]
    assert core["headline"] == "".join(headline(view, tables.front, tables.progress, tables.failures))
    assert {name: core[name] for name in ("front", "progress", "failures")} == {
        each.name: section_block(each) for each in core_sections(tables, place)
    }
    later = client.get("/api/study/1/later").json()["sections"]
    believed = client.get("/api/study/1/believed").json()["sections"]
    assert later.pop("workers").count("<tr") <= 2
    assert later | believed == {each.name: section_block(each) for each in later_sections(tables)}


def test_a_study_that_is_too_large_to_draw_keeps_its_front_and_its_numbers(
    folder: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = client.get("/api/study/1/core").json()["sections"]
    monkeypatch.setattr(watching, "MOST_WHOLE", 3)
    with Ledger.watch(folder / "l.db") as ledger:
        thinned = TestClient(make_app(ledger, ["testserver"])).get("/api/study/1/core").json()["sections"]
    assert "of 12 trials" in thinned["thinned"]
    words = whole["headline"].split("<dt>front</dt>")
    assert thinned["headline"].split("<dt>front</dt>")[0] == words[0]
    table = whole["front"].partition("<tbody>")[2]
    assert thinned["front"].partition("<tbody>")[2] == table


def test_every_study_is_listed_with_its_state(client: TestClient) -> None:
    one, other = client.get("/api/studies").json()["studies"]
    assert (one["name"], one["state"], one["done"], one["trials"]) == ("one", "finished", 12, 12)
    assert one["failures"] == "2 diverged"
    assert other["name"] == HOSTILE


def test_what_is_new_comes_without_reading_anything_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.0)
    problem = made_problem()
    [proposal] = make_strategy("random", problem, seed=77).ask(1)
    arch = problem.space.decode(proposal.genome)
    candidate = make_candidate(arch, 12, 8, 0, "search", proposal.genome, {"operator": "mutate", "parents": [1]})
    candidate = msgspec.structs.replace(candidate, accuracy_to_beat=60.0)
    with Ledger.open(folder / "l.db") as ledger, Ledger.watch(folder / "l.db") as watched, ledger.claim("one"):
        ledger.set_trials("one", 13)
        watch = StudyWatch(watched, 1)
        before = watch.poll()
        assert watch.poll() == before
        assert watch.state == "running"
        ledger.start("one", [candidate])
        watch.poll()
        assert "waits for one" in now_block(watch, watched)
        ledger.add_epochs("one", [Taker(12, "worker-7", "node-3", time.time() - 4000.0)])
        ledger.add_epochs("one", [Epoch(12, EpochRecord(1, 1.0, 1.0, 42.5, 1.0))])
        started = watch.poll()
        assert started > before
        ledger.add_epochs("one", [Epoch(12, EpochRecord(2, 1, 1, 55, 2000.0))])
        assert watch.poll() == started  # no section of the report shows an epoch
        [running] = watch.running
        assert [epoch.validation_accuracy for epoch in running.epochs] == [42.5, 55]
        block = now_block(watch, watched)
        assert all(words in block for words in ("trial 12", "2 of 8", "55", "60", "polyline", 'class="beat"'))
        assert "worker-7 on node-3" in block
        assert "in 1 h 6 min" in block, "2 epochs took 2,000 of 4,000 s: 6 more take 6,000, of which 2,000 are over"
        done = Outcome(
            candidate=candidate, estimate=Estimate(measured={"accuracy": 99.0}, wall_seconds=3), finished=1.8e9
        )
        ledger.finish("one", done)
        watch.poll()
        assert watch.running == []
        assert watch.num_done == 13
        assert 12 in watch.front_trials()
        assert watch.tables().front.hypervolume == report_tables(read_study(ledger, "one")).front.hypervolume


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(client: TestClient, method: str) -> None:
    answer = client.request(method, "/api/studies")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "", "testserver:x", "127.0.0.1"])
def test_a_foreign_host_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/api/studies", "/static/live.js"):
        assert client.get(path, headers={"host": host}).status_code == 403
    assert client.get("/", headers={"host": "testserver:8384"}).status_code == 200


@pytest.mark.parametrize(
    ("came_in_on", "host"),
    [
        ("192.0.2.7", "192.0.2.7:8384"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "[2001:db8::7]:8384"),
        ("fe80::7%eth0", "[fe80::7]"),
    ],
)
def test_a_server_of_every_address_goes_by_the_one_that_was_asked(folder: Path, came_in_on: str, host: str) -> None:
    with Ledger.watch(folder / "l.db") as ledger:
        for everywhere in (True, False):
            app: Any = make_app(ledger, ["testserver"], everywhere=everywhere)

            async def served(scope: Any, receive: Any, send: Any, app: Any = app) -> None:
                await app({**scope, "server": (came_in_on, 8384)}, receive, send)

            client = TestClient(served)
            assert client.get("/", headers={"host": host}).status_code == (200 if everywhere else 403)
            for other in ("192.0.2.8", "[2001:db8::8]", "evil.example", ""):
                assert client.get("/", headers={"host": other}).status_code == 403


def test_other_sites_read_nothing(client: TestClient) -> None:
    assert client.get("/api/studies", headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py",
        "/static/..%2fguard.py",
        "/static/%2e%2e%2f%2e%2e%2fpasswords.py",
        "/static//etc/passwd",
        "/static/live.js%00.css",
        "/study/-1",
        "/study/one",
        "/api/study/1/trial/x",
        "/../../etc/passwd",
    ],
)
def test_path_tricks_find_nothing(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/study/7/core", "/api/study/1/trial/99", "/study/1/trial/99/diagram"])
def test_what_is_not_there_is_said(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "no" in answer.text


def test_numbers_without_end_are_no_studies(client: TestClient) -> None:
    for path in (
        "/api/study/{}/core",
        "/api/compare?studies=1,{}",
        "/study/1/trial/{}/diagram",
        "/api/study/1/trial/{}",
    ):
        assert client.get(path.format(10**30)).status_code == 404


def test_no_page_holds_a_script_and_the_policy_allows_none(client: TestClient) -> None:
    for path in ("/", "/study/1", "/compare?studies=1,2", "/study/1/trial/3/diagram"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        scripts = answer.text.split("<script")[1:]
        assert all("src=" in each.partition(">")[0] or "application/json" in each.partition(">")[0] for each in scripts)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_hostile_names_are_text(client: TestClient) -> None:
    for path in ("/api/study/2/core", "/api/study/2/later", "/api/compare?studies=1,2", "/study/2/trial/1/diagram"):
        assert HOSTILE not in client.get(path).text
    assert HOSTILE not in client.get("/compare?studies=\"><script>document.title='taken'</script>").text


def test_a_token_is_asked_for_and_taken_once(folder: Path) -> None:
    with Ledger.watch(folder / "l.db") as ledger:
        app: Any = make_app(ledger, ["testserver"], token="right-token")
        for wrong in ("", "?token=", "?token=wrong", "?token=right-toke%C3%A9"):
            assert TestClient(app).get(f"/{wrong}", follow_redirects=False).status_code == 401
        client = TestClient(app)
        entered = client.get("/?token=right-token", follow_redirects=False)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        kept = client.get("/compare?studies=1,2&token=right-token&note=a%26b", follow_redirects=False)
        assert kept.headers["location"] == "/compare?studies=1,2&note=a%26b"
        away = client.get("http://testserver//evil.example?token=right-token", follow_redirects=False)
        assert away.headers["location"] == "/evil.example"
        assert "httponly" in entered.headers["set-cookie"].lower()
        assert client.get("/api/studies").status_code == 200
        assert TestClient(app, cookies={"naslab_token": "wrong"}).get("/api/studies").status_code == 401


def test_the_ledger_is_only_read(folder: Path, client: TestClient) -> None:
    before = (folder / "l.db").read_bytes()
    for path in ("/api/studies", "/api/study/1/core", "/api/study/1/later", "/api/study/1/trial/3"):
        assert client.get(path).status_code == 200
    assert (folder / "l.db").read_bytes() == before


def test_a_deleted_study_is_gone(folder: Path, client: TestClient) -> None:
    assert client.get("/api/study/1/core").status_code == 200
    with Ledger.open(folder / "l.db") as ledger:
        ledger.delete_study("one")
    assert [each["name"] for each in client.get("/api/studies").json()["studies"]] == [HOSTILE]


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    assert "there is no ledger at l.db" in naslab(tmp_path, "dashboard").refusal()
    Ledger.open(tmp_path / "l.db").close()
    assert "cannot listen on 203.0.113.7:8384" in naslab(tmp_path, "dashboard", "--host", "203.0.113.7").refusal()
