"""Sphinx directives that write parts of the site from the program itself: its commands and its measures."""

import typer

from tsgan.cli.main import app
from tsgan.evaluation import MEASURES


def commands():
    """A section for each command: title, sentences, usage, examples and options, as lines of reStructuredText."""
    for name, command in typer.main.get_command(app).commands.items():
        context = typer.Context(command, info_name=f"tsgan {name}", terminal_width=100)
        text, _, examples = command.help.partition("\b\nExamples:\n")
        yield from (f"tsgan {name}", "-" * (len(name) + 6), "", *_quoted(text).splitlines(), "")
        shown = [*context.command.get_usage(context).splitlines(), "", *map(str.strip, examples.splitlines())]
        yield from (".. code-block:: text", "", *(f"   {line}" for line in shown), "")
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if record is not None and parameter.name != "help":
                yield from (f"``{record[0]}``", f"   {' '.join(_quoted(record[1]).split())}", "")


def measures():
    """A table of all measures, as lines of reStructuredText."""
    yield from (".. list-table::", "   :header-rows: 1", "", "   * - fact", "     - measure", "     - the number")
    last = ""
    for measure in MEASURES:
        fact = "" if measure.fact == last else measure.fact
        last = measure.fact
        yield from (f"   * - {_quoted(fact)}", f"     - ``{measure.name}``", f"     - {_quoted(measure.meaning)}")


def _quoted(text):
    """Keep what is a sign in reStructuredText; names in single quotes of code are code."""
    for sign in "*|":
        text = text.replace(sign, "\\" + sign)
    return text.replace("`", "``")


def _directive(lines):
    from docutils import nodes  # not needed to write the lines
    from docutils.parsers.rst import Directive
    from docutils.statemachine import StringList

    class Generated(Directive):
        def run(self):
            node = nodes.Element()
            self.state.nested_parse(StringList(list(lines()), "tsgan"), 0, node, match_titles=True)
            return node.children

    return Generated


def setup(app):
    """Tell Sphinx of the directives."""
    app.add_directive("tsgan-commands", _directive(commands))
    app.add_directive("tsgan-measures", _directive(measures))
    return {"parallel_read_safe": True}
