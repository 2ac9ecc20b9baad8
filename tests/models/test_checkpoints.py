"""Checkpoints nobody should trust: refused by name, before anything is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import CheckpointError, MissingExtra, UsageError
from variegate.models import check_safetensors, checkpoint_files, transformers_model

SOUND = {
    "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "b": {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]},
    "__metadata__": {"format": "pt"},
}


def written(path, header, *, data=22, length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(raw) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + raw + bytes(data))
    return path


def entry(**change):
    return {**SOUND, "b": {**SOUND["b"], **change}}


def test_a_sound_file_gives_its_shapes(tmp_path):
    assert check_safetensors(written(tmp_path / "m", SOUND)) == {"a": (2, 2), "b": (3,)}
    assert check_safetensors(written(tmp_path / "m", {}, data=0)) == {}


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("header", "options", "words"),
    [
        (SOUND, {"length": 2**63}, "header of 9223372036854775808"),
        (SOUND, {"length": 10**6}, "header of 1000000"),
        (SOUND, {"length": 5}, "cannot be read"),
        (b"[1]", {}, "no JSON object"),
        (b'{"a":1,"a":1}', {}, "comes twice"),
        (b"[" * 100_000, {}, "cannot be read"),
        (b'{"a":' + b"9" * 5000 + b"}", {}, "cannot be read"),
        (b"\xff\xfe", {}, "cannot be read"),
        (SOUND, {"data": 21}, "22 bytes"),
        (SOUND, {"data": 23}, "the file holds 23"),
        (entry(data_offsets=[12, 18]), {}, "overlaps"),
        (entry(data_offsets=[18, 24]), {"data": 24}, "hole"),
        (entry(data_offsets=[16, 10**15]), {}, "does not fit"),
        (entry(data_offsets=[22, 16]), {}, "does not fit"),
        (entry(shape=[2**62, 2**62]), {}, "does not fit"),
        (entry(shape=[-3]), {}, "no whole numbers"),
        (entry(shape=[3.0]), {}, "no whole numbers"),
        (entry(shape=[True, 3]), {}, "no whole numbers"),
        (entry(shape="abc"), {}, "no whole numbers"),
        (entry(dtype="OBJECT"), {}, "no readable entry"),
        (entry(data_offsets=[16]), {}, "no readable entry"),
        ({"a": None}, {}, "no readable entry"),
    ],
)
def test_fault_28_a_header_that_lies_is_refused(tmp_path, header, options, words):
    with pytest.raises(CheckpointError, match=words):
        check_safetensors(written(tmp_path / "m", header, **options))


@pytest.mark.fault(28)
@settings(deadline=None, max_examples=200)
@given(st.integers(0, 230), st.integers(1, 255))
def test_fault_28_a_flipped_byte_is_read_or_refused_and_nothing_else(tmp_path_factory, at, flip):
    path = written(tmp_path_factory.mktemp("flip") / "m", SOUND)
    raw = bytearray(path.read_bytes())
    raw[at % len(raw)] ^= flip
    path.write_bytes(raw)
    try:
        shapes = check_safetensors(path)
    except CheckpointError:
        return
    assert len(shapes) in (2, 3)


@pytest.mark.fault(28)
@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_fault_28_any_bytes_are_read_or_refused(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "m"
    path.write_bytes(raw)
    with pytest.raises(CheckpointError):
        check_safetensors(path)


@pytest.mark.fault(28)
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_fault_28_a_pickle_is_refused_with_the_way_to_convert_it(checkpoint, tmp_path, name):
    pytest.importorskip("torch")
    folder = shutil.copytree(checkpoint, tmp_path / "m")
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(CheckpointError, match=f"{name}: pickles can run code") as caught:
        transformers_model(folder)
    assert "weights_only=True" in caught.value.hint


@pytest.mark.fault(28)
def test_fault_28_an_index_that_names_a_missing_file_or_none_is_refused(checkpoint, tmp_path):
    pytest.importorskip("torch")
    folder = shutil.copytree(checkpoint, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"w": "model-00001-of-00002.safetensors"}}')
    for opened in (transformers_model, checkpoint_files):
        with pytest.raises(CheckpointError, match=r"the file 'model-00001-of-00002\.safetensors'"):
            opened(folder)
    for content in ("", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"w": "x.bin"}}'):
        index.write_text(content)
        with pytest.raises(CheckpointError, match="safetensors files"):
            transformers_model(folder)


@pytest.mark.fault(28)
def test_fault_28_a_broken_file_is_refused_before_it_is_loaded(checkpoint, tmp_path):
    pytest.importorskip("torch")
    folder = shutil.copytree(checkpoint, tmp_path / "m")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match="the file holds"):
        transformers_model(folder)


@pytest.mark.fault(34)
@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/x.safetensors", "x.bin", 7])
def test_fault_34_an_index_that_leads_elsewhere_is_refused(checkpoint, tmp_path, name):
    pytest.importorskip("torch")
    folder = shutil.copytree(checkpoint, tmp_path / "m")
    shutil.copy(folder / "model.safetensors", tmp_path / "secret.safetensors")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(CheckpointError):
        transformers_model(folder)
    with pytest.raises(CheckpointError, match="Expected a file in"):
        transformers_model(folder, gguf_file="../x.gguf")


@pytest.mark.fault(38)
def test_fault_38_a_name_of_a_hub_is_a_folder_that_is_not_there():
    pytest.importorskip("torch")
    with pytest.raises(CheckpointError, match="found none") as caught:
        transformers_model("some-org/some-model")
    assert "nothing is downloaded" in caught.value.hint


@pytest.mark.fault(38)
@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_fault_38_without_torch_the_room_opens_and_the_checkpoint_says_what_to_install(name):
    code = (
        f"import sys; sys.modules[{name!r}] = None\n"
        "import variegate.models as models, variegate.errors as errors\n"
        "loaded = {name for name, module in sys.modules.items() if module}\n"
        "assert not {'transformers', 'torch', 'scipy'} & loaded\n"
        "try:\n    models.transformers_model('x')\n"
        "except errors.MissingExtra as error:\n    print(error.hint)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "pip install 'variegate[torch]'"


@pytest.mark.fault(38)
@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_fault_38_a_gguf_file_without_its_extra_says_what_to_install(
    tmp_path, monkeypatch, package
):
    pytest.importorskip("torch")
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(60))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as caught:
        transformers_model(tmp_path, gguf_file="model.gguf")
    assert caught.value.hint == "pip install 'variegate[gguf]'"


def test_a_checkpoint_that_brings_its_own_code_is_refused(checkpoint, tmp_path):
    pytest.importorskip("torch")
    folder = shutil.copytree(checkpoint, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    config["auto_map"]["AutoConfig"] = "evil.Config"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(CheckpointError, match="Cannot open"):
        transformers_model(folder)
    assert not (tmp_path / "ran").exists()


def test_sharded_weights_load_like_whole_ones(checkpoint, tmp_path):
    pytest.importorskip("torch")
    whole = transformers_model(checkpoint, device="cpu")
    whole.model.save_pretrained(tmp_path / "m", max_shard_size="20KB")
    whole.tokenizer.save_pretrained(tmp_path / "m")
    assert len(list((tmp_path / "m").glob("*.safetensors"))) > 1
    sharded = transformers_model(tmp_path / "m", device="cpu")
    for a, b in zip(whole.model.parameters(), sharded.model.parameters(), strict=True):
        assert a.equal(b)


def test_a_name_for_no_dtype_is_refused(checkpoint):
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="bfloat17"):
        transformers_model(checkpoint, dtype="bfloat17")
