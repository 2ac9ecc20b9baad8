"""`variegate doctor`: what is installed, what is missing, what runs here."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from dataclasses import asdict, dataclass

from variegate import __version__
from variegate.cli._output import Json, print_json, print_table
from variegate.errors import VariegateError

__all__ = ["doctor"]

_CORE = (
    "numpy", "scipy", "scikit-learn", "polars", "pydantic", "cyclopts", "rich", "jinja2",
    "wordllama",
)  # fmt: skip
_EXTRAS = {
    "torch": ("torch", "transformers", "safetensors", "tokenizers"),
    "embed": ("sentence-transformers",),
    "gguf": ("gguf", "accelerate"),
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True, kw_only=True)
class _Check:
    name: str
    status: str  # ok, missing (something optional), broken (something needed)
    detail: str
    hint: str = ""


def doctor(*, json: Json = False) -> int:
    """Say what is installed, what is missing, and what runs here.

    Exit code 1 when something needed is broken; a missing extra is no fault
    and comes with the pip command that installs it.

    --json prints schema_version, command, checks (name, status, detail, hint).

        variegate doctor
    """
    checks = [_machine(), _core(), *(_extra(name) for name in _EXTRAS)]
    checks += [_embedder(), _device(), _lab(), _browser()]
    if json:
        print_json("doctor", checks=[asdict(check) for check in checks])
    else:
        print_table(
            ["", "status", "detail"],
            [[c.name, c.status, f"{c.detail} — {c.hint}" if c.hint else c.detail] for c in checks],
        )
    return 1 if any(check.status == "broken" for check in checks) else 0


def _version(package: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> _Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    detail = f"variegate {__version__}, Python {platform.python_version()}, {platform.machine()}"
    return _Check(name="here", status="ok", detail=f"{detail}, {cores} cores")


def _core() -> _Check:
    versions = {package: _version(package) for package in _CORE}
    missing = [package for package, version in versions.items() if version is None]
    if missing:
        return _Check(
            name="core",
            status="broken",
            detail=f"missing: {', '.join(missing)}",
            hint="pip install --force-reinstall variegate",
        )
    shown = ", ".join(f"{package} {version}" for package, version in versions.items())
    return _Check(name="core", status="ok", detail=shown)


def _extra(name: str) -> _Check:
    versions = {package: _version(package) for package in _EXTRAS[name]}
    missing = [package for package, version in versions.items() if version is None]
    if missing:
        return _Check(
            name=f"[{name}]",
            status="missing",
            detail=f"not installed: {', '.join(missing)}",
            hint=f"pip install 'variegate[{name}]'",
        )
    shown = ", ".join(f"{package} {version}" for package, version in versions.items())
    return _Check(name=f"[{name}]", status="ok", detail=shown)


def _embedder() -> _Check:
    """Embed two texts with the default, which needs no network."""
    from variegate.embedding import embedder

    try:
        default = embedder()
        width = default.encode(["one text", "another"]).shape[1]
    except VariegateError as error:
        return _Check(name="embedder", status="broken", detail=str(error), hint=error.hint or "")
    except Exception as error:  # whatever the packaged weights throw, the doctor reports it
        return _Check(
            name="embedder",
            status="broken",
            detail=f"{type(error).__name__}: {error}",
            hint="pip install --force-reinstall wordllama",
        )
    return _Check(
        name="embedder", status="ok", detail=f"{default.name}, {width} dimensions, works offline"
    )


def _device() -> _Check:
    if importlib.util.find_spec("torch") is None:
        return _Check(
            name="device",
            status="missing",
            detail="no torch: measure and compare work, trace needs saved outputs",
            hint="pip install 'variegate[torch]'",
        )
    # The versions of the metadata say whether there is a GPU build; asking torch itself is the
    # one thing here that takes seconds, and the only way to know what it sees.
    import torch

    if torch.cuda.is_available():
        return _Check(name="device", status="ok", detail=f"cuda: {torch.cuda.get_device_name()}")
    if torch.backends.mps.is_available():
        return _Check(name="device", status="ok", detail="mps")
    return _Check(name="device", status="ok", detail=f"cpu, {torch.get_num_threads()} threads")


def _lab() -> _Check:
    from importlib.resources import files

    folder = files("variegate.lab") / "checkpoints"
    stages = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
    stages = [stage for stage in stages if (folder / stage / "model.safetensors").is_file()]
    if not stages:
        return _Check(
            name="lab",
            status="missing",
            detail="no trained checkpoints in the package",
            hint="variegate lab train --out checkpoints",
        )
    return _Check(name="lab", status="ok", detail=f"{len(stages)} checkpoints")


def _browser() -> _Check:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        return _Check(
            name="browser",
            status="missing",
            detail="no Chromium; only the browser tests of the report need one",
        )
    return _Check(name="browser", status="ok", detail=found)
