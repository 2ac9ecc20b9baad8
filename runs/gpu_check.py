"""Does a GPU draw from the same distribution as the CPU, and how fast?

    PYTHONPATH=src python runs/gpu_check.py

Needs torch, transformers, numpy and polars, and a CUDA device; without one it checks the CPU
against itself, which says that the script runs. Prints one JSON object; exits 1 where the two
disagree.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from variegate.models import Sampling
from variegate.models._stepping import Drawn, OwnNumbers, grow
from variegate.models._transformers._prefixes import TorchPrefixes
from variegate.models._transformers._scoring import score_tokens

END = 2
SIZES = {
    "tiny": {"hidden": 96, "layers": 4, "heads": 4, "vocabulary": 320, "rows": 1920},
    "mid": {"hidden": 1024, "layers": 16, "heads": 16, "vocabulary": 32000, "rows": 1024},
}


def llama(*, hidden: int, layers: int, heads: int, vocabulary: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        initializer_range=0.08,
    )
    return LlamaForCausalLM(config).eval()


def prompts(vocabulary: int, count: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(3, vocabulary, size=rng.integers(5, 20)).tolist() for _ in range(count)]


def drawn_by(
    model: LlamaForCausalLM, asked: list[list[int]], *, rows: int, length: int, ends: list[int]
) -> list[Drawn]:
    """Sixteen draws of every prompt, prompt after prompt, each from its own seed."""
    sampling = Sampling(max_tokens=length)
    prefixes = TorchPrefixes(model, asked)
    prefixes.reorder(np.repeat(np.arange(len(asked)), 16))
    points = OwnNumbers(range(rows), steps=length)
    return grow(prefixes, points, rows=rows, sampling=sampling, ends=ends)


def agreement(model: LlamaForCausalLM, device: str) -> dict[str, float]:
    """The same draws and the same scores on both devices, in float32."""
    vocabulary = model.config.vocab_size
    asked, sampling = prompts(vocabulary, 16), Sampling(max_tokens=16)
    sides = []
    for where in ("cpu", device):
        model = model.to(where)
        drawn = drawn_by(model, asked, rows=256, length=16, ends=[END])
        rows = [row.ids[:-1] if row.stopped else row.ids for row in drawn[:16]]
        scores = score_tokens(model, asked[0], rows, sampling=sampling, ends=[END], rows=16)
        sides.append((drawn, rows, scores))
    (cpu, rows, scores), (gpu, _, _) = sides
    again = score_tokens(model.to(device), asked[0], rows, sampling=sampling, ends=[END], rows=16)
    own = [sum(row.logprobs) for row in gpu[:16]]
    return {
        "same_draws": float(np.mean([a.ids == b.ids for a, b in zip(cpu, gpu, strict=True)])),
        "largest_score_difference": float(np.abs(scores - again).max()),
        "largest_sampled_against_scored": float(np.abs(np.array(own) - sides[1][2]).max()),
    }


def speed(
    model: LlamaForCausalLM, device: str, dtype: torch.dtype, rows: int, tokens: int = 48
) -> float:
    """Tokens a second, all rows at once, after one round to warm up."""
    model = model.to(device, dtype)
    asked = prompts(model.config.vocab_size, rows // 16)
    seconds = 0.0
    for length in (4, tokens):
        if device != "cpu":
            torch.cuda.synchronize()
        start = time.monotonic()
        drawn_by(model, asked, rows=rows, length=length, ends=[])
        seconds = time.monotonic() - start
    return rows * tokens / seconds


def main() -> int:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # TF32 products would differ from the CPU in the third digit.
    torch.backends.cuda.matmul.allow_tf32 = False
    name = torch.cuda.get_device_name() if device == "cuda" else "no GPU: the CPU against itself"
    result: dict[str, object] = {"device": name, "torch": torch.__version__}
    fine = True
    for size, options in SIZES.items():
        if device == "cpu" and size == "mid":
            continue
        shape = {key: value for key, value in options.items() if key != "rows"}
        model = llama(**shape)
        agreed = agreement(model, device)
        fine &= agreed["same_draws"] > 0.98 and agreed["largest_score_difference"] < 1e-2
        fine &= agreed["largest_sampled_against_scored"] < 1e-2
        dtypes = [torch.float32] if device == "cpu" else [torch.float32, torch.bfloat16]
        result[size] = agreed | {
            f"tokens_per_second_{str(dtype).removeprefix('torch.')}": round(
                speed(model, device, dtype, options["rows"])
            )
            for dtype in dtypes
        }
    print(json.dumps(result | {"agree": bool(fine)}, indent=2))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
