"""Merging two checkpoints of 187 million parameters in bfloat16, against mergekit.

mergekit wants a house of its own: make a virtual environment with mergekit==0.1.5 and name its
interpreter in VARIEGATE_BENCH_MERGEKIT. Without it only our side runs. Each side merges in a
process of its own that has imported everything and merged once before the clock starts; files lie
in the page cache. Peak memory is that of the whole process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ != "__main__":  # a worker has no bench and needs none
    from bench.clock import Row

PEER = "VARIEGATE_BENCH_MERGEKIT"
TURNS = {"linear": 5, "slerp": 3, "passthrough": 5, "ties": 3}
BOUNDS = {"linear": 0.5, "slerp": 0.5, "ties": 0.4, "passthrough": 0.3}
LIMITS = {"linear": "read two files", "passthrough": "read one file"}
HIDDEN, INNER, LAYERS, WORDS = 1024, 2816, 12, 32000


def rows() -> Iterator[Row]:
    peer = os.environ.get(PEER)
    with tempfile.TemporaryDirectory(prefix="merging-") as name:
        folder = Path(name)
        _alone(lambda: _make(folder))
        recipes = _recipes(folder)
        limits = {"linear": _copy(folder, "a", "b"), "passthrough": _copy(folder, "a")}
        for method, text in recipes.items():
            file = folder / f"{method}.yaml"
            file.write_text(text)
            ours = _worker(sys.executable, "ours", file, folder / "ours")
            theirs = _worker(peer, "mergekit", file, folder / "theirs") if peer else None
            yield Row(
                race=f"merge, {method}",
                peer="mergekit 0.1.5" if peer else f"absent: {PEER} names no interpreter",
                ours_s=ours["seconds"],
                peer_s=theirs["seconds"] if theirs else None,
                note=_note(method, ours, theirs, folder),
            )
            if method in limits:
                yield Row(
                    race=f"merge, {method}, against the limit",
                    peer=f"{LIMITS[method]}, write and sync one, in Python",
                    ours_s=ours["seconds"],
                    peer_s=limits[method],
                    note=f"{ours['seconds'] / limits[method]:.2f} times a copy",
                )


def _note(method: str, ours: dict[str, Any], theirs: dict[str, Any] | None, folder: Path) -> str:
    said = f"peak {ours['peak'] / 1e6:.0f} MB, whole process {ours['whole']:.1f} s"
    if theirs is None:
        return said
    share = ours["seconds"] / theirs["seconds"]
    memory = ours["peak"] / theirs["peak"]
    return (
        f"{share:.2f} of its time (wanted {BOUNDS[method]}); {said} against "
        f"{theirs['peak'] / 1e6:.0f} MB ({memory:.2f}), {theirs['whole']:.1f} s; "
        f"{_difference(folder)}"
    )


def _difference(folder: Path) -> str:
    from safetensors import safe_open

    largest = 0.0
    with (
        safe_open(folder / "ours" / "model.safetensors", framework="pt") as a,
        safe_open(next((folder / "theirs").glob("*.safetensors")), framework="pt") as b,
    ):
        for name in a.keys():  # noqa: SIM118
            gap = (a.get_tensor(name).float() - b.get_tensor(name).float()).abs().max()
            largest = max(largest, float(gap))
    return f"largest difference {largest:.1e}"


def _alone(work: Any) -> None:
    """Make the checkpoints in a fork, so that their tensors count in nobody's memory."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("The checkpoints could not be made.")


def _make(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 16,
        "num_key_value_heads": 16, "vocab_size": WORDS, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "hidden_act": "silu",
    }  # fmt: skip
    shapes = {"model.embed_tokens.weight": (WORDS, HIDDEN), "model.norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        stem = f"model.layers.{layer}."
        shapes |= {f"{stem}self_attn.{m}_proj.weight": (HIDDEN, HIDDEN) for m in "qkvo"}
        shapes |= {f"{stem}mlp.{m}_proj.weight": (INNER, HIDDEN) for m in ("gate", "up")}
        shapes[f"{stem}mlp.down_proj.weight"] = (HIDDEN, INNER)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{stem}{norm}.weight"] = (HIDDEN,)
    generator = torch.Generator().manual_seed(0)
    start = {n: 0.02 * torch.randn(s, generator=generator) for n, s in shapes.items()}
    for name in ("base", "a", "b"):
        moved = {
            n: (v if name == "base" else v + 0.002 * torch.randn(v.shape, generator=generator))
            .to(torch.bfloat16)
            for n, v in start.items()
        }  # fmt: skip
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
        save_file(moved, folder / name / "model.safetensors", metadata={"format": "pt"})


def _recipes(folder: Path) -> dict[str, str]:
    """In mergekit's own YAML: both sides read the same file."""
    base, a, b = (str(folder / name) for name in ("base", "a", "b"))
    third = LAYERS // 3

    def model(path: str, **parameters: float) -> dict[str, Any]:
        return {"model": path, "parameters": parameters}

    tables: dict[str, dict[str, Any]] = {
        "linear": {
            "merge_method": "linear",
            "models": [model(a, weight=0.4), model(b, weight=0.6)],
        },
        "slerp": {
            "merge_method": "slerp",
            "base_model": a,
            "models": [{"model": a}, {"model": b}],
            "parameters": {"t": 0.4},
        },
        "passthrough": {
            "merge_method": "passthrough",
            "slices": [
                {"sources": [{"model": path, "layer_range": [first, first + third]}]}
                for path, first in ((a, 0), (b, third), (a, 2 * third))
            ],
        },
        "ties": {
            "merge_method": "ties",
            "base_model": base,
            "models": [model(a, weight=1.0, density=0.2), model(b, weight=1.0, density=0.2)],
        },
    }
    # JSON is YAML.
    return {name: json.dumps({**table, "dtype": "bfloat16"}) for name, table in tables.items()}


def _copy(folder: Path, *names: str) -> float:
    """Seconds to read files side by side and to write and sync the first."""
    times = []
    for _ in range(6):
        start = time.perf_counter()
        with contextlib.ExitStack() as opened:
            files = [
                opened.enter_context((folder / name / "model.safetensors").open("rb"))
                for name in names
            ]
            out = opened.enter_context((folder / "copy").open("wb"))
            while block := files[0].read(1 << 20):
                for other in files[1:]:
                    other.read(1 << 20)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        times.append(time.perf_counter() - start)
        (folder / "copy").unlink()
    return statistics.median(times[1:])


def _worker(interpreter: str | None, side: str, recipe: Path, out: Path) -> dict[str, Any]:
    # Both may use every core in their own way.
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    words = [str(interpreter), __file__, side, str(recipe), str(out), str(TURNS[recipe.stem])]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{side} failed: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _work(side: str, recipe: Path, out: Path, turns: int) -> None:
    """In the worker: only the standard library and one side may be imported here."""
    began = time.perf_counter()
    if side == "ours":
        from variegate.merging import merge

        def once() -> None:
            merge(recipe, out)
    else:
        import yaml
        from mergekit.config import MergeConfiguration
        from mergekit.merge import MergeOptions, run_merge

        def once() -> None:
            table = MergeConfiguration.model_validate(yaml.safe_load(recipe.read_text()))
            options = MergeOptions(copy_tokenizer=False, quiet=True, write_model_card=False)
            run_merge(table, str(out), options)

    times = []
    whole = 0.0
    for _ in range(turns + 1):
        shutil.rmtree(out, ignore_errors=True)
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
        whole = whole or time.perf_counter() - began
    # Unlike that of getrusage, this peak does not begin with the parent's.
    status = Path("/proc/self/status").read_text()
    peak = 1024 * int(status.partition("VmHWM:")[2].split()[0])
    seconds = statistics.median(times[1:])
    print(json.dumps({"seconds": seconds, "whole": whole, "peak": peak}))


if __name__ == "__main__":
    _work(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
