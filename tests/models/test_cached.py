"""CachedModel: a draw is made once, whatever is killed, shared, full or damaged in between."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import ModelError, RunConflict, RunError, RunUnwritable
from variegate.models import (
    Arm,
    CachedModel,
    Completion,
    Request,
    Sampling,
    Turn,
    UniformModel,
    collect,
    say,
)
from variegate.samples import Prompt

PROMPTS = [Prompt(prompt=f"prompt {p}") for p in range(3)]


def uniform(**options):
    return UniformModel(branching=50, length=6, **{"batch_size": 5, **options})


def draws(model, n=10, **sampling):
    arm = Arm(name="a", model=model, sampling=Sampling(**sampling))
    return collect(arm, PROMPTS, n=n).frame


@pytest.mark.fault(1)
def test_fault_01_thirty_draws_are_thirty_and_the_second_run_gives_the_same(tmp_path):
    model = uniform()
    cached = CachedModel(model, tmp_path / "draws.sqlite")
    first, second = draws(cached, n=30), draws(cached, n=30)
    assert first.equals(second)
    assert first.equals(draws(uniform(), n=30))
    assert first["text"].n_unique() == 90
    assert model.draws == 90
    assert (cached.hits, cached.misses, len(cached)) == (90, 90, 90)


@pytest.mark.fault(1)
@pytest.mark.parametrize(
    "change", [{"temperature": None}, {"temperature": 0.0}, {"top_p": 0.9}, {"max_tokens": 3},
               {"stop": ("x",)}],
)  # fmt: skip
def test_fault_01_another_setting_is_another_draw(tmp_path, change):
    model = uniform()
    cached = CachedModel(model, tmp_path)
    draws(cached)
    draws(cached, **change)
    assert model.draws == 60


def test_another_revision_is_another_draw(tmp_path):
    for revision in ("1", "2"):
        model = uniform(revision=revision)
        draws(CachedModel(model, tmp_path))
        assert model.draws == 30


@pytest.mark.fault(24)
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 29))
def test_fault_24_stopped_at_any_draw_it_goes_on_where_it_stopped(tmp_path_factory, at):
    class Killed(BaseException):
        pass

    class Dies(UniformModel):
        def _draw(self, request, sampling):
            if self.draws > at:
                raise Killed
            return super()._draw(request, sampling)

    path = tmp_path_factory.mktemp("cache")
    with pytest.raises(Killed):
        draws(CachedModel(Dies(branching=50, length=6, batch_size=5), path))
    model = uniform()
    assert draws(CachedModel(model, path)).equals(draws(uniform()))
    assert model.draws == 30 - at // 5 * 5


@pytest.mark.slow
@pytest.mark.fault(24)
def test_fault_24_killed_inside_a_commit_the_cache_is_whole(tmp_path):
    code = """
    import os, signal, sys
    from variegate.models import CachedModel, Sampling, UniformModel, say
    class Loud(UniformModel):
        def _draw(self, request, sampling):
            if self.draws == 57:
                os.kill(os.getpid(), signal.SIGKILL)
            return super()._draw(request, sampling)
    cached = CachedModel(Loud(branching=50, length=6, batch_size=5), sys.argv[1])
    say(cached, ["Hi"] * 100, sampling=Sampling())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], check=False)
    assert done.returncode == -9
    model = uniform()
    cached = CachedModel(model, tmp_path)
    assert len(cached) == 55
    assert len({c.text for c in say(cached, ["Hi"] * 100, sampling=Sampling())}) > 90
    assert model.draws == 45


@pytest.mark.fault(26)
def test_fault_26_of_two_processes_the_first_answer_counts_for_both(tmp_path):
    class Moody(UniformModel):  # a server that keeps to no seed
        mood = "a"

        def _draw(self, request, sampling):
            said = super()._draw(request, sampling)
            return Completion(**{**vars(said), "text": f"{self.mood} {said.text}"})

    one, two = (Moody(branching=9, length=3) for _ in "ab")
    two.mood = "b"
    request = [Request(key="k", rendered="Hi", index=0, seed=1)]
    mine, theirs = CachedModel(one, tmp_path), CachedModel(two, tmp_path)
    stream = theirs.sample(request, sampling=Sampling())
    # The other process is asked while this one has already written.
    theirs._kept = lambda keys, kept=theirs._kept, calls=[]: (
        {} if not calls and not calls.append(1) else kept(keys)
    )
    (first,) = next(mine.sample(request, sampling=Sampling()))
    (second,) = next(stream)
    assert first == second
    assert first.text.startswith("a ")


@pytest.mark.slow
@pytest.mark.fault(26)
def test_fault_26_many_processes_at_once_leave_one_whole_cache(tmp_path):
    code = """
    import sys
    from variegate.models import CachedModel, Sampling, UniformModel, say
    cached = CachedModel(UniformModel(branching=50, length=6, batch_size=3), sys.argv[1])
    say(cached, ["Hi"] * 60, sampling=Sampling())
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    children = [subprocess.Popen(command) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    model = uniform()
    assert len({c.text for c in say(CachedModel(model, tmp_path), ["Hi"] * 60,
                                    sampling=Sampling())}) > 50  # fmt: skip
    assert model.draws == 0


@pytest.mark.fault(5)
def test_fault_05_failed_draws_are_not_kept(tmp_path):
    faulty = uniform(faults={3: None, 7: ModelError("down")})
    frame = draws(CachedModel(faulty, tmp_path))
    assert frame.equals(draws(uniform()))
    assert len(CachedModel(uniform(), tmp_path)) == 30

    class Broken(UniformModel):
        def _draw(self, request, sampling):
            return Completion(**{**vars(super()._draw(request, sampling)), "finish": "error"})

    cached = CachedModel(Broken(branching=9, length=2), tmp_path / "other")
    say(cached, ["Hi"], sampling=Sampling())
    assert len(cached) == 0


@pytest.mark.fault(25)
def test_fault_25_what_cannot_be_written_is_said_before_anything_is_asked(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunUnwritable):
        CachedModel(uniform(), tmp_path / "file" / "draws.sqlite")


@pytest.mark.fault(25)
def test_fault_25_a_disk_that_fills_up_keeps_what_was_committed(tmp_path):
    cached = CachedModel(uniform(), tmp_path)
    draws(cached, n=2)
    plain = cached._open

    def full():
        held = plain()
        pages = held.execute("PRAGMA page_count").fetchone()[0]
        held.execute(f"PRAGMA max_page_count = {pages}")
        return held

    cached._open = full
    with pytest.raises(RunUnwritable, match="full"):
        draws(cached, n=500)
    del cached._open
    assert len(cached) >= 6
    assert draws(cached, n=20).equals(draws(uniform(), n=20))


@pytest.mark.fault(27)
def test_fault_27_a_cache_of_another_version_and_what_is_none_are_refused(tmp_path):
    cached = CachedModel(uniform(), tmp_path)
    with sqlite3.connect(cached.path) as held:
        held.execute("PRAGMA user_version = 9")
    held.close()
    with pytest.raises(RunConflict, match="version 9"):
        CachedModel(uniform(), tmp_path)
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"no cache at all" * 100)
    with pytest.raises(RunError, match="no cache"):
        CachedModel(uniform(), other)


def test_a_damaged_draw_is_said_and_not_taken(tmp_path):
    cached = CachedModel(uniform(), tmp_path)
    draws(cached)
    for said in ("{", '"x"', "{}", '{"key": "else"}'):
        with sqlite3.connect(cached.path) as held:
            held.execute("UPDATE draws SET said = ?", (said,))
        held.close()
        with pytest.raises(RunError):
            draws(cached)


@settings(deadline=None, max_examples=40)
@given(
    st.text(max_size=20).filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text)),
    st.lists(st.floats(max_value=0, allow_nan=False), max_size=4),
    st.sampled_from(["stop", "length", "filter", "empty"]),
    st.one_of(st.none(), st.floats(0, 1e9)),
)
def test_what_comes_back_is_what_was_kept(tmp_path_factory, text, logprobs, finish, weight):
    said = Completion(
        key="k", text=text, reasoning=text or None, finish=finish, token_ids=(1, 2**31 - 1),
        token_logprobs=tuple(logprobs), token_entropies=None, prompt_tokens=3,
        completion_tokens=4, iid=False, weight=weight, cost=weight,
    )  # fmt: skip

    class Says(UniformModel):
        def _draw(self, request, sampling):
            return said

    cached = CachedModel(Says(branching=2, length=1), tmp_path_factory.mktemp("c"))
    request = [Request(key="k", rendered="", index=0, seed=0)]
    for _ in range(2):
        assert list(cached.sample(request, sampling=Sampling())) == [[said]]


def test_it_stands_in_for_its_model(tmp_path):
    model = uniform()
    cached = CachedModel(model, tmp_path)
    assert (cached.name, cached.revision, cached.tiers) == (model.name, "0", model.tiers)
    turns = [Turn(role="user", text="Hi")]
    assert cached.formats() == model.formats()
    assert cached.render(turns, format="raw") == model.render(turns, format="raw")
    assert cached.score("x", ["w1"], sampling=Sampling()) == model.score(
        "x", ["w1"], sampling=Sampling()
    )
