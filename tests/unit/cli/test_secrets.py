"""No command shows or stores a password, whatever form it is given in and whichever option it is given by."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import create_engine, text

from naslab.cli import output
from naslab.cli.main import app, run
from naslab.errors import StudyError
from naslab.execution.workers import Workers
from naslab.ledger.location import locate
from naslab.passwords import without_passwords

SECRET = "s3cr3tW0rd"
FORMS = (
    "postgresql://me:{}@127.0.0.1:1/lab",
    "postgresql+psycopg://me:{}@127.0.0.1:1/lab",
    "postgresql://me:a%40{}@127.0.0.1:1/lab",
    "postgresql://me:a@{}@127.0.0.1:1/lab",
    "postgresql://me:a b {}@127.0.0.1:1/lab",
    "postgresql://me:a/b?c#{}@127.0.0.1:1/lab",
    "postgresql://me:'\"{}@127.0.0.1:1/lab",
    "postgresql://me@127.0.0.1:1/lab?password={}",
    "postgresql://127.0.0.1:1/lab?user=me&password=a b {}&sslmode=disable",
    "postgresql://me@127.0.0.1:1/lab?sslmode=disable&sslpassword={}",
    "postgresql:/me:{}@127.0.0.1:1/lab",
    "postgres:me:{}@127.0.0.1:1/lab",
    "mysql://me:{}@127.0.0.1:1/lab",
    "redis://:{}@127.0.0.1:1/0",
    "ray://me:{}@127.0.0.1:1",
    "https://{}@127.0.0.1:1",
    "host=127.0.0.1 port=1 user=me password={}",
    "POSTGRESQL://me:{}@127.0.0.1:1/lab",
    "postgresql://me:a\n{}@127.0.0.1:1/lab",
    "postgresql://me:{}\n@127.0.0.1:1/lab",
    "postgresql://me:x://{}@127.0.0.1:1/lab",
    "postgresql://my/own?name:{}@127.0.0.1:1/lab",
    "postgresql://me%3A{}@127.0.0.1:1/lab",
    "postgresql://me:{}%40127.0.0.1/lab",
    "postgresql://me:{}",
    "//me:{}@127.0.0.1:1/lab",
    "postgresql://127.0.0.1:1/lab?user=me&%70assword={}",
    "postgresql://127.0.0.1:1/lab?user=me&password=a&{}",
    "postgresql://127.0.0.1:1/lab?password=a\n{}",
    "postgresql://127.0.0.1:1/lab?options=-c%20password%3D{}",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{}",
    "host=127.0.0.1 port=1 user=me password=a\\ {}",
    "https://{}:@127.0.0.1:1",
    "https://127.0.0.1:1/?key={}",
)
EACH = 2
"""Forms that a parameter is given: neighbours get others, so that a command meets them all."""
STANDARD = {
    "space": "digits_demo",
    "model": "lenet5",
    "study": "nothing",
    "storage": "sqlite:///optuna.db",
    "out": "out",
    "estimators": "params",
    "dataset": "digits",
    "reference": "full",
    "images": "100,200,300,400",
    "epochs": "1",
}
"""What a parameter gets while the secret is in another one."""


def commands() -> dict[str, Any]:
    """Every command by its name, those of groups with theirs."""

    def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        if hasattr(command, "commands"):
            for each, inner in command.commands.items():
                yield from walk(inner, f"{name} {each}".strip())
        else:
            yield name, command

    return dict(walk(typer.main.get_command(app), ""))


def written(parameter: Any, value: str) -> list[str]:
    """A parameter as it is typed."""
    return [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]


def lines() -> list[Any]:
    """A command line for every parameter of every command that takes a text."""
    found = []
    for name, command in commands().items():
        for parameter in command.params:
            if parameter.name in ("help", "json") or getattr(parameter, "is_flag", False):
                continue
            forms = [FORMS[(len(found) * EACH + number) % len(FORMS)] for number in range(EACH)]
            found.append(pytest.param(name, parameter.name, forms, id=f"{name} {parameter.name}"))
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in; nothing is trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASLAB_DATA", str(tmp_path / "no_data"))
    monkeypatch.delenv("NASLAB_LEDGER", raising=False)

    def stop(*_: object, **__: object) -> None:
        raise StudyError("far enough")

    monkeypatch.setattr(Workers, "start", stop)
    # Where it is used, and last where it is made: a module that is imported meanwhile would keep `stop` for ever.
    for user in ("training.fit", "training.probe", "estimators.training_run", "training.loop"):
        monkeypatch.setattr(f"naslab.{user}.train", stop)
    monkeypatch.setattr("naslab.training.supernet.training.train_supernet", stop)
    monkeypatch.setattr("naslab.targets.measuring._answers", stop)
    return tmp_path


def outcome_of(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command line prints on both streams."""
    out, err = io.StringIO(), io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "argv", ["naslab", *words])
        patched.setattr(sys, "stdout", out)
        patched.setattr(sys, "stderr", err)
        with suppress(SystemExit):
            run()
    return out.getvalue() + err.getvalue()


def leaks(folder: Path) -> list[str]:
    """The files whose names or contents hold the secret."""
    found = [path for path in folder.rglob("*") if SECRET in path.name]
    return [str(path) for path in found] + [
        str(path) for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize(("name", "parameter", "forms"), lines())
def test_no_option_of_any_command_lets_a_password_out(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str, parameter: str, forms: list[str]
) -> None:
    command = commands()[name]
    for form in forms:
        typed = name.split()
        for each in command.params:
            if each.name == parameter:
                typed += written(each, form.format(SECRET))
            elif each.required or each.name in ("dataset", "estimators") or (name, each.name) == ("train", "epochs"):
                typed += written(each, STANDARD.get(each.name, "x"))
        said = outcome_of(typed, monkeypatch)
        assert SECRET not in said.replace("\n", "").replace("│", ""), (typed, said)
        assert not leaks(place), typed


@pytest.mark.parametrize("name", commands())
def test_the_ledger_of_the_environment_is_shown_by_no_command_nor_its_help(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    command = commands()[name]
    needed = [word for each in command.params if each.required for word in written(each, STANDARD.get(each.name, "x"))]
    for form in (FORMS[0], FORMS[7]):
        monkeypatch.setenv("NASLAB_LEDGER", form.format(SECRET))
        for words in (["--help"], needed, [form.format(SECRET), "--no"]):
            assert SECRET not in outcome_of([*name.split(), *words], monkeypatch).replace("\n", "").replace("│", "")
        assert not leaks(place)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_hidden_in_a_text_around_it(form: str) -> None:
    address = form.format(SECRET)
    for shown in (
        address,
        str(Path(address)),
        f"--ledger='{address}' --study a",
        f"cannot open {address}: no such host",
        f'"{address}"',
    ):
        assert SECRET not in without_passwords(shown)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_named_secrets_of_json_are_hidden(quote: str) -> None:
    told = "{'user': 'me', 'password': 's3cr3tW0rd', 'api-key' : 'a s3cr3tW0rd', 'passes': '5'}".replace("'", quote)
    hidden = without_passwords(told)
    assert SECRET not in hidden
    assert f"{quote}passes{quote}: {quote}5{quote}" in hidden


@pytest.mark.parametrize("part", ["a.", "//", "//a:", "a:b@", "%3A", "&a%", "?key=&a", "password ", "'token"])
def test_no_letter_of_a_long_text_is_tried_often(part: str) -> None:
    text = 50_000 * part + "=1@"  # a tenth of a second; where a pattern begins at each letter anew, minutes
    assert without_passwords(text)


@pytest.mark.parametrize(
    "plain",
    [
        "naslab search space.yaml --ledger postgresql://me@host:5432/lab --limit 'macs<=1e6'",
        "sqlite:///optuna.db",
        "/data/a@b/c:d.csv",
        "table:path=/data/a@b.csv",
        "STUDY:best",
        "http://host:80/page",
        "http://[::1]:8000/page",
        "postgresql://one:5432,two:5432/lab",
        "sqlite:////data/a:b@c.db",
        "image_folder:/data/a:b@64",
        "ray://head:10001",
        "https://host/page?tokens=5&page=2&keys=a%20b",
        "a // b: c @ d",
        "{'tokens': 5}",
    ],
)
def test_what_holds_no_password_stays(plain: str) -> None:
    assert without_passwords(plain) == plain


def test_commands_print_by_the_functions_that_hide_passwords_alone() -> None:
    folder = Path(output.__file__).parent
    others = [path for path in folder.glob("*.py") if path.name != "output.py"]
    printing = [path.name for path in others if re.search(r"(?<![.\w])print\(|stdout\.write", path.read_text())]
    assert len(others) > 10
    assert printing == []


def tables(location: str) -> str:
    """Every row of a server's ledger and of its other tables."""
    engine = create_engine(locate(location).url)
    with engine.connect() as connection:
        names = connection.execute(
            text("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('naslab', 'public')")
        ).all()
        rows = [connection.execute(text(f'SELECT * FROM {schema}."{name}"')).all() for schema, name in names]
    engine.dispose()
    assert names
    return str(rows)


def test_a_whole_life_on_a_server_stores_and_shows_no_password(
    postgres_database: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from postgres import PASSWORD
    from tiny_search import Instant

    bare = postgres_database.replace(f":{PASSWORD}@", "@")
    mirrored = postgres_database.replace("postgresql://", "postgresql+psycopg://")
    monkeypatch.setattr(Workers, "start", lambda *_, **__: Instant(1))
    (place / "pass").write_text(f"*:*:*:*:{PASSWORD}\n")
    (place / "pass").chmod(0o600)
    ways: list[tuple[str, dict[str, str]]] = [
        (postgres_database, {}),
        (f"{bare}?password={PASSWORD}", {}),
        (bare, {"PGPASSWORD": PASSWORD}),
        (bare, {"PGPASSFILE": str(place / "pass")}),
    ]
    said = ""
    for number, (location, variables) in enumerate(ways):
        with monkeypatch.context() as given:
            for name, value in variables.items():
                given.setenv(name, value)
            study = f"s{number}"
            search = ["search", "digits_demo", "--dataset", "digits", "--strategy", "random", "--trials", "3"]
            said += outcome_of([*search, "--study", study, "--ledger", location], given)
            given.setenv("NASLAB_LEDGER", location)
            storage = mirrored if location == postgres_database else location
            # the server's user is called as the ledger's schema, which therefore comes first
            storage += ("&" if "?" in storage else "?") + "options=-csearch_path%3Dpublic"
            for words in (
                ["studies", "--json"],
                ["pareto", study],
                ["report", study, "--out", f"{study}.html"],
                ["doctor"],
                ["show", f"{study}:best"],
                ["mirror", study, "--storage", storage],
            ):
                answer = outcome_of(words, given)
                assert "naslab: " not in answer, answer
                said += answer
    assert "see it: naslab report s0 --ledger postgresql://naslab:***@127.0.0.1" in said
    (place / "pass").unlink()
    for where in (said, tables(postgres_database), *(each.read_text() for each in place.glob("*.html"))):
        assert PASSWORD not in where
