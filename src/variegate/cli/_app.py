"""The application: the verbs under one name, and exceptions turned into words and exit codes."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

from variegate import __version__
from variegate.cli._compare import compare
from variegate.cli._demo import demo
from variegate.cli._doctor import doctor
from variegate.cli._front import front
from variegate.cli._lab import lab
from variegate.cli._measure import measure
from variegate.cli._merge import merge
from variegate.cli._metrics import metrics
from variegate.cli._output import LOG, complain, show_traceback
from variegate.cli._sample import sample
from variegate.cli._trace import trace
from variegate.cli._validate import validate
from variegate.errors import MissingExtra, VariegateError

__all__ = ["app", "main"]

app = App(
    name="variegate",
    help="The variety of what a model says: measured with an error bar, traced through training.",
    help_epilogue=(
        "Data goes to stdout, progress to stderr; every verb that prints results takes --json. "
        "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 too many outputs failed, "
        "4 a --fail-if gate failed, 130 interrupted."
    ),
    version=__version__,
    help_format="plaintext",
    # One page of help, without "[default: False]" behind every switch.
    default_parameter=Parameter(negative=(), show_default=lambda value: _shown(value)),
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
for _verb in (demo, trace, measure, compare, sample, front, metrics, validate, doctor):
    app.command(_verb)
app.command(merge)
app.command(lab)

# What a bare `import torch` deep in a library would say, in the words of our own extras.
_EXTRA_OF = {
    "torch": "torch",
    "transformers": "torch",
    "safetensors": "torch",
    "yaml": "merge",
    "tokenizers": "torch",
    "sentence_transformers": "embed",
    "gguf": "gguf",
    "accelerate": "gguf",
    "moocore": "pareto",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; nothing a user can cause shows a traceback.

    Args:
        argv: the words after `variegate`; None takes them from the command line.

    Returns:
        The exit code: 0, 1, 2, 3, 4 or 130, as the introduction of `variegate.cli` lists them.

    Example:
        >>> from variegate.cli import main
        >>> main(["--version"])
        0.1.0
        0
    """
    _terminate_like_interrupt()
    logging.getLogger("variegate").addHandler(LOG)
    try:
        code = app(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        verb = " ".join(error.command_chain or ())
        complain(str(error), f"variegate {verb}{' ' * bool(verb)}--help lists what fits.")
        return 2
    except VariegateError as error:
        complain(str(error), error.hint)
        show_traceback(error)
        return error.exit_code
    except KeyboardInterrupt:
        complain("Interrupted.", "What was finished is kept; the same command goes on from there.")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; without this Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except ImportError as error:
        return _missing(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}.", None)
        show_traceback(error)
        return 2 if isinstance(error, FileNotFoundError) else 1
    except Exception as error:  # the last net: a person gets a line, a bug report gets the rest
        complain(
            f"Unexpected {type(error).__name__}: {error}",
            "This is a fault of variegate. VARIEGATE_TRACEBACK=1 shows where it happened.",
        )
        show_traceback(error)
        return 1


def _shown(default: object) -> str | None:
    return None if default is False or default is None or default == () else str(default)


def _missing(error: ImportError) -> int:
    """Name the extra for a package that is absent, or there in a version that does not fit.

    Libraries that look for their own dependencies name them in the message only, or in that of
    the error before.
    """
    chain = (error, error.__cause__ or error.__context__)
    words = re.findall(r"\w+", " ".join(f"{getattr(link, 'name', '')} {link}" for link in chain))
    extra = next((_EXTRA_OF[word] for word in words if word in _EXTRA_OF), None)
    if extra is None:
        package = (error.name or "").partition(".")[0]
        hint = f"pip install {package}" if package else "pip install --upgrade variegate"
        complain(str(error) or "A package is missing.", hint)
    else:
        missing = MissingExtra("This verb", extra)
        complain(f"{missing} ({error})", missing.hint)
    show_traceback(error)
    return 2


def _terminate_like_interrupt() -> None:
    """Let SIGTERM unwind the stack, so that locks go and files are finished or removed."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    # Outside the main thread whoever runs us handles signals.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, stop)
