"""The command ``tsgan``: its commands, and the one place where errors become a sentence and an exit code.

Exit codes: 0 done; 1 a check failed; 2 usage or data; 3 training produced nothing usable; 130 interrupted.
"""

import inspect
import io
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tsgan.cli.backtest import backtest
from tsgan.cli.completion import complete_metavars
from tsgan.cli.console import complain, notes
from tsgan.cli.data import data
from tsgan.cli.doctor import doctor
from tsgan.cli.download import download
from tsgan.cli.evaluate import evaluate
from tsgan.cli.fit import fit
from tsgan.cli.info import info
from tsgan.cli.plot import plot
from tsgan.cli.risk import risk
from tsgan.cli.sample import sample
from tsgan.cli.update import update
from tsgan.errors import TrainingError, TsganError

USAGE, TRAINING, INTERRUPTED, BROKEN_PIPE = 2, 3, 130, 141  # the last two: 128 + SIGINT, 128 + SIGPIPE, as shells do


class Commands(TyperGroup):
    """The group of commands; what goes wrong in one of them is said in a sentence, what should be known in a note."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        with notes(), sentences():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _help(command: Callable[..., None]) -> str:
    r"""Return a docstring as help; \b keeps the lines of the examples apart."""
    text, _, examples = (inspect.getdoc(command) or "").partition("Examples\n--------\n")
    return f"{text}\b\nExamples:\n{textwrap.indent(examples, '  ')}"


for _command in (fit, update, sample, evaluate, risk, backtest, plot, info, data, download, doctor):
    complete_metavars(_command)
    app.command(help=_help(_command))(_command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tsgan {version('tsgan')}")
        raise typer.Exit


def tsgan(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Dated synthetic price paths, learned from one price history by a Wasserstein GAN.

    Examples
    --------
    tsgan data sp500 --out prices.csv          a real series to begin with
    tsgan download SPY QQQ --out prices.csv    or your own tickers, from Yahoo Finance
    tsgan fit prices.csv                       writes model.tsgan
    tsgan sample --n 1000 --out synth.csv      1,000 paths of 252 steps
    tsgan evaluate prices.csv synth.csv        real beside synthetic
    tsgan risk --horizon 10                    VaR and ES of the next ten steps
    tsgan backtest prices.csv                  VaR and ES of every date, put on trial
    tsgan update model.tsgan prices.csv        new rows, without a new fit
    """


app.callback(help=_help(tsgan))(tsgan)


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what goes wrong in the block into a sentence on stderr and an exit code."""
    try:
        yield
    except BrokenPipeError as error:
        raise typer.Exit(BROKEN_PIPE) from error
    except KeyboardInterrupt as error:
        complain("; ".join(["interrupted", *getattr(error, "__notes__", ["nothing was written"])]))
        raise typer.Exit(INTERRUPTED) from error
    except TrainingError as error:
        complain(f"error: {error}")
        raise typer.Exit(TRAINING) from error
    except TsganError as error:
        complain(f"error: {error}")
        raise typer.Exit(USAGE) from error
    except OSError as error:
        what = ": ".join(filter(None, (error.filename, error.strerror))) or str(error)
        complain("; ".join([f"error: {what}", *getattr(error, "__notes__", [])]))
        raise typer.Exit(USAGE) from error
    except MemoryError as error:
        what = "error: not enough memory; ask for fewer paths (--n), shorter ones (--length) or fewer assets"
        complain("; ".join([what, *getattr(error, "__notes__", [])]))
        raise typer.Exit(USAGE) from error


def main() -> None:
    """Run the command line and exit."""
    # torch's threads spin while they wait; where other work wants the cores, a fit is 17 times slower (measured)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a wish to end, as Ctrl-C is
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a sign that the terminal lacks is no reason to fail
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has gone: nothing left to say, also not at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
