"""Where in the weights: how far each module of each layer moved between two checkpoints."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from variegate.errors import CheckpointError, MissingExtra
from variegate.lineage._lineage import Lineage
from variegate.lineage._tables import TABLES, stacked, table
from variegate.lineage.probes._spectra import effective_rank
from variegate.metrics import Caution
from variegate.models import checkpoint_files

if TYPE_CHECKING:
    import torch

__all__ = ["MODULES", "layer_changes", "layers_of"]

MODULES = ("embedding", "q", "k", "v", "o", "gate", "up", "down", "norm", "other", "head")

# What the families of Hugging Face call the same module; the first that fits names it.
_NAMES = (
    ("embedding", r"(embed_tokens|wte|wpe|word_embeddings|embed_in|position_embeddings)\."),
    ("head", r"^(lm_head|embed_out|output)\."),
    ("norm", r"(norm|ln_\w+)\d*\.|layernorm"),
    ("q", r"\b(q_proj|query|wq)\."),
    ("k", r"\b(k_proj|key|wk)\."),
    ("v", r"\b(v_proj|value|wv)\."),
    ("o", r"\b(o_proj|out_proj|wo)\.|attention\.dense\.|attn\.c_proj\."),
    ("gate", r"\b(gate_proj|w1)\."),
    ("up", r"\b(up_proj|w3|fc1|c_fc|dense_h_to_4h)\."),
    ("down", r"\b(down_proj|w2|fc2|dense_4h_to_h)\.|mlp\.c_proj\."),
)


def layers_of(lineage: Lineage) -> tuple[pl.DataFrame, tuple[Caution, ...]]:
    """Change of the weights at every step between two stages that are both checkpoint folders.

    Returns:
        The table `layers` of `Trace`, and what had to be left out. Empty for saved outputs, for
        models that are objects, and for GGUF files.
    """
    folders = {
        stage.name: stage.model
        for stage in lineage.order
        if isinstance(stage.model, Path) and stage.gguf_file is None
    }
    tables, cautions = [], []
    for stage in lineage.order:
        parent = lineage.stage(stage.parent) if stage.parent else None
        if parent is None or not {stage.name, parent.name} <= folders.keys():
            continue
        before = folders.get(parent.parent or "")
        changes, left_out = layer_changes(folders[stage.name], folders[parent.name], before)
        tables.append(table("layers", changes, stage=stage.name, parent=parent.name))
        cautions += [
            Caution(kind="weights", where=stage.name, count=count, total=total, text=text)
            for count, total, text in left_out
        ]
    return stacked("layers", tables), tuple(cautions)


def layer_changes(
    stage: str | Path, parent: str | Path, grandparent: str | Path | None = None
) -> tuple[pl.DataFrame, tuple[tuple[int, int, str], ...]]:
    """Change of every module of every layer from the parent to the stage, in float32.

    With Δ = W_stage − W_parent: the relative norm ‖Δ‖ / ‖W_parent‖ (Frobenius, all tensors of
    the module together); the effective rank exp(H(σ / Σσ)) of the singular values σ of Δ
    (`Roy 2007 <https://ieeexplore.ieee.org/document/7098875>`_), the largest over the module's
    matrices; and, against the parent's own change Δ' from the grandparent, the share of entries
    where both moved and in the same direction, and the cosine of Δ and Δ'.

    Two tensors per checkpoint are in memory at a time. Layer −1 is what belongs to no layer.

    Args:
        stage: folder of the later checkpoint.
        parent: folder of what it was trained from.
        grandparent: folder of what the parent was trained from; without it the last two columns
            are null.

    Returns:
        The table layer, module, relative_norm (0 where nothing moved), effective_rank (between 1
        and the smaller side; 0 where nothing moved; null for vectors), sign_agreement in [0, 1]
        (0.5 by chance), cosine in [−1, 1]; and for every kind of tensor left out its count, the
        total, and a sentence.

    Raises:
        CheckpointError: no sound safetensors in a folder, or NaN in a tensor.
        MissingExtra: torch or safetensors is not installed.

    Example:
        >>> from variegate.lab import lab_lineage
        >>> folder = lab_lineage().parent / "checkpoints"
        >>> changes, left_out = layer_changes(folder / "instruct-sft", folder / "base")
        >>> changes.row(0, named=True)["module"], changes["relative_norm"].min() > 0, left_out
        ('embedding', True, ())
    """
    with ExitStack() as opened:
        later, before = (opened.enter_context(_Tensors(folder)) for folder in (stage, parent))
        first = opened.enter_context(_Tensors(grandparent)) if grandparent is not None else None
        return _changes(later, before, first)


def _changes(
    stage: _Tensors, parent: _Tensors, grandparent: _Tensors | None
) -> tuple[pl.DataFrame, tuple[tuple[int, int, str], ...]]:
    ours, theirs = set(stage.names()), set(parent.names())
    different = sorted(n for n in ours & theirs if stage.shape(n) != parent.shape(n))
    groups: dict[tuple[int, str], list[str]] = defaultdict(list)
    for name in sorted((ours & theirs) - set(different)):
        groups[_place(name)].append(name)
    rows = [
        {"layer": layer, "module": module, **_change(names, stage, parent, grandparent)}
        for (layer, module), names in sorted(groups.items(), key=lambda g: _order(g[0]))
    ]
    columns = dict(list(TABLES["layers"].items())[2:])
    return pl.DataFrame(rows, schema=columns), tuple(_left_out(different, ours, theirs))


class _Tensors:
    """The tensors of one checkpoint folder, read one at a time; a context manager.

    Raises:
        CheckpointError: no sound safetensors in the folder, see `checkpoint_files`.
        MissingExtra: torch or safetensors is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from safetensors import safe_open
        except ImportError as error:
            raise MissingExtra("Reading weights", "torch") from error
        self.folder = Path(folder)
        self._open = ExitStack()
        self._files: dict[str, Any] = {}
        for path in checkpoint_files(self.folder):
            handle = self._open.enter_context(safe_open(path, framework="pt", device="cpu"))
            self._files.update(dict.fromkeys(handle.keys(), handle))

    def __enter__(self) -> _Tensors:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def names(self) -> tuple[str, ...]:
        """Names of the tensors, each weight once: a head tied to the embedding is left out."""
        names = sorted(self._files)
        if self._tied() and any(_place(name)[1] == "embedding" for name in names):
            names = [name for name in names if _place(name)[1] != "head"]
        return tuple(names)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a tensor; None where there is none of this name."""
        return tuple(self._files[name].get_slice(name).get_shape()) if name in self._files else None

    def __getitem__(self, name: str) -> torch.Tensor:
        tensor: torch.Tensor = self._files[name].get_tensor(name).float()
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{self.folder} holds NaN or infinity in {name!r}.",
                hint="Copy or download the checkpoint again.",
            )
        return tensor

    def _tied(self) -> bool:
        path = self.folder / "config.json"
        if not path.is_file():
            return False
        try:
            config = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} is no JSON.") from error
        return isinstance(config, dict) and bool(config.get("tie_word_embeddings", False))


def _change(
    names: Sequence[str], stage: _Tensors, parent: _Tensors, grandparent: _Tensors | None
) -> Mapping[str, float | None]:
    moved = size = moved_before = dot = 0.0
    same = both = 0
    rank: float | None = None
    for name in names:
        before = parent[name]
        delta = stage[name] - before
        moved += float(delta.square().sum())
        size += float(before.square().sum())
        if delta.ndim == 2:
            rank = max(rank or 0.0, effective_rank(delta.numpy()) if delta.any() else 0.0)
        if grandparent is not None and grandparent.shape(name) == tuple(before.shape):
            earlier = before - grandparent[name]
            moved_before += float(earlier.square().sum())
            dot += float((delta * earlier).sum())
            together = (delta != 0) & (earlier != 0)
            both += int(together.sum())
            same += int(((delta > 0) == (earlier > 0))[together].sum())
    return {
        "relative_norm": math.sqrt(moved / size) if size else None,
        "effective_rank": rank,
        "sign_agreement": same / both if both else None,
        "cosine": max(-1.0, min(1.0, dot / math.sqrt(moved * moved_before)))
        if moved and moved_before
        else None,
    }


def _place(name: str) -> tuple[int, str]:
    """Layer and module a tensor belongs to, from its name."""
    layer = re.search(r"(?:layers|h|blocks)\.(\d+)\.", name)
    module = next((module for module, pattern in _NAMES if re.search(pattern, name)), "other")
    return (int(layer[1]) if layer else -1), module


def _order(place: tuple[int, str]) -> tuple[int, int]:
    return place[0], MODULES.index(place[1])


def _left_out(
    different: Sequence[str], ours: set[str], theirs: set[str]
) -> Iterator[tuple[int, int, str]]:
    total, alone = len(ours | theirs), sorted(ours ^ theirs)
    if different:
        text = f"Tensors of another shape than the parent's are left out (first: {different[0]})."
        yield len(different), total, text
    if alone:
        yield len(alone), total, f"Tensors of one checkpoint only are left out (first: {alone[0]})."
