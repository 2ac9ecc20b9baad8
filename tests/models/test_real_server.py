"""The endpoint against a server nobody here wrote: `transformers serve` on a lab checkpoint."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from variegate.errors import Refused
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.lineage import Lineage
from variegate.models import (
    Arm,
    CachedModel,
    Sampling,
    collect,
    discover,
    endpoint_model,
    transformers_model,
)
from variegate.prompting import asking

pytestmark = pytest.mark.slow

for _name in ("torch", "transformers", "fastapi", "uvicorn", "openai"):
    pytest.importorskip(_name)


@pytest.fixture(scope="module")
def checkpoint():
    order = Lineage.read(lab_lineage()).order
    return str(next(stage.model for stage in order if stage.name == "instruct-sft"))


@pytest.fixture(scope="module")
def url(checkpoint, tmp_path_factory):
    program = Path(sys.executable).with_name("transformers")
    if not program.is_file() and not shutil.which("transformers"):
        pytest.skip("the command line of transformers is not installed")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    folder = tmp_path_factory.mktemp("hub")
    (folder / "hub").mkdir()
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1",
        "HF_HOME": str(folder),
    }  # fmt: skip
    command = [str(program), "serve", checkpoint, "--host", "127.0.0.1", "--port", str(port),
               "--device", "cpu"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        for _ in range(240):
            if server.poll() is not None:
                pytest.fail((folder / "log").read_text()[-2000:])
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


# This server is greedy whatever the temperature, unless the checkpoint or a field of its own says
# that it should draw.
DRAW = {"extra": {"generation_config": '{"do_sample": true}'}}


def opened(url, checkpoint, **options):
    return endpoint_model(url, checkpoint, **{"key_env": None, "in_flight": 4, **options})


def test_what_it_offers_is_found_out(url, checkpoint):
    offer = discover(opened(url, checkpoint))
    assert offer.tiers == {"A", "C"}
    assert (offer.top_logprobs, offer.takes_n) == (None, False)
    assert any("api='completions'" in note for note in offer.notes)


def test_draws_are_counted_various_and_kept(url, checkpoint, tmp_path):
    prompts = evaluation_prompts()[:3]
    model = opened(url, checkpoint, per_request=4, **DRAW)
    sampling = Sampling(max_tokens=16)
    arm = Arm(name="a", model=CachedModel(model, tmp_path), format="chat", sampling=sampling)
    frame = collect(arm, prompts, n=8).frame
    assert frame.height == 24
    assert frame["finish"].is_in(["stop", "length", "empty"]).all()
    assert frame["text"].n_unique() > 6
    assert (frame["completion_tokens"] <= 16).all()
    assert (frame["prompt_tokens"] > 0).all()
    usage = model.usage()
    assert usage.missing > 0  # it ignores n
    assert usage.completion_tokens == frame["completion_tokens"].sum()
    made = usage.requests
    assert collect(arm, prompts, n=8).frame.equals(frame)
    assert model.usage().requests == made


def test_seeds_are_kept_to_one_request_at_a_time(url, checkpoint):
    sampling = Sampling(max_tokens=16)
    frames = []
    for _ in range(2):
        model = opened(url, checkpoint, in_flight=1, **DRAW)
        arm = Arm(name="a", model=model, format="chat", sampling=sampling)
        frames.append(collect(arm, evaluation_prompts()[:2], n=6).frame)
    assert frames[0].equals(frames[1])
    assert frames[0]["text"].n_unique() > 4


def test_greedy_answers_are_those_of_the_checkpoint_opened_here(url, checkpoint):
    prompts = evaluation_prompts()[:6]
    sampling = Sampling(temperature=0.0, max_tokens=24)
    here = transformers_model(checkpoint)
    there = opened(url, checkpoint)
    both = [
        collect(Arm(name="a", model=model, format="chat", sampling=sampling), prompts, n=1).frame
        for model in (here, there)
    ]
    assert both[0]["text"].to_list() == both[1]["text"].to_list()
    assert both[0]["prompt_tokens"].to_list() == both[1]["prompt_tokens"].to_list()


def test_raw_text_is_gone_on_with(url, checkpoint):
    sampling = Sampling(max_tokens=8)
    arm = Arm(name="a", model=opened(url, checkpoint, api="completions"), sampling=sampling)
    frame = collect(arm, evaluation_prompts()[:2], n=4).frame
    assert not (frame["finish"] == "error").any()


def test_a_way_of_asking_runs_over_it_and_marks_what_it_could_not_read(url, checkpoint):
    arm = Arm(name="a", model=opened(url, checkpoint), format="chat",
              sampling=Sampling(max_tokens=24))  # fmt: skip
    frame = asking("verbalized", per_call=3).collect(arm, evaluation_prompts()[:2], n=3).frame
    assert frame.height == 6
    assert set(frame["finish"]) <= {"stop", "error", "length", "empty", "filter"}


@pytest.mark.fault(6)
def test_fault_06_a_model_it_does_not_have_is_refused_at_once(url):
    arm = Arm(name="a", model=opened(url, "no-such-model"), format="chat")
    with pytest.raises(Refused, match="no-such-model"):
        collect(arm, evaluation_prompts()[:2], n=4)
