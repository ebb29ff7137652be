"""The examples as Sphinx-Gallery reads them: each with a title, and its command as a block of its own.

They are not run at a build: `tests/unit/test_examples.py` and `test_data_examples.py` run them as a user does.
"""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADER = """Your own parts
==============

Each page is a whole example of under 40 lines: a training, a metric, a block, a strategy, or data of your own. A file
is named ``module:name`` where naslab's own parts are named by a word; its command is run in its folder.
"""


def write_sources(folder: Path) -> str:
    """Write the sources of the gallery's pages into `folder`, which is made anew; its path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "GALLERY_HEADER.rst").write_text(HEADER, encoding="utf-8")
    for path in sorted(EXAMPLES.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        (folder / path.name).write_text(with_title(text), encoding="utf-8")
    return str(folder)


def with_title(source: str) -> str:
    """The source of an example whose docstring has a title, and whose command, if it says one, is a block.

    >>> print(with_title('\"\"\"Your own block: a class.\\n\\nnaslab search a.yaml\\n\"\"\"\\n\\nx = 1\\n'))
    \"\"\"
    Your own block
    ==============
    <BLANKLINE>
    A class.
    <BLANKLINE>
    .. code-block:: bash
    <BLANKLINE>
        naslab search a.yaml
    \"\"\"
    <BLANKLINE>
    x = 1
    <BLANKLINE>
    """
    tree = ast.parse(source)
    first, *rest = (ast.get_docstring(tree) or "").split("\n\n")
    title, words = re.split("[:;] ", first, maxsplit=1)
    parts = [f"{title}\n{'=' * len(title)}", words[:1].upper() + words[1:]]
    parts += [f".. code-block:: bash\n\n    {each}" if each.startswith("naslab ") else each for each in rest]
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno :])
    body = "\n\n".join(parts)
    return f'"""\n{body}\n"""\n{code}\n'
