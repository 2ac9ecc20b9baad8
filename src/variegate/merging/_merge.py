"""Merging checkpoints of any size: files in, files out, a few pieces in memory."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from variegate import __version__
from variegate.errors import CheckpointError, RunConflict, RunLocked, RunUnwritable, UsageError
from variegate.merging._checkpoint import DTYPES, Stored
from variegate.merging._dare import Dare
from variegate.merging._method import PIECE, Piece
from variegate.merging._plan import Output, Plan, plan_merge
from variegate.merging._recipe import Recipe
from variegate.merging._sources import Sources
from variegate.merging._write import Shard, shards_of, sync_folder, unwritable
from variegate.samples import write_atomically

__all__ = ["merge"]

NOTE = ".fingerprint"
INFINITY = {"F64": (8, 0x7FF << 52), "F32": (4, 0xFF << 23), "F16": (2, 0x1F << 10),
            "BF16": (2, 0xFF << 7)}  # fmt: skip
"""Bytes of a number, and infinity as an integer."""
Item = TypeVar("Item")
Found = TypeVar("Found")

COPIED = (
    "generation_config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json",
    "vocab.*", "merges.txt", "chat_template.*", "*.model",
)  # fmt: skip


def merge(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    dry_run: bool = False,
    shard_bytes: int = 5_000_000_000,
    threads: int = 2,
    progress: Callable[[int, int, str], None] | None = None,
) -> Plan:
    """Merge checkpoints as a recipe says, and write the result as a checkpoint.

    The files are read and written piece by piece, so memory does not grow with the models. All
    that stands against the merge is found before the first byte is written. The result appears
    under its name when all of it is on disk: until then it grows in a hidden folder beside it,
    from which the same call goes on after a kill, to the same bits.

    Args:
        recipe: what to merge, or the path of a recipe file (ours or mergekit's).
        out: folder of the result; it must not exist, or hold this very merge.
        dry_run: look, write nothing.
        shard_bytes: largest size of one file of weights.
        threads: that merge side by side; the result does not depend on them.
        progress: called with bytes done, bytes in all and the file.

    Returns:
        The plan: with `dry_run` its `problems` may not be empty.

    Raises:
        CheckpointError: an unsound input (pickles, headers that lie, missing files), models that
            do not fit each other, NaN or infinity in an input or in the result.
        RunConflict: something else lies at `out`, or the unfinished merge of another recipe.
        RunLocked: another process writes there.
        RunUnwritable: the disk is full or read-only; finished files are kept for the next try.

    Example:
        >>> import tempfile
        >>> from variegate.merging import Recipe, Source
        >>> from variegate.lab import lab_lineage
        >>> checkpoints = lab_lineage().parent / "checkpoints"
        >>> recipe = Recipe(
        ...     method="linear",
        ...     models=(
        ...         Source(path=checkpoints / "base", weight=0.4),
        ...         Source(path=checkpoints / "instruct-rl", weight=0.6),
        ...     ),
        ... )
        >>> merge(recipe, tempfile.mkdtemp() + "/middle").bytes
        871488
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.read(recipe)
    out = Path(os.path.abspath(out))  # "." has a name too, and a link is not followed
    if shard_bytes < 1 or threads < 1:
        raise UsageError(f"Expected at least 1 byte and thread, got {shard_bytes} and {threads}.")
    with Sources(recipe) as sources:
        plan = plan_merge(sources)
        if dry_run:
            return plan
        plan.check()
        with unwritable(out):
            if _finished(out, plan):
                return plan
        work = out.parent / f".{out.name}.merging"
        _start(work, plan, shard_bytes)
        lock = FileLock(work / ".lock", thread_local=False)
        try:
            with lock.acquire(timeout=0):
                with unwritable(out):
                    done = _finished(out, plan)  # by another process, since the first look
                if not done:
                    _write(work, sources, plan, recipe, shard_bytes, threads, progress)
        except Timeout as error:
            raise RunLocked(f"Another process merges into {out}.") from error
        with unwritable(out):
            (work / ".lock").unlink(missing_ok=True)
            if done:
                shutil.rmtree(work)
                return plan
            os.replace(work, out)
            (out / NOTE).unlink(missing_ok=True)
        sync_folder(out.parent)
        return plan


def _finished(out: Path, plan: Plan) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        if out.is_symlink():
            raise RunConflict(f"{out} is a link.", hint="Name the folder itself with --out.")
        return False
    try:
        told = json.loads((out / "merge.json").read_bytes())
        same = bool(told["fingerprint"] == plan.fingerprint)
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise RunConflict(
            f"Something else lies at {out} already.", hint="Name another folder with --out."
        )
    return True


def _start(work: Path, plan: Plan, shard_bytes: int) -> None:
    """Make the hidden folder, or go on in it if it belongs to this very merge."""
    with unwritable(work):
        if work.is_symlink():
            raise RunConflict(f"{work} is a link; nothing is written through it.")
        work.mkdir(parents=True, exist_ok=True)
        note, told = work / NOTE, f"{plan.fingerprint} {shard_bytes}"
        # Files without a note may be anybody's.
        known = note.read_text(encoding="utf-8") if note.is_file() else None
        if known != told and (known is not None or any(work.glob("*.safetensors"))):
            raise RunConflict(
                f"{work} holds the unfinished merge of another recipe or of files of another size, "
                "or its inputs changed.",
                hint="Delete that folder, or name another one with --out.",
            )
        free = shutil.disk_usage(work).free + sum(f.stat().st_size for f in work.iterdir())
    if free < plan.bytes:
        raise RunUnwritable(
            f"Expected {plan.bytes / 1e9:.2f} GB free for {work}, found {free / 1e9:.2f} GB."
        )
    write_atomically(note, told)


def _write(
    work: Path,
    sources: Sources,
    plan: Plan,
    recipe: Recipe,
    shard_bytes: int,
    threads: int,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    shards = shards_of(plan.outputs, shard_bytes)
    missing = [shard for shard in shards if not (work / shard[0]).exists()]
    done = plan.bytes - sum(output.bytes for _, group in missing for output in group)
    with _Streams(sources, threads) as streams:
        computed = [o for _, group in missing for o in group if o.copied is None]
        if computed:
            # What is looked at must not hang on how much was finished before a kill.
            everything = [output for output in plan.outputs if output.copied is None]
            sources.method.prepare(lambda look: streams.scan(everything, look))
        for name, group in missing:
            with Shard(work / name, group) as shard:
                for size in streams.fill(shard):
                    done += size
                    if progress is not None:
                        progress(done, plan.bytes, name)
    _settings(work, plan, recipe, shards)


def _settings(
    work: Path, plan: Plan, recipe: Recipe, shards: list[tuple[str, list[Output]]]
) -> None:
    """Everything beside the weights; code files of a checkpoint are not taken along."""
    if len(shards) > 1:
        table = {output.name: name for name, group in shards for output in group}
        index = {"metadata": {"total_size": plan.bytes}, "weight_map": table}
        _json(work / "model.safetensors.index.json", index)
    for pattern in COPIED:
        for file in sorted(plan.settings.glob(pattern)):
            if file.is_file():
                write_atomically(work / file.name, file.read_bytes())
    _json(work / "config.json", dict(plan.config))
    write_atomically(work / "recipe.yaml", recipe.to_yaml())
    about = {
        "fingerprint": plan.fingerprint,
        "variegate": __version__,
        "torch": torch.__version__,
        "method": recipe.method,
        "notes": list(plan.notes),
    }
    _json(work / "merge.json", about)


def _json(path: Path, table: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(table, indent=2, ensure_ascii=False) + "\n")


class _Streams:
    """Threads that read, merge and write pieces, each with buffers of its own."""

    def __init__(self, sources: Sources, threads: int) -> None:
        self.sources, self.threads = sources, threads
        self.checked = isinstance(sources.method, Dare)
        self._own = threading.local()

    def __enter__(self) -> _Streams:
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(
            self.threads, initializer=torch.set_num_threads, initargs=(1,)
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._before)

    def scan(self, outputs: Iterable[Output], look: Callable[[Piece], Found]) -> Iterator[Found]:
        """Hand every piece to a function, several at a time; results come in order."""

        def work(item: tuple[Output, int]) -> Found:
            return look(self._piece(*item))

        return self._each(work, _starts(outputs))

    def fill(self, shard: Shard) -> Iterator[int]:
        """Compute or copy every tensor of a shard; yields bytes written."""

        def work(item: tuple[Output, int]) -> int:
            output, start = item
            return self._compute(shard, output, start)

        def take(item: tuple[Output, int]) -> int:
            return self._copy(shard, *item)

        yield from self._each(work, _starts(o for o in shard.outputs if o.copied is None))
        yield from self._each(take, _stretches(o for o in shard.outputs if o.copied is not None))

    def _each(self, work: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
        waiting: deque[Future[Found]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(work, item))
                if len(waiting) > 4 * self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting)

    def _buffers(self) -> tuple[list[bytearray], list[torch.Tensor], bytearray]:
        if not hasattr(self._own, "raw"):
            count = len(self.sources.all)
            self._own.raw = [bytearray(PIECE * 8) for _ in range(count)]
            self._own.values = [torch.empty(PIECE, dtype=torch.float32) for _ in range(count)]
            self._own.out = bytearray(PIECE * 8)
        return self._own.raw, self._own.values, self._own.out

    def _piece(self, output: Output, start: int) -> Piece:
        raws, values, _ = self._buffers()
        parts = []
        for source, name, raw, value in zip(
            self.sources.all, output.parts, raws, values, strict=True
        ):
            stored = source.tensors[name]
            dtype = DTYPES[stored.dtype]
            count = min(PIECE, stored.count - start)
            source.read(name, start * dtype.itemsize, memoryview(raw)[: count * dtype.itemsize])
            part = value[:count].copy_(torch.frombuffer(raw, dtype=dtype, count=count))
            source.add_adapter(name, start, part)
            if self.checked and not _sound(part.numpy(), "F32"):
                raise self._unsound(output, start)
            parts.append(part)
        return Piece(output.name, start, tuple(parts))

    def _compute(self, shard: Shard, output: Output, start: int) -> int:
        piece = self._piece(output, start)
        kept = list(_kept(output, piece))
        merged = self.sources.method.merge(piece)
        for first, row in kept:
            merged[first : first + row.numel()] = row
        dtype = DTYPES[output.dtype]
        data = memoryview(self._buffers()[2])[: merged.numel() * dtype.itemsize]
        torch.frombuffer(data, dtype=dtype).copy_(merged)
        if not _sound(data, output.dtype):
            raise self._unsound(output, start)
        shard.write(output.name, start * dtype.itemsize, data)
        return len(data)

    def _copy(self, shard: Shard, output: Output, start: int) -> int:
        source = self.sources.models[output.copied or 0]
        raw = self._buffers()[2]
        data = memoryview(raw)[: min(len(raw), output.bytes - start)]
        source.read(output.parts[output.copied or 0], start, data)
        if output.dtype in DTYPES and not _sound(data, output.dtype):
            raise _broken(output.name, source.tensors[output.parts[output.copied or 0]])
        shard.write(output.name, start, data)
        return len(data)

    def _unsound(self, output: Output, start: int) -> CheckpointError:
        """Say whether an input or the merge itself is to blame."""
        self.checked = False
        piece = self._piece(output, start)
        for source, name, part in zip(self.sources.all, output.parts, piece.parts, strict=True):
            if not bool(torch.isfinite(part).all()):
                return _broken(output.name, source.tensors[name])
        return CheckpointError(
            f"Merging makes NaN or infinity of {output.name!r}, whose parts are finite.",
            hint=f"Lower the weights, or store the result in another type than {output.dtype}.",
        )


def _starts(outputs: Iterable[Output]) -> Iterator[tuple[Output, int]]:
    for output in outputs:
        for start in range(0, output.bytes // DTYPES[output.dtype].itemsize, PIECE):
            yield output, start


def _stretches(outputs: Iterable[Output]) -> Iterator[tuple[Output, int]]:
    for output in outputs:
        for start in range(0, output.bytes, PIECE * 8):
            yield output, start


def _kept(output: Output, piece: Piece) -> Iterator[tuple[int, torch.Tensor]]:
    """Rows that come from one model alone, as far as they lie in this piece."""
    size = piece.parts[0].numel()
    width = output.shape[-1] if output.rows else 1
    for row, model in output.rows:
        first = max(row * width - piece.start, 0)
        last = min((row + 1) * width - piece.start, size)
        if first < last:
            yield first, piece.parts[model][first:last].clone()


def _sound(data: memoryview | NDArray[np.float32], dtype: str) -> bool:
    """Whether stored numbers are all finite, at the speed of memory.

    Read as integers, infinity and NaN of either sign lie past every finite number of that sign.
    """
    size, infinity = INFINITY[dtype]
    bits = np.frombuffer(data, dtype=f"<u{size}")
    positive = bool(bits.view(f"<i{size}").max() < infinity)
    return positive and bool(bits.max() < infinity | 1 << (8 * size - 1))


def _broken(name: str, stored: Stored) -> CheckpointError:
    beyond = ", or a number beyond float32," if stored.dtype == "F64" else ""
    return CheckpointError(
        f"{stored.file} holds NaN or infinity{beyond} in {name!r}.",
        hint="Copy or download the checkpoint again; a model with NaN cannot be merged.",
    )
