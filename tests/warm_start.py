"""Python processes that start from one that has the large libraries loaded: importing torch takes seconds of each.

A process of its own loads them and runs nothing. Whoever asks gets a fork of it with the descriptors, environment,
arguments, cores and folder that a new interpreter would have been given, and naslab is imported in the fork as anywhere
else. What depends on how an interpreter starts (variables that a C library reads then, `/proc/PID/environ`, modules
that are not loaded) is tested with `subprocess.Popen` itself.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

LOADED = (
    *("torch", "torch.utils.data", "sklearn.datasets", "sklearn.preprocessing", "msgspec", "cloudpickle"),
    *("typer", "rich.progress", "yaml", "sqlalchemy", "filelock", "safetensors.torch"),
)
ADDRESS = "WARM_START_ADDRESS"
MOST_DESCRIPTORS = 16
FREE_DESCRIPTORS = 700
"""Numbers from here on are those of no descriptor that a program was given."""

COMMAND = "from warm_start import workers_start_warm; workers_start_warm(); from naslab.cli.main import run; run()"
"""The program of the command line whose workers start warm as well; this folder is on its path."""

SCRIPT = """
import runpy, sys, warm_start
warm_start.workers_start_warm()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The program of a file, the first argument, whose workers start warm as well."""


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen` of a Python program (`-c` code or a file), started warm."""

    _status: socket.socket

    def _execute_child(self, args: list[Any], *settings: Any) -> None:
        """What `subprocess.Popen` calls with the pipes that it has made."""
        _, _, _, pass_fds, cwd, env, _, _, _, *pipes_and_more = settings
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, _, _, _, _, _, start_new_session, *_ = pipes_and_more
        assert args[0] == sys.executable
        std = [fd if fd != -1 else number for number, fd in enumerate((p2cread, c2pwrite, errwrite))]
        self._status, theirs = socket.socketpair()
        wanted = [0, 1, 2, *pass_fds]
        request = {
            "words": list(map(os.fspath, args))[1:],
            "wanted": wanted,
            "environment": {**(os.environ if env is None else env), ADDRESS: server()},
            "folder": os.fspath(cwd) if cwd is not None else os.getcwd(),
            "session": start_new_session,
            "cores": sorted(os.sched_getaffinity(0)),
        }
        with tempfile.TemporaryFile() as file, theirs, socket.socket(socket.AF_UNIX) as asking:
            file.write(json.dumps(request).encode())
            file.flush()
            asking.connect(server())
            socket.send_fds(asking, [b"."], [file.fileno(), theirs.fileno(), *std, *pass_fds])
            [self.pid] = struct.unpack("i", received(asking, 4))
        self._child_created = True
        pipes = ((p2cread, p2cwrite), (c2pwrite, c2pread), (errwrite, errread))
        for fd in {theirs for theirs, ours in pipes if -1 not in (theirs, ours)}:
            os.close(fd)
        self._closed_child_pipe_fds = True

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._end()
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self._end()
        return self.returncode

    def _end(self) -> None:
        [status] = struct.unpack("i", received(self._status, 4))
        self._status.close()
        self.returncode = os.waitstatus_to_exitcode(status)


def run(args: list[Any], **settings: Any) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` with `capture_output` and `check`, started warm."""
    check = settings.pop("check", False)
    if settings.pop("capture_output", False):
        settings |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    timeout = settings.pop("timeout", None)
    with Popen(args, **settings) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(args, process.returncode, stdout, stderr)
    if check:
        done.check_returncode()
    return done


def workers_start_warm() -> None:
    """Local workers of this process start warm from now on, where torch is installed."""
    if find_spec("torch") is None:
        return
    from naslab.execution import local

    copy = ModuleType("subprocess")
    copy.__dict__.update(vars(subprocess), Popen=Popen)
    local.subprocess = copy  # type: ignore[attr-defined]


def workers_start_cold() -> None:
    """Local workers of this process are interpreters of their own, as they are outside of tests."""
    from naslab.execution import local

    local.subprocess = subprocess  # type: ignore[attr-defined]


@cache
def server() -> str:
    """Where the process with the libraries is asked, started where nobody did; it ends with this one."""
    known = os.environ.get(ADDRESS)
    if known:
        return known
    folder = tempfile.mkdtemp(prefix="warm")
    address = f"{folder}/asked"
    ours, theirs = socket.socketpair()
    few = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, address, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            env=os.environ | few,
            start_new_session=True,
        )
    received(ours, 1)

    def end() -> None:
        ours.close()
        process.wait()
        Path(address).unlink(missing_ok=True)
        Path(folder).rmdir()

    atexit.register(end)
    return address


def received(source: socket.socket, count: int) -> bytes:
    """So many bytes; raises `EOFError` where the other end closes before."""
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            raise EOFError("the warm process has ended")
        data += more
    return data


def serve(address: str, lifeline_fd: int) -> None:
    """Fork for whoever asks until the lifeline closes."""
    import importlib

    for name in LOADED:
        with suppress(ImportError):  # a package that is not installed here
            importlib.import_module(name)
    lifeline = socket.socket(fileno=lifeline_fd)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    died, wake = socket.socketpair()
    died.setblocking(False)
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    lifeline.send(b".")
    children: dict[int, socket.socket] = {}
    while True:
        ready = select.select([lifeline, listening, died], [], [])[0]
        if lifeline in ready:
            os._exit(0)
        if died in ready:
            with suppress(BlockingIOError):
                died.recv(4096)
        if listening in ready:
            asked = listening.accept()[0]
            _, descriptors, _, _ = socket.recv_fds(asked, 1, MOST_DESCRIPTORS)
            with os.fdopen(descriptors[0], "rb") as file:
                file.seek(0)
                request = json.loads(file.read())
            status = socket.socket(fileno=descriptors[1])
            pid = os.fork()
            if pid == 0:
                for each in (lifeline, listening, died, wake, status, *children.values()):
                    each.close()
                run_forked(request, descriptors[2:], asked)
            for fd in descriptors[2:]:
                os.close(fd)
            children[pid] = status
            asked.close()
        while children:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            status = children.pop(pid)
            with suppress(OSError):
                status.send(struct.pack("i", ended))
            status.close()


def run_forked(request: dict[str, Any], descriptors: list[int], asked: socket.socket) -> None:
    """Become the process that was asked for, tell its number, and run; does not return."""
    code = 1
    try:
        asked = socket.socket(fileno=os.dup2(asked.detach(), FREE_DESCRIPTORS + MOST_DESCRIPTORS))
        become(request, descriptors)
        asked.send(struct.pack("i", os.getpid()))
        asked.close()
        code = run_program(request["words"])
    except BaseException:  # noqa: BLE001 - told on its stderr, as an interpreter does
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        os._exit(code)


def become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Take descriptors, signals, cores, environment and folder as a new interpreter would find them."""
    os.sched_setaffinity(0, request["cores"])
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if request["session"]:
        os.setsid()
    else:
        os.setpgid(0, 0)
    aside = [os.dup2(fd, FREE_DESCRIPTORS + place) for place, fd in enumerate(descriptors)]
    for fd in descriptors:
        os.close(fd)
    for fd, number in zip(aside, request["wanted"], strict=True):
        os.dup2(fd, number, inheritable=True)
        os.close(fd)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()
    import numpy

    numpy.random.seed()


def run_program(words: list[str]) -> int:
    """The exit code of `-c CODE ...` or `FILE ...`."""
    is_code = words[0] == "-c"
    added = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    first = "" if is_code else str(Path(words[0]).resolve().parent)
    sys.path[:] = [first, *added, *sys.path[1:]]
    sys.argv = ["-c", *words[2:]] if is_code else list(words)
    main = ModuleType("__main__")
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    if not is_code:
        main.__file__ = words[0]
    sys.modules["__main__"] = main
    source = words[1] if is_code else Path(words[0]).read_text(encoding="utf-8")
    try:
        exec(compile(source, "<string>" if is_code else words[0], "exec"), main.__dict__)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - told as an interpreter does
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    sys.path[0:1] = [""]
    serve(sys.argv[1], int(sys.argv[2]))
