"""LoRA adapters as peft writes them: what they add to the weights of their base."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from variegate.errors import CheckpointError
from variegate.models import check_safetensors

__all__ = ["Adapter"]

PREFIX = "base_model.model."
PAIRS = (
    (".lora_A.weight", ".lora_B.weight", False),
    (".lora_embedding_A", ".lora_embedding_B", True),
)
FLOATS = ("F64", "F32", "F16", "BF16")


class Adapter:
    """What an adapter adds: ΔW = s · B A per pair, with s = α/r (α/√r for rank-stabilised ones).

    Raises:
        CheckpointError: no sound adapter, one of another kind, or one whose tensors do not fit
            the base.
    """

    def __init__(self, folder: str | Path, base: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        config = self._config()
        path = self.folder / "adapter_model.safetensors"
        if not path.is_file():
            raise CheckpointError(
                f"Expected adapter_model.safetensors in {self.folder}, found none.",
                hint="Save the adapter again with safetensors; pickles are refused.",
            )
        check_safetensors(path)
        from safetensors import safe_open

        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        for name, tensor in tensors.items():
            if not torch.isfinite(tensor).all():
                raise CheckpointError(f"{path} holds NaN or infinity in {name!r}.")
        self._pairs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._whole: dict[str, torch.Tensor] = {}
        used = set()
        for name, a in tensors.items():
            for end_a, end_b, transposed in PAIRS:
                partner = name.removesuffix(end_a) + end_b
                if name.endswith(end_a) and partner in tensors:
                    module = name.removesuffix(end_a)
                    shapes = [tuple(one.shape) for one in (a, tensors[partner])]
                    if not (a.ndim == tensors[partner].ndim == 2 and a.shape[0]) or (
                        a.shape[0] != tensors[partner].shape[1]
                    ):
                        raise CheckpointError(
                            f"{path} has A and B of no common rank in {module!r}: {shapes}."
                        )
                    b = tensors[partner] * self._scale(config, module, a.shape[0])
                    # Rows of the weight: B A for a linear layer, (B A)ᵀ = Aᵀ Bᵀ where it is turned.
                    turned = transposed or bool(config.get("fan_in_fan_out"))
                    target = self._target(module + ".weight", base)
                    self._pairs[target] = (a.T, b.T) if turned else (b, a)
                    used |= {name, partner}
        for name in tensors.keys() - used:
            if ".lora_" in name:
                raise CheckpointError(f"Cannot read {name!r} of {path}: only pairs of A and B are.")
            # Retrained modules, and embeddings that peft saves beside their own pair.
            plain = name.replace(".modules_to_save", "").replace(".base_layer", "")
            self._whole[self._target(plain, base)] = tensors[name]
        self._fit(base)

    def __contains__(self, name: object) -> bool:
        return name in self._pairs or name in self._whole

    def __iter__(self) -> Any:
        return iter([*self._pairs, *self._whole])

    def add(self, name: str, start: int, values: torch.Tensor) -> None:
        """Add ΔW to a stretch of the flattened weight in float32."""
        if name in self._whole:
            values.copy_(self._whole[name].reshape(-1)[start : start + values.numel()])
        if name in self._pairs:
            left, right = self._pairs[name]
            width = right.shape[1]
            first, last = start // width, -(-(start + values.numel()) // width)
            rows = (left[first:last] @ right).reshape(-1)
            values.add_(rows[start - first * width :][: values.numel()])

    def _config(self) -> dict[str, Any]:
        path = self.folder / "adapter_config.json"
        try:
            config = json.loads(path.read_bytes())
            if str(config["peft_type"]).upper() != "LORA":
                raise CheckpointError(f"Expected a LoRA adapter, got {config['peft_type']!r}.")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"Expected an adapter_config.json of peft at {path}.") from error
        if config.get("use_dora") or config.get("bias", "none") != "none":
            raise CheckpointError(
                f"The adapter {self.folder} is no plain LoRA (DoRA, or with biases).",
                hint="Merge it with peft's merge_and_unload and save the whole model.",
            )
        return dict(config)

    def _scale(self, config: Mapping[str, Any], module: str, rank: int) -> float:
        """Factor of one pair; it may have its own α, by a pattern for the end of its name."""
        name = module.removeprefix(PREFIX)
        alpha = config.get("lora_alpha", rank)
        try:
            for pattern, value in (config.get("alpha_pattern") or {}).items():
                if re.match(rf"(.*\.)?({pattern})$", name):
                    alpha = value
                    break
            scale = float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)
        except (TypeError, ValueError, AttributeError, re.error) as error:
            raise CheckpointError(
                f"The adapter {self.folder} has no readable lora_alpha or alpha_pattern: {error}."
            ) from error
        if not math.isfinite(scale):
            raise CheckpointError(f"The adapter {self.folder} scales {name!r} by {scale}.")
        return scale

    def _target(self, name: str, base: Collection[str]) -> str:
        name = name.removeprefix(PREFIX)
        # A bare model stores `layers.0…` where the one with a head stores `model.layers.0…`.
        for known in (name, f"model.{name}", re.sub(r"^model\.", "", name)):
            if known in base:
                return known
        raise CheckpointError(f"The adapter {self.folder} changes {name!r}, which its base lacks.")

    def _fit(self, base: Mapping[str, Any]) -> None:
        shapes: dict[str, tuple[int, ...]] = {
            name: (a.shape[0], b.shape[1]) for name, (a, b) in self._pairs.items()
        }
        shapes |= {name: tuple(whole.shape) for name, whole in self._whole.items()}
        for name, shape in shapes.items():
            if base[name].dtype not in FLOATS:
                raise CheckpointError(
                    f"The adapter {self.folder} changes {name!r}, which is stored as "
                    f"{base[name].dtype}.",
                    hint="Use the checkpoint that is not quantised.",
                )
            if tuple(base[name].shape) != shape:
                raise CheckpointError(
                    f"The adapter {self.folder} adds {shape} to {name!r}, which is "
                    f"{tuple(base[name].shape)}."
                )
