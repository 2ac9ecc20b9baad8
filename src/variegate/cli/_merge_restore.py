"""`variegate merge restore`: which block of layers to take back from the base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from variegate.cli._output import Json, Progress, Quiet, print_json, print_table, say
from variegate.errors import DataError

if TYPE_CHECKING:
    from variegate.merging import Constrained, Recipe

__all__ = ["restore"]

SHOWN = 8


def restore(
    base: Path,
    post: Path,
    *,
    out: Annotated[
        Path | None, Parameter(help="Folder for the restored checkpoint; none is written without.")
    ] = None,
    prompts: Annotated[
        Path | None,
        Parameter(help="Prompts whose target lists the valid items; ours when left out."),
    ] = None,
    format: Annotated[
        Literal["raw", "chat", "empty-reasoning"] | None,
        Parameter(help="How POST is asked; without its reasoning where it has any."),
    ] = None,
    modules: Annotated[
        Literal["all", "attention", "mlp"], Parameter(help="What of the layers comes back.")
    ] = "all",
    floor: Annotated[float, Parameter(help="Share of the validity that must be kept.")] = 0.9,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Find the block of layers to take back from the base, and take it back.

    Every block is tried: how evenly POST with these layers of BASE spreads its
    next token over a listed set, while still answering from that set. Sample
    from what comes out before you trust it: the proxy is one token.

    --json prints schema_version, command, first, end (past the last), entropy,
    validity, least, blocks (first, end, entropy, validity), saliency (of every
    layer), layer_passes, naive_passes, settings, out.

        variegate merge restore checkpoints/base checkpoints/rl --out restored
    """
    from variegate.merging import (
        entropy_saliency,
        merge,
        random_character_prompts,
        search_intervals,
    )
    from variegate.models import transformers_model

    asked = random_character_prompts() if prompts is None else _read(prompts)
    old, new = transformers_model(base), transformers_model(post)
    known = new.formats()
    # The next token of a model that is about to reason is no answer.
    form: Any = format or next(f for f in ("empty-reasoning", "chat", "raw") if f in known)
    found = search_intervals(old, new, asked, format=form, modules=modules, floor=floor)
    saliency = entropy_saliency(old, new, asked, format=form)
    ranked = sorted(found.intervals, key=lambda block: -float(found.entropy[block]))
    blocks = [_block(found.entropy, found.validity, block) for block in ranked]
    if out is not None:
        recipe = _recipe(base, post, found.first, found.end, modules)
        with Progress(quiet=quiet) as progress:
            merge(recipe, out, progress=lambda done, total, file: progress(done, total, file))
    if found.note:
        say(f"careful: {found.note}")
    if json:
        print_json(
            "merge restore", first=found.first, end=found.end,
            entropy=float(found.entropy[found.first, found.end]),
            validity=float(found.validity[found.first, found.end]),
            least=found.least, blocks=blocks, saliency=saliency.layers.tolist(),
            layer_passes=found.layer_passes, naive_passes=found.naive_passes,
            settings=found.settings, out=None if out is None else str(out),
        )  # fmt: skip
        return 0
    rows = [block for block in blocks if block["validity"] >= found.least][:SHOWN]
    print_table(
        ["layers from the base", "entropy, nats", "validity"],
        [[_named(b["first"], b["end"]), _number(b["entropy"]), _number(b["validity"])]
         for b in [_block(found.entropy, found.validity, (0, 0)), *rows]],
    )  # fmt: skip
    slopes = ", ".join(f"{layer}: {value:+.3f}" for layer, value in enumerate(saliency.layers))
    say(f"nats at the first step towards the base, by layer: {slopes}")
    say(f"{found.layer_passes} layer passes a prompt instead of {found.naive_passes}")
    print(f"restore {_named(found.first, found.end)}" if out is None else out)
    return 0


def _read(path: Path) -> tuple[Constrained, ...]:
    from variegate.merging import Constrained
    from variegate.samples import read_prompts

    asked = []
    for one in read_prompts(path):
        valid = one.target
        if not isinstance(valid, list | tuple) or not all(isinstance(item, str) for item in valid):
            raise DataError(
                f"Expected a list of texts as target of {one.prompt[:60]!r} in {path}, "
                f"got {str(valid)[:60]!r}.",
                hint='{"prompt": "Name a digit.", "target": ["0", "1", "2"]}',
            )
        asked.append(Constrained(prompt=one.prompt, valid=tuple(valid)))
    return tuple(asked)


def _recipe(base: Path, post: Path, first: int, end: int, modules: str) -> Recipe:
    """Layers as weights of 1 and 0, which copy bit for bit and know about modules."""
    from variegate.merging import Recipe, Source

    choice: dict[str, Any] = {
        "layers": [first, end],
        "filter": "*" if modules == "all" else modules,
    }
    taken = [{**choice, "value": 1}, {"value": 0}]
    left = [{**choice, "value": 0}, {"value": 1}]
    return Recipe(
        method="linear",
        models=(Source(path=base, weight=taken), Source(path=post, weight=left)),
        settings=post,
        notes=(f"layers {first} to {end - 1} ({modules}) of {base.name}",) if end > first else (),
    )


def _block(entropy: Any, validity: Any, block: tuple[int, int]) -> dict[str, Any]:
    return {
        "first": block[0],
        "end": block[1],
        "entropy": float(entropy[block]),
        "validity": float(validity[block]),
    }


def _named(first: int, end: int) -> str:
    return f"{first} to {end - 1}" if end > first else "none"


def _number(value: float) -> str:
    return f"{value:.4g}"
