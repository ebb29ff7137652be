"""What can go wrong for a user, each error naming the broken rule, the value and the mend.

The command line turns every `NaslabError` into one message on stderr and exit code 2.
"""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Iterable
from typing import Any

from naslab.passwords import without_passwords


class NaslabError(Exception):
    """A problem that the user can mend; its text is the whole message. All errors below derive from it.

    >>> import naslab
    >>> try:
    ...     naslab.load_space("mixed_cifer")
    ... except naslab.NaslabError as error:
    ...     print(error)
    unknown search space 'mixed_cifer' (did you mean 'mixed_cifar'?)
    """

    def __init__(self, *told: object) -> None:
        super().__init__(
            *(shortened(without_passwords(each), MOST_OF_A_MESSAGE) if isinstance(each, str) else each for each in told)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers send errors to the driver; the default would call `__init__` with the finished message.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class SpecError(NaslabError, ValueError):
    """A description that breaks a rule: `stages[2].block.kernel: must be odd, got 4`.

    `field` is the path of the offending value inside the description, empty for the whole; `rule` says what is wrong
    with it.
    """

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = shortened(rule, MOST_OF_A_RULE)
        super().__init__(f"{shortened(field, MOST_OF_A_RULE)}: {self.rule}" if field else self.rule)

    def inside(self, path: str) -> SpecError:
        """The same error with `path`, where this description is in an enclosing one, in front of its field.

        >>> SpecError("kernel", "must be odd, got 4").inside("stages[2].block").field
        'stages[2].block.kernel'
        """
        return SpecError(join_path(path, self.field), self.rule)


class UnknownNameError(NaslabError, LookupError):
    """A name that is not known, with the nearest ones that are.

    `kind` says of what `name` was to be one: `strategy`, `search space`. `known` are the names to choose from, `mend`
    says what else would do.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], mend: str = "") -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"unknown {kind} '{shown(name)}'{nearest(name, known)}{f'; {mend}' if mend else ''}")


class LimitError(NaslabError):
    """Hard limits that no candidate meets."""


class SpaceExhaustedError(NaslabError):
    """Every network of a space that meets the limits has been proposed already."""


class StudyError(NaslabError):
    """A study that cannot be opened, resumed or read as asked."""


class LedgerError(NaslabError):
    """A ledger that is not one, is damaged, is newer than this program, or cannot be written."""


class UnreachedError(LedgerError):
    """The server of a ledger that does not answer now; it may in a while, and nothing of the ledger is wrong."""


class UnreadableError(LedgerError):
    """A stored value that is whole and of another form than this version of naslab reads.

    `what` names the value (`trial 3 of study 'digits'`), `rule` says which of its fields breaks which rule. `versions`
    says what to do, where it is known which versions wrote the value.
    """

    def __init__(self, what: str, rule: str, versions: str = "") -> None:
        self.what = what
        self.rule = rule
        mend = versions or "read the study with the version that wrote it, or update naslab"
        super().__init__(f"{what} in the ledger is not readable by this version of naslab: {rule}; {mend}")

    def written_by(self, versions: Iterable[str], here: str) -> UnreadableError:
        """The same error naming the versions that wrote to the study, and the one that reads it, `here`."""
        names = list(versions)
        told = ", ".join(names)
        if names and set(names) == {here}:  # this version wrote it, and would have written it otherwise
            return UnreadableError(self.what, self.rule, "it is damaged: restore the ledger from a copy")
        mend = f"naslab {told} wrote it, this is {here}: read the study with that version, or update naslab"
        return UnreadableError(self.what, self.rule, mend if told else "")


class ReadError(NaslabError):
    """A file from outside that cannot be read: `cannot read space.yaml: No such file or directory`.

    `path` is the file, `reason` the system's or the rule that the file breaks; `form`, as `YAML`, is what it should be
    and is not.
    """

    def __init__(self, path: object, reason: str, form: str = "") -> None:
        self.path = path
        self.reason = shortened(reason, MOST_OF_A_RULE)
        self.form = form
        name = shortened(str(path), MOST_OF_A_RULE)
        super().__init__(f"{name} is not {form}: {self.reason}" if form else f"cannot read {name}: {self.reason}")


class WriteError(NaslabError):
    """A file that cannot be written: `cannot write report.html: No space left on device`.

    `path` is the file, `reason` what the system said, or the rule that forbids to write there.
    """

    def __init__(self, path: object, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"cannot write {path}: {reason}")


class DataError(NaslabError):
    """A data set that is missing, incomplete or of the wrong form."""


class DeviceError(NaslabError):
    """A device that was asked for and is not there."""


class DivergedError(NaslabError):
    """A training whose loss is not a number any more, or far above that of guessing."""


class TimedOutError(NaslabError):
    """A training that is not done at its deadline."""


class WorkerError(NaslabError):
    """Workers that cannot start."""


class VersionError(WorkerError):
    """A machine that has another version of naslab or torch than the search that it is to work for."""


MOST_OF_A_MESSAGE = 2000
"""Characters of the message of an error."""
MOST_OF_A_VALUE = 80
"""Characters of a value from outside that a message quotes."""
MOST_OF_A_RULE = 600
"""Characters of a broken rule with the values in it."""


def counted(number: int, noun: str, plural: str = "", form: str = "") -> str:
    """A `number` with its `noun`, in the `plural` where it is not 1; `form` is the number's, as `,`.

    >>> counted(1, "part"), counted(3, "branch", "branches"), counted(2000, "network", form=",")
    ('1 part', '3 branches', '2,000 networks')
    """
    return f"{number:{form}} {noun if number == 1 else plural or noun + 's'}"


def shown(value: object, most: int = MOST_OF_A_VALUE) -> str:
    """A value from outside as messages quote it: on one line, its middle left out where it is long.

    >>> shown("resnet18"), shown("a\\nb"), shown("x" * 1000, most=20), shown(10**5000)
    ('resnet18', 'a\\\\nb', 'xxxxxxxx ... xxxxxxx', 'an integer of more than 4,300 digits')
    """
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # Python writes no longer integers
        text = "an integer of more than 4,300 digits"
    cut = shortened(without_passwords(text), most)
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut)


def first_line(error: BaseException) -> str:
    """The first line of what an `error` of another package says; its class where it says nothing.

    >>> first_line(RuntimeError("out of memory\\nmore lines")), first_line(KeyError())
    ('out of memory', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shortened(text: str, most: int) -> str:
    """A text of at most `most` characters: its middle is left out where it is longer.

    >>> shortened("stages[0].block.kernel", 15)
    'stage ... ernel'
    """
    if len(text) <= most:
        return text
    text = without_passwords(text)  # cut, it might no longer look like an address
    if len(text) <= most:
        return text
    tail = (most - len(" ... ")) // 2
    return f"{text[: most - len(' ... ') - tail]} ... {text[-tail:]}"


LEAST_LIKENESS = 0.65
"""How alike names of more than three letters are that one may be taken for; `depth` and `width` are 0.6."""
OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "depth": ("repeats",),
    "layers": ("repeats", "stages"),
    "num_layers": ("repeats",),
    "num_blocks": ("repeats",),
    "channels": ("width",),
    "filters": ("width",),
    "out_channels": ("width",),
    "kernel_size": ("kernel",),
    "strides": ("stride",),
    "expand_ratio": ("expansion",),
    "act": ("activation",),
}
"""What is called otherwise here than in other libraries."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The ending of a message about an unknown `name`: at most three near ones, or at most 30 of the names there are.

    >>> nearest("mbconf", ["mbconv", "residual"]), nearest("x", ["mbconv"]), nearest("depth", ["width", "repeats"])
    (" (did you mean 'mbconv'?)", ' (known: mbconv)', " (did you mean 'repeats'?)")
    """
    names, name = sorted(set(known)), name[:MOST_OF_A_VALUE]
    meant = [each for each in OTHER_WORDS.get(name.lower(), ()) if each in names]
    longer = [known for known in names if len(name) >= 3 and known.startswith(name)]
    cutoff = LEAST_LIKENESS if len(name) > 3 else 0.6
    likely = difflib.get_close_matches(name, names, n=3, cutoff=cutoff)
    close = meant or list(dict.fromkeys([*longer, *likely]))[:3]
    if close:
        return " (did you mean " + " or ".join(f"'{each}'" for each in close) + "?)"
    if not names:
        return " (there are none)"
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return f" (known: {shown})"


def join_path(outer: str, inner: str) -> str:
    """The path of a value whose path in the description at `outer` is `inner`.

    >>> join_path("stages[2]", "block.kernel"), join_path("stages", "[2]")
    ('stages[2].block.kernel', 'stages[2]')
    """
    if not outer or not inner:
        return outer or inner
    return f"{outer}{inner}" if inner.startswith("[") else f"{outer}.{inner}"
