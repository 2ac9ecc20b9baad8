"""What a merge must survive, and what it must refuse; rows of the fault list by number."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.merging.conftest import equal, read, tensors, write

from variegate.errors import CheckpointError, MissingExtra, RunConflict, RunLocked, RunUnwritable
from variegate.merging import Recipe, Source, merge

Three = Callable[..., tuple[Path, Path, Path]]


def half(*paths: Path, **settings: Any) -> Recipe:
    models = tuple(Source(path=path, weight=1 / len(paths)) for path in paths)
    return Recipe(method="linear", models=models, **settings)


def digest(folder: Path) -> str:
    told = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            told.update(file.name.encode() + file.read_bytes())
    return told.hexdigest()


KILLED = """
import os, signal, sys
from variegate.merging import merge
left, real = int(sys.argv[3]), os.pwrite
def dying(*words):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*words)
os.pwrite = dying
merge(sys.argv[1], sys.argv[2], shard_bytes=700, threads=1)
"""


@pytest.mark.slow
@pytest.mark.fault(24)
def test_fault_24_a_killed_merge_goes_on_to_the_same_bits(three: Three, tmp_path: Path) -> None:
    base, one, two = three()
    file = tmp_path / "recipe.yaml"
    file.write_text(
        f"{{method: dare, base: {{path: {base}}}, models: [{{path: {one}}}, {{path: {two}}}]}}"
    )
    out, inputs = tmp_path / "out", [digest(folder) for folder in (base, one, two)]
    merge(file, tmp_path / "whole", shard_bytes=700)
    for writes in (0, 1, 4, 9):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(file), str(out), str(writes)], check=False
        )
        assert done.returncode == -9
        assert not out.exists()
    merge(file, out, shard_bytes=700)
    assert digest(out) == digest(tmp_path / "whole")
    assert [digest(folder) for folder in (base, one, two)] == inputs
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.fault(24)
def test_fault_24_finished_files_are_not_made_twice(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    merge(half(one, two), tmp_path / "whole", shard_bytes=700)
    real, sizes = os.replace, []

    def interrupt(source: Any, target: Any) -> None:
        if len(sizes) == 2:
            raise KeyboardInterrupt
        if str(target).endswith(".safetensors"):
            sizes.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        merge(half(one, two), tmp_path / "out", shard_bytes=700)
    monkeypatch.undo()
    written: list[str] = []
    monkeypatch.setattr(os, "replace", lambda a, b: (written.append(Path(b).name), real(a, b))[1])
    merge(half(one, two), tmp_path / "out", shard_bytes=700)
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")
    assert not {Path(name).name for name in sizes} & set(written)


@pytest.mark.fault(24)
def test_fault_24_the_unfinished_merge_of_another_recipe_is_not_continued(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    _fill_the_disk(monkeypatch, after=3)
    with pytest.raises(RunUnwritable):
        merge(half(one, two), tmp_path / "out", shard_bytes=700)
    monkeypatch.undo()
    with pytest.raises(RunConflict, match="another recipe"):
        merge(half(two, one), tmp_path / "out", shard_bytes=700)
    os.utime(one / "model.safetensors", (1, 1))  # an input that was written again
    with pytest.raises(RunConflict, match="inputs changed"):
        merge(half(one, two), tmp_path / "out", shard_bytes=700)


def _fill_the_disk(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    real, count = os.pwrite, 0

    def full(*words: Any) -> int:
        nonlocal count
        count += 1
        if count > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*words)

    monkeypatch.setattr(os, "pwrite", full)


@pytest.mark.fault(25)
@pytest.mark.parametrize("after", [0, 1, 5, 12])
def test_fault_25_a_full_disk_in_the_middle(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    _, one, two = three()
    inputs = digest(one), digest(two)
    merge(half(one, two), tmp_path / "whole", shard_bytes=700)
    _fill_the_disk(monkeypatch, after=after)
    with pytest.raises(RunUnwritable, match="No space left") as error:
        merge(half(one, two), tmp_path / "out", shard_bytes=700)
    assert error.value.exit_code == 1
    assert "out" in str(error.value)
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert (digest(one), digest(two)) == inputs
    merge(half(one, two), tmp_path / "out", shard_bytes=700)
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")


@pytest.mark.fault(25)
def test_fault_25_a_disk_that_fails_while_it_syncs_ahead_is_not_overlooked(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells such a failure once, and not to the last sync."""
    _, one, two = three()

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("variegate.merging._write.AHEAD", 1)
    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(RunUnwritable, match="Input/output error"):
        merge(half(one, two), tmp_path / "out", shard_bytes=700)
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.fault(25)
def test_fault_25_room_is_looked_for_before_the_first_byte(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    _, one, two = three()
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(RunUnwritable, match="GB free"):
        merge(half(one, two), tmp_path / "out")
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.fault(25)
def test_fault_25_short_writes_are_finished(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    merge(half(one, two), tmp_path / "whole")
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda h, data, place: real(h, data[:7], place))
    merge(half(one, two), tmp_path / "out")
    assert equal(read(tmp_path / "out"), read(tmp_path / "whole"))


def test_two_processes_do_not_write_one_merge(three: Three, tmp_path: Path) -> None:
    from filelock import FileLock

    _, one, two = three()
    work = tmp_path / ".out.merging"
    work.mkdir()
    with FileLock(work / ".lock"), pytest.raises(RunLocked):
        merge(half(one, two), tmp_path / "out")


def _header(folder: Path, change: Callable[[dict[str, Any]], None], extra: bytes = b"") -> None:
    file = folder / "model.safetensors"
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    change(header)
    told = json.dumps(header).encode()
    file.write_bytes(len(told).to_bytes(8, "little") + told + raw[8 + length :] + extra)


NAME = "model.norm.weight"
LIES: dict[str, Callable[[Path], None]] = {
    "a pickle": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
    "nothing at all": lambda f: (f / "model.safetensors").unlink(),
    "an empty file": lambda f: (f / "model.safetensors").write_bytes(b""),
    "a huge header": lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 7 + b"\x00{}"),
    "no JSON": lambda f: (f / "model.safetensors").write_bytes(
        (4).to_bytes(8, "little") + b"{[,}" + bytes(9)
    ),
    "overlapping tensors": lambda f: _header(f, lambda h: h[NAME].update(data_offsets=[0, 32])),
    "a huge declared size": lambda f: _header(
        f, lambda h: h[NAME].update(shape=[2**40], data_offsets=[0, 2**42])
    ),
    "a shape that does not fit": lambda f: _header(f, lambda h: h[NAME].update(shape=[9])),
    "a negative size": lambda f: _header(f, lambda h: h[NAME].update(shape=[-8])),
    "bytes behind the end": lambda f: _header(f, lambda h: None, extra=b"x" * 64),
    "a truncated file": lambda f: os.truncate(
        f / "model.safetensors", (f / "model.safetensors").stat().st_size - 3
    ),
    "an unknown type": lambda f: _header(f, lambda h: h[NAME].update(dtype="PICKLE")),
}


@pytest.mark.fault(28)
@pytest.mark.parametrize("lie", LIES)
def test_fault_28_files_that_lie_are_refused_before_anything_is_written(
    three: Three, tmp_path: Path, lie: str
) -> None:
    _, one, two = three()
    LIES[lie](two)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError) as error:
        merge(half(one, two), tmp_path / "out")
    if lie == "a pickle":
        assert "safetensors" in str(error.value.hint)
        assert "pytorch_model.bin" in str(error.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.fault(28)
def test_fault_28_an_index_must_tell_the_truth(tmp_path: Path, three: Three) -> None:
    _, one, two = three(files=2)
    index = two / "model.safetensors.index.json"
    table = json.loads(index.read_text())
    for change in (
        {**table["weight_map"], "model.norm.weight": "model-00009-of-00002.safetensors"},
        {**table["weight_map"], "model.extra.weight": "model-00001-of-00002.safetensors"},
        {**table["weight_map"], "model.norm.weight": "model.bin"},
    ):
        index.write_text(json.dumps({"weight_map": change}))
        with pytest.raises(CheckpointError):
            merge(half(one, two), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(28)
def test_fault_28_a_file_that_shrinks_while_it_is_read(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    monkeypatch.setattr(os, "preadv", lambda *words: 0)
    with pytest.raises(CheckpointError, match="shorter"):
        merge(half(one, two), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(28)
def test_fault_28_adapters_as_pickles_or_of_another_kind(three: Three, tmp_path: Path) -> None:
    base, _, _ = three()
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    recipe = Recipe(method="linear", models=(Source(path=base, adapter=adapter, weight=1),))
    wrong: list[tuple[dict[str, Any], dict[str, torch.Tensor] | None]] = [
        ({"peft_type": "IA3"}, None),
        ({"peft_type": "LORA"}, None),
        ({"peft_type": "LORA", "use_dora": True}, {}),
        ({"peft_type": "LORA"}, {"base_model.model.nowhere.lora_A.weight": torch.ones(2, 8),
                                 "base_model.model.nowhere.lora_B.weight": torch.ones(8, 2)}),
        ({"peft_type": "LORA"}, {"base_model.model.model.norm.lora_A.weight": torch.ones(2, 8)}),
        ({"peft_type": "LORA"}, {
            "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": torch.ones(2, 9),
            "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight": torch.ones(12, 2)}),
    ]  # fmt: skip
    for config, weights in wrong:
        (adapter / "adapter_config.json").write_text(json.dumps(config))
        (adapter / "adapter_model.bin").write_bytes(b"\x80pickle")
        if weights is not None:
            save_file(weights or {"x": torch.ones(1)}, adapter / "adapter_model.safetensors")
        with pytest.raises(CheckpointError):
            merge(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(29)
def test_fault_29_a_dry_run_lists_everything_and_writes_nothing(tmp_path: Path) -> None:
    one = write(tmp_path / "one", tensors(0, head=True))
    other = tensors(1, dtype=torch.float16, head=True)
    other["model.embed_tokens.weight"] = torch.ones(9, 8)
    other["model.layers.0.mlp.up_proj.weight"] = torch.ones(12, 9)
    other["model.extra.weight"] = torch.ones(2)
    del other["model.norm.weight"], other["lm_head.weight"]
    two = write(tmp_path / "two", other, config={"tie_word_embeddings": False})
    before = sorted(tmp_path.rglob("*"))
    plan = merge(half(one, two), tmp_path / "out", dry_run=True)
    told = "\n".join(plan.problems)
    for words in (
        "model.embed_tokens.weight has another vocabulary: (8, 8) and (9, 8)",
        "model.layers.0.mlp.up_proj.weight has another shape: (12, 8) and (12, 9)",
        f"model.extra.weight is missing in {one}",
        f"model.norm.weight is missing in {two}",
        f"lm_head.weight is missing in {two}",
    ):
        assert words in told
    assert len(plan.problems) == 5
    assert any("F16, F32" in note for note in plan.notes)
    with pytest.raises(CheckpointError, match="5 problems"):
        merge(half(one, two), tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.fault(29)
def test_fault_29_tokens_that_moved_are_a_mismatch(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    tokenizer = json.loads((two / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] |= {"c": 7, "d": 6}
    (two / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match="2 tokens have another row"):
        merge(half(one, two), tmp_path / "out")


@pytest.mark.fault(29)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("method", ["linear", "slerp", "ties", "dare", "copied"])
def test_fault_29_nan_in_an_input_names_the_file(
    three: Three, tmp_path: Path, value: float, method: str
) -> None:
    base, one, two = three()
    broken = read(two)
    broken[NAME][3] = value
    write(two, broken)
    models = (Source(path=one), Source(path=two))
    settings: dict[str, Any] = {"method": method, "models": models}
    if method == "slerp":
        settings["t"] = 0.5
    if method in ("ties", "dare"):
        settings["base"] = Source(path=base)
    if method == "copied":
        settings |= {"method": "linear", "models": (Source(path=two, weight=1),)}
    with pytest.raises(CheckpointError, match=r"two.*NaN or infinity.*model\.norm"):
        merge(Recipe(**settings), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.fault(29)
def test_fault_29_infinity_that_the_merge_makes_is_not_blamed_on_an_input(
    tmp_path: Path, three: Three
) -> None:
    base, one, two = three(dtype=torch.float16)
    models = (Source(path=one, weight=9e5), Source(path=two, weight=9e5))
    recipe = Recipe(method="task_arithmetic", base=Source(path=base), models=models)
    with pytest.raises(CheckpointError, match="whose parts are finite"):
        merge(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(29)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str
)
def test_fault_29_nan_in_a_copied_tensor_of_any_type(
    tmp_path: Path, dtype: torch.dtype, value: float
) -> None:
    found = {name: tensor.to(dtype) for name, tensor in tensors(0).items()}
    largest = torch.finfo(dtype).max
    found[NAME][:3] = torch.tensor([largest, -largest, -0.0], dtype=dtype)
    model = write(tmp_path / "model", found)
    recipe = Recipe(method="linear", models=(Source(path=model, weight=1),))
    merge(recipe, tmp_path / "whole")
    assert equal(read(tmp_path / "whole"), found)
    found[NAME][3] = value
    write(model, found)
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        merge(recipe, tmp_path / "broken")


@pytest.mark.fault(29)
def test_fault_29_infinity_by_rounding_to_a_smaller_type(tmp_path: Path) -> None:
    found = {name: tensor.clone() for name, tensor in tensors(0).items()}
    found[NAME][3] = torch.finfo(torch.float32).max  # finite, and nearest to infinity in bfloat16
    one, two = write(tmp_path / "one", found), write(tmp_path / "two", found)
    with pytest.raises(CheckpointError, match="whose parts are finite"):
        merge(half(one, two, dtype="bfloat16"), tmp_path / "out")


@pytest.mark.fault(29)
def test_fault_29_large_finite_sums_are_no_infinity(tmp_path: Path) -> None:
    large = {n: torch.full_like(v, 3e38) for n, v in tensors(0).items()}
    one, two = write(tmp_path / "one", large), write(tmp_path / "two", large)
    merge(half(one, two), tmp_path / "out")
    assert equal(read(tmp_path / "out"), large)


@pytest.mark.fault(34)
def test_fault_34_names_do_not_lead_out_of_the_folder(tmp_path: Path, three: Three) -> None:
    _, one, two = three(files=2)
    index = two / "model.safetensors.index.json"
    (tmp_path / "stolen.safetensors").write_bytes(
        (one / "model-00001-of-00002.safetensors").read_bytes()
    )
    index.write_text(json.dumps({"weight_map": {"w": "../stolen.safetensors"}}))
    with pytest.raises(CheckpointError, match="Expected a file in"):
        merge(half(one, two), tmp_path / "out")


@pytest.mark.fault(34)
def test_fault_34_nothing_is_written_through_a_link(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / ".out.merging").symlink_to(elsewhere)
    with pytest.raises(RunConflict, match="link"):
        merge(half(one, two), tmp_path / "out")
    assert not any(elsewhere.iterdir())


@pytest.mark.fault(34)
def test_fault_34_a_name_that_is_too_long(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    with pytest.raises(RunUnwritable):
        merge(half(one, two), tmp_path / ("x" * 300))


@pytest.mark.fault(34)
def test_fault_34_code_beside_the_weights_is_not_taken_along(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    (two / "modeling_own.py").write_text("raise SystemExit")
    merge(half(one, two), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.py"))


@pytest.mark.fault(38)
def test_fault_38_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("{method: linear, models: [{path: a}]}")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtra) as error:
        Recipe.read(file)
    assert "pip install" in str(error.value.hint)


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import variegate.merging
from variegate.errors import MissingExtra
try:
    variegate.merging.linear
except MissingExtra as error:
    print(error.hint)
"""


@pytest.mark.fault(38)
def test_fault_38_the_room_opens_without_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "pip install 'variegate[merge]'"
