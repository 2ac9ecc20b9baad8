"""The whole way: 2,000 outputs of 100 words, in a process and from a cold start."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.clock import Row, race
from variegate.metrics import default_names, measure
from variegate.samples import Samples

_COLD = (
    "import sys, variegate as vg; "
    "vg.measure(vg.read(sys.argv[1])); "
    "assert 'torch' not in sys.modules"
)


def rows() -> Iterator[Row]:
    samples = _samples()
    count = len(default_names())
    yield race(f"measure, 2,000 × 100 words, {count} metrics", lambda: measure(samples))
    with tempfile.TemporaryDirectory() as folder:
        path = samples.write(Path(folder) / "outputs.jsonl")
        command = [sys.executable, "-c", _COLD, str(path)]
        yield race(
            "the same from a cold start, reading included",
            lambda: subprocess.run(command, check=True),
        )


def _samples() -> Samples:
    # Syllables make words that the tokenizer splits about as it splits English.
    syllables = ["ba", "do", "ki", "lo", "mer", "ni", "pa", "ran", "so", "tu"]
    vocabulary = [a + b + c for a in syllables for b in syllables for c in syllables]
    rng = np.random.default_rng(0)
    shares = 1.0 / np.arange(1, len(vocabulary) + 1)
    drawn = rng.choice(len(vocabulary), size=(2000, 100), p=shares / shares.sum())
    return Samples.from_rows(
        {
            "prompt": f"prompt {i // 16}",
            "task": f"task {i // 16 % 4}",
            "text": " ".join(vocabulary[w] for w in text),
            "answer": str(i % 7),
            "correct": i % 3 == 0,
        }
        for i, text in enumerate(drawn)
    )
