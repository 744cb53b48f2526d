"""A Sphinx extension: parameters described on their own line, ``name : what it is``, are not taken for types."""

import re

_ENTRY = re.compile(r"(\*{0,2}\w[\w, *]*) : (.+)")
_LONGEST_TYPE = 85  # columns with the name; longer lines are sentences that go on


def described(lines):
    """Move what stands behind a colon below the name, unless it is a type with a description below it."""
    found, inside = [], False
    for i, line in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else ""
        if re.fullmatch(r"-{3,}", following):
            inside = line in ("Parameters", "Attributes")
        entry = _ENTRY.fullmatch(line) if inside else None
        below = following.strip() if following.startswith(" ") else ""
        if entry and (not below or below[0].islower() or len(line) > _LONGEST_TYPE):
            found += [entry[1], f"    {entry[2]}"]
        else:
            found.append(line)
    return found


def _process(app, what, name, obj, options, lines):
    lines[:] = described(lines)


def setup(app):
    """Before numpydoc reads the docstrings."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
