"""Turns, tiers, rules, and saying one thing each to many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from variegate.errors import ModelError, Refused, UsageError
from variegate.models import (
    TIERS,
    Arm,
    FakeModel,
    Sampling,
    Turn,
    UniformModel,
    collect,
    require,
    say,
)
from variegate.samples import Prompt

COIN = {"Coin?": {"heads": 0.5, "tails": 0.5}}


@dataclass(frozen=True)
class Flat:
    """Uniform over what is possible."""

    name: str = "flat"
    strength: float = 1.0

    def __call__(self, lp, /):
        lp = lp.clone()
        lp[lp > -np.inf] = 0.0
        return lp.log_softmax(-1)


def test_rules_are_part_of_a_draw_and_no_rules_leave_no_trace():
    assert "rules" not in Sampling().settings()
    one, two = (Sampling(rules=(Flat(strength=s),)).settings() for s in (1.0, 2.0))
    assert one != two
    assert one["rules"] == [{"name": "flat", "strength": 1.0}]
    with pytest.raises(UsageError, match="tuple of rules"):
        Sampling(rules=("top_h",))  # type: ignore[arg-type]


def test_a_rule_reshapes_what_a_checkpoint_draws_from(checkpoint):
    from variegate.models import transformers_model

    model = transformers_model(checkpoint, name="tiny", device="cpu")
    sampling = Sampling(max_tokens=3, rules=(Flat(),))
    rows = collect(Arm(name="flat", model=model, sampling=sampling), [Prompt(prompt="a b")], n=50)
    entropies = {round(h, 9) for row in rows.frame["token_entropies"].to_list() for h in row}
    assert entropies == {round(float(np.log(model.model.config.vocab_size)), 9)}


def test_equal_conversations_are_different_draws_and_come_in_order():
    model = UniformModel(branching=50, length=8)
    said = say(model, ["x", "y", "x"], sampling=Sampling())
    assert len({c.text for c in said}) == 3
    again = say(model, ["y", "x", "x"], sampling=Sampling())
    assert [c.text for c in again] == [said[i].text for i in (1, 0, 2)]
    assert say(model, ["x"], sampling=Sampling(), indices=[1])[0].text == said[2].text
    with pytest.raises(UsageError, match="one twice"):
        say(model, ["x", "x"], sampling=Sampling(), indices=[0, 0])
    with pytest.raises(UsageError, match="Expected 1 indices"):
        say(model, ["x"], sampling=Sampling(), indices=[0, 1])


def test_say_makes_the_draws_that_collect_makes():
    model = UniformModel(branching=50, length=8)
    rows = collect(Arm(name="a", model=model), [Prompt(prompt="x")], n=3).frame
    said = say(model, ["x"] * 3, sampling=Sampling())
    assert rows["text"].to_list() == [c.text for c in said]
    assert rows["sample_id"].to_list() == [c.key for c in said]


@pytest.mark.fault(5)
def test_fault_05_what_fails_in_passing_is_asked_for_again_and_what_stays_away_is_marked():
    passing = ModelError("Gone for a moment.")
    model = FakeModel(answers=COIN, batch_size=1, faults={1: passing})
    assert [c.finish for c in say(model, ["Coin?"] * 3, sampling=Sampling())] == ["stop"] * 3
    lost = FakeModel(answers=COIN, batch_size=1, faults={n: None for n in (1, 3, 4)})
    said = say(lost, ["Coin?"] * 3, sampling=Sampling())
    assert [c.finish for c in said] == ["stop", "error", "stop"]
    refused = FakeModel(answers=COIN, faults={0: Refused("No.")})
    with pytest.raises(Refused):
        say(refused, ["Coin?"], sampling=Sampling())


def test_a_method_beyond_a_models_tier_is_refused_with_what_it_needs():
    model = UniformModel(branching=2, length=2)
    for tier in sorted(TIERS):
        if tier in model.tiers:
            require(model, tier, "arithmetic sampling")
        else:
            with pytest.raises(UsageError, match=f"arithmetic sampling needs tier {tier}"):
                require(model, tier, "arithmetic sampling")
    assert {"A", "F"} - model.tiers == {"F"}


def test_turns_reach_a_checkpoint_by_its_template_and_a_begun_answer_is_continued():
    from variegate.lab import lab_lineage
    from variegate.models import transformers_model

    folder = lab_lineage().parent / "checkpoints" / "think-rl"
    model = transformers_model(folder, device="cpu")
    user = Turn(role="user", text="Name one red : ")
    plain = model.render([user], format="chat")
    assert plain == model.render(user.text, format="chat")
    begun = model.render([user, Turn(role="assistant", text=" wine")], format="chat")
    assert begun == plain + " wine"
    system = Turn(role="system", text="Be brief.")
    assert model.render([system, user], format="raw").endswith("Be brief.\n\nName one red : ")
    # A template without that role drops or refuses it: the user says it instead.
    for words in ("", "{{ raise_exception('no system') }}"):
        model.tokenizer.chat_template = (
            "{% for m in messages %}{% if m['role'] == 'system' %}" + words + "{% else %}"
            "[{{ m['content'] }}]{% endif %}{% endfor %}"
        )
        said = model.render([system, user], format="chat")
        assert said == "[Be brief.\n\nName one red : ]"


@pytest.mark.fault(18)
def test_fault_18_half_a_surrogate_pair_from_a_backend_becomes_a_replacement():
    model = FakeModel(answers={"Say.": {"x\ud800y": 0.5, "\ud83d\ude00": 0.5}})
    said = {c.text for c in say(model, ["Say."] * 20, sampling=Sampling())}
    assert said == {"x\ufffdy", "\U0001f600"}
    rows = collect(Arm(name="a", model=model), [Prompt(prompt="Say.")], n=20).frame
    assert set(rows["text"]) == said
