"""A run in a process of its own, to be killed: `collecting.py FOLDER BATCH WHERE [SIGNAL]`.

Each draw's text is a function of its identity alone, as with a seeded model. WHERE is `draw-3`
(the signal arrives while the fourth draw is made), `write-2`, `sync-2` or `name-2` (while the
second file of this process is written, synced, or given its name), or `never`.
"""

import hashlib
import itertools
import os
import signal
import sys
from typing import NamedTuple

from variegate.samples import RunDirectory, Samples, sample_id

PROMPTS, N = ("one", "two", "three"), 4


def main(folder, batch, where, name="SIGKILL"):
    stage, _, step = where.partition("-")
    strike = lambda: os.kill(os.getpid(), getattr(signal, name))  # noqa: E731
    for at, function in (("write", "write"), ("sync", "fsync"), ("name", "replace")):
        if stage == at:
            setattr(os, function, _struck(getattr(os, function), int(step), strike))
    for drawn in collect(folder, int(batch)):
        if drawn.finished:
            print(drawn.finished, flush=True)
        if stage == "draw" and drawn.number == int(step):
            strike()


class Drawn(NamedTuple):
    """A draw that is about to be made, and how many outputs were kept just before it."""

    number: int
    finished: int


def collect(folder, batch):
    """Make the draws that the run lacks; yield before each."""
    with RunDirectory.open(folder, settings={"n": N, "seed": 0}, kind="collect") as run:
        done = run.sample_ids()
        keys = {
            (prompt, index): identity(prompt, index) for prompt in PROMPTS for index in range(N)
        }
        missing = [draw for draw, key in keys.items() if key not in done]
        kept = 0
        for start in range(0, len(missing), batch):
            rows = []
            for number, draw in enumerate(missing[start : start + batch], start):
                yield Drawn(number, kept)
                kept = 0
                text = hashlib.sha256(keys[draw].encode()).hexdigest()[:6]
                prompt, index = draw
                rows.append(
                    {"prompt": prompt, "sample": index, "text": text, "sample_id": keys[draw]}
                )
            run.append(Samples.from_rows(rows))
            kept = len(rows)


def identity(prompt, index):
    return sample_id(
        model="fake",
        revision="0",
        rendered=prompt,
        sampling={"temperature": None},
        index=index,
        seed=0,
    )


def _struck(function, step, strike):
    calls = itertools.count(1)

    def call(*args, **kwargs):
        if next(calls) == step:
            strike()
        return function(*args, **kwargs)

    return call


if __name__ == "__main__":
    main(*sys.argv[1:])
