"""Each way of asking by its laws, with chat models whose every probability is known."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.divergences import total_variation
from variegate.errors import NotComparable, UnknownName, UsageError
from variegate.judging import same_by_judge
from variegate.metrics import pass_at_k
from variegate.models import Arm, Sampling, UniformModel, say
from variegate.prompting import (
    AnswerList,
    ByApproach,
    Direct,
    Documents,
    LanguageOfThought,
    LongTail,
    Openings,
    PlanSearch,
    Property,
    Roles,
    SimulatedChat,
    Stratified,
    VerbalizedSampling,
    ViewByView,
    WithFacts,
    idea_diversity,
    rank_by_rarity,
    said_calibration,
    sharpened,
    stratum_masses,
    subset_count,
    subsets,
    vote,
)
from variegate.samples import Prompt, Samples
from variegate.selection import mmr

ASK = [Prompt(prompt="Name a fruit.")]
REFERENCE = {"apple": 0.4, "kiwi": 0.3, "fig": 0.2, "plum": 0.1}


def arm(rule, **settings) -> Arm:
    model = rule if isinstance(rule, SimulatedChat) else SimulatedChat(rule)
    return Arm(name="arm", model=model, format="chat", sampling=Sampling(**settings))


def shares(frame: pl.DataFrame, names) -> np.ndarray:
    texts = frame["text"].to_list()
    return np.array([texts.count(name) for name in names]) / len(texts)


# Row 6: verbalized sampling -----------------------------------------------------------------------


def typical(heard, rng):
    """A model whose mode collapsed: asked for one it sharpens, asked for many it knows better."""
    if '"responses"' in heard:
        rows = [{"text": k, "probability": p} for k, p in REFERENCE.items()]
        return json.dumps({"responses": rows})
    return rng.choice(list(REFERENCE), p=sharpened(list(REFERENCE.values()), rho=2))


def test_row_6_the_typicality_law():
    p = np.array(list(REFERENCE.values()))
    assert sharpened(p, rho=2) == pytest.approx([0.5333, 0.3, 0.1333, 0.0333], abs=5e-5)
    assert sharpened(sharpened(p, rho=2), rho=0.5) == pytest.approx(p)
    assert sharpened([0.5, 0.5, 0], rho=0) == pytest.approx([0.5, 0.5, 0])
    with pytest.raises(UsageError):
        sharpened([0.5, -0.5], rho=1)


def test_row_6_said_probabilities_recover_what_sharpening_took():
    n = 4000
    direct = Direct().collect(arm(typical), ASK, n=n).frame
    assert shares(direct, REFERENCE) == pytest.approx([0.533, 0.3, 0.133, 0.033], abs=0.03)
    said = VerbalizedSampling(per_call=4).collect(arm(typical), ASK, n=4).frame
    assert dict(said.select("text", "said_probability").rows()) == REFERENCE
    found = said_calibration(Samples.from_frame(said), Samples.from_frame(direct))
    gaps = np.abs(np.array([0.4, 0.3, 0.2, 0.1]) - [0.5333, 0.3, 0.1333, 0.0333])
    assert found.error.value == pytest.approx(gaps.mean(), abs=0.01)


def test_calibration_of_a_model_that_knows_itself_and_of_one_that_does_not():
    prompts = [Prompt(prompt=f"Coin {i}?") for i in range(12)]

    def honest(heard, rng, said=0.5):
        if '"responses"' in heard:
            rows = [("heads", said), ("tails", 1 - said)]
            return json.dumps([{"text": t, "probability": p} for t, p in rows])
        return rng.choice(["heads", "tails"])

    drawn = Direct().collect(arm(honest), prompts, n=400)
    vs = VerbalizedSampling(per_call=2)
    good = said_calibration(vs.collect(arm(honest), prompts, n=2), drawn)
    assert good.error.value < 0.03
    assert abs(good.kl.value) < 0.01
    assert good.bins["answers"].to_list() == [24]
    assert good.bins["frequency_low"][0] < 0.5 < good.bins["frequency_high"][0]
    boastful = arm(lambda heard, rng: honest(heard, rng, said=0.9))
    bad = said_calibration(vs.collect(boastful, prompts, n=2), drawn)
    assert bad.error.value == pytest.approx(0.4, abs=0.02)
    # KL(.9, .1 || .5, .5) = ln 2 - H(.9)
    assert bad.kl.value == pytest.approx(0.3681, abs=0.03)
    assert bad.bins["low"].to_list() == [0.0, 0.9]


def test_calibration_refuses_designed_sets_and_strangers():
    rows = [{"prompt": "a", "text": "x", "said_probability": 0.5}]
    said = Samples.from_rows(rows)
    with pytest.raises(UsageError, match="designed set"):
        said_calibration(said, Samples.from_rows([{"prompt": "a", "text": "x", "iid": False}]))
    with pytest.raises(NotComparable):
        said_calibration(said, Samples.from_rows([{"prompt": "b", "text": "x"}]))
    unsaid = Samples.from_rows([*rows, {"prompt": "a", "text": "y"}])
    assert said_calibration(unsaid, Samples.from_rows([{"prompt": "a", "text": "x"}])).unsaid == 1


@pytest.mark.parametrize("variant", ["standard", "cot", "multi"])
def test_row_6_every_variant_asks_as_it_should(variant):
    heard_of: list[str] = []

    def listing(heard, rng):
        heard_of.append(heard)
        k = int(re.findall(r"Give (\d+)", heard)[-1])
        rows = [{"text": f"t{rng.integers(10**9)}", "probability": 0.1} for _ in range(k)]
        return json.dumps({"reasoning": "So.", "responses": rows})

    way = VerbalizedSampling(per_call=3, variant=variant, below=0.05)
    rows = way.collect(arm(listing), ASK, n=7).frame
    assert rows["text"].n_unique() == 7
    assert rows["call"].n_unique() == 3
    assert not rows["iid"].any()
    assert ("reasoning" in heard_of[0]) == (variant == "cot")
    assert "below 0.05" in heard_of[0]
    assert ("assistant: {" in heard_of[-1]) == (variant == "multi")
    assert set(rows["reasoning"]) == {"So."}


def test_row_6_pitfalls_of_the_peer():
    def reply(text, n=2, **options):
        way = VerbalizedSampling(per_call=n, **options)
        return way.collect(arm(lambda heard, rng: text), ASK, n=n).frame

    # 1: without strict JSON every text came back empty.
    assert reply("1. kiwi (30%)\n2. fig (20%)")["text"].to_list() == ["kiwi", "fig"]
    # 2: all probabilities zero divided by zero.
    assert reply('[{"text": "a", "probability": 0}, {"text": "b", "probability": 0}]')[
        "said_probability"
    ].to_list() == [0.0, 0.0]
    # 3: whole percentages became 1 and 1.
    assert reply('[{"text": "a", "probability": 70}, {"text": "b", "probability": 30}]')[
        "said_probability"
    ].to_list() == [0.7, 0.3]
    # 4: a perplexity was taken for a weight.
    odd = reply('[{"text": "a", "perplexity": 2}, {"text": "b", "perplexity": 10}]',
                wording="perplexity")  # fmt: skip
    assert odd["said_probability"].to_list() == [0.5, 0.1]
    # 6: asked for unlikely answers it threw the unlikely ones away.
    rare = reply('[{"text": "a", "probability": 0.01}, {"text": "b", "probability": 0.02}]',
                 below=0.1)  # fmt: skip
    assert rare["finish"].to_list() == ["stop", "stop"]
    # 7: a reply that could not be read was one empty answer.
    lost = reply("I would rather not.")
    assert lost["finish"].to_list() == ["error", "error"]
    assert lost["reasoning"].to_list() == ["I would rather not."] * 2
    # 9: two system messages.
    heard_of: list[str] = []
    VerbalizedSampling(per_call=1).collect(
        arm(lambda heard, rng: heard_of.append(heard) or '["a"]'), ASK, n=1
    )
    assert heard_of[0].count("system: ") == 1


def test_one_answer_a_call_is_a_structured_direct_question():
    chat = arm(lambda heard, rng: json.dumps([f"{rng.integers(10**9)}"]))
    rows = AnswerList(per_call=1).collect(chat, ASK, n=20).frame
    assert rows["text"].n_unique() == rows["call"].n_unique() == 20


@pytest.mark.parametrize(
    ("bad", "error"),
    [({"per_call": 0}, UsageError), ({"variant": "loud"}, UnknownName),
     ({"below": 0.0}, UsageError), ({"below": 1.5}, UsageError)],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(bad, error):
    with pytest.raises(error):
        VerbalizedSampling(**bad)


# Row 62: SimpleStrat ------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), max_size=5))
@settings(deadline=None)
def test_row_62_a_strata_mass_is_the_product_of_the_said_probabilities(probabilities):
    masses = stratum_masses(probabilities)
    assert len(masses) == 2 ** len(probabilities)
    assert sum(masses.values()) == pytest.approx(1)
    for place, p in enumerate(probabilities):
        true = sum(mass for signs, mass in masses.items() if signs[place] == "+")
        assert true == pytest.approx(p)


def test_row_62_no_properties_is_asking_directly():
    model = UniformModel(branching=9, length=6)
    one = Arm(name="a", model=model)
    without = Stratified(properties=()).collect(one, ASK, n=8).frame
    assert without["text"].to_list() == Direct().collect(one, ASK, n=8).frame["text"].to_list()
    assert without["iid"].all()


def test_row_62_strata_are_drawn_by_their_masses(halves):
    rows = Stratified(properties=halves).collect(arm(lambda h, rng: "x"), ASK, n=2000).frame
    seen = dict(rows.group_by("stratum").len().iter_rows())
    masses = {"+red +big": 0.4, "+red -big": 0.4, "-red +big": 0.1, "-red -big": 0.1}
    assert {k: v / 2000 for k, v in seen.items()} == pytest.approx(masses, abs=0.04)
    assert set(rows["plan"]) == {"attempt 1"}


def test_row_62_certain_properties_make_one_stratum_and_its_statements_are_said():
    heard_of: list[str] = []
    sure = (Property(name="red", yes="It is red.", no="It is not.", probability=1.0),)
    Stratified(properties=sure).collect(
        arm(lambda heard, rng: heard_of.append(heard) or "x"), ASK, n=3
    )
    assert all("- It is red." in heard and "INVALID" in heard for heard in heard_of)


def test_row_62_invalid_strata_are_drawn_again_and_rejections_are_on_record(halves):
    def picky(heard, rng):
        return "INVALID." if "It is red." in heard else "x"

    rows = Stratified(properties=halves).collect(arm(picky), ASK, n=200).frame
    valid = rows.filter(pl.col("finish") == "stop")
    assert valid["stratum"].str.contains("-red", literal=True).all()
    attempts = valid["plan"].str.extract(r"(\d+)").cast(pl.Int64)
    # Geometric with chance 0.2: most need several attempts, and 0.8^15 = 3.5 % find none.
    assert attempts.mean() == pytest.approx(4.4, abs=1.0)
    assert 0 <= rows.height - valid.height < 30


def test_row_62_asking_stops_where_next_to_nothing_is_valid(halves):
    chat = SimulatedChat(lambda heard, rng: "INVALID")
    rows = Stratified(properties=halves).collect(arm(chat), ASK, n=10).frame
    assert rows["finish"].to_list() == ["error"] * 10
    assert chat.calls == 10  # fewer than 10 % after the first round


def test_row_62_recall_is_that_of_the_strata_and_kl_to_uniform_falls():
    """Eight answers in four strata; asked directly the model prefers one of them."""
    names = [f"{s}{i}" for s in ("ab", "aB", "Ab", "AB") for i in (0, 1)]
    skewed = np.array([0.65] + [0.05] * 7)

    def rule(heard, rng):
        if "It is" not in heard:
            return rng.choice(names, p=skewed)
        stratum = ("A" if "It is A." in heard else "a") + ("B" if "It is B." in heard else "b")
        return rng.choice([name for name in names if name.startswith(stratum)])

    properties = (Property(name="A", yes="It is A.", no="It is a.", probability=0.5),
                  Property(name="B", yes="It is B.", no="It is b.", probability=0.5))  # fmt: skip
    direct = shares(Direct().collect(arm(rule), ASK, n=2000).frame, names)
    strata = shares(Stratified(properties=properties).collect(arm(rule), ASK, n=2000).frame, names)
    uniform = np.full(8, 1 / 8)
    kls = [float(np.sum(p * np.log(p / uniform))) for p in (direct, strata)]
    assert kls[1] < 0.01 < 0.7 < kls[0]
    n = 8
    recall = [float(np.mean(1 - (1 - p) ** n)) for p in (skewed, uniform)]
    sets = Stratified(properties=properties).collect(
        arm(rule), [Prompt(prompt=f"Q{i}") for i in range(300)], n=n
    )
    seen = sets.frame.group_by("prompt_id").agg(pl.col("text").n_unique() / 8)["text"].mean()
    assert seen == pytest.approx(recall[1], abs=0.03)
    assert seen > recall[0] + 0.2


@pytest.mark.fault(35)
def test_fault_35_a_property_whose_probability_is_nonsense_is_left_out(obliging):
    def forecaster(heard, rng):
        if "forecaster" in heard and "p2" in heard:
            return "P(A) = quite high"
        return obliging.rule(heard, rng)

    rows = Stratified().collect(arm(forecaster), ASK, n=4).frame
    assert rows["stratum"].str.contains("p1").all()
    assert not rows["stratum"].str.contains("p2").any()


# Row 69: DIV-SE -----------------------------------------------------------------------------------


def test_row_69_one_approach_is_one_instruction_and_equal_ones_are_self_consistency():
    one = Arm(name="a", model=UniformModel(branching=9, length=6))
    rows = ByApproach(approaches=("counting",)).collect(one, ASK, n=5).frame
    from variegate.prompting._wordings import by_approach

    turns = by_approach(ASK[0].prompt, "counting", None)
    drawn = [c.text for c in say(one.model, [turns] * 5, sampling=one.sampling)]
    assert rows["text"].to_list() == drawn
    assert rows["iid"].all()
    twice = ByApproach(approaches=("counting", "counting")).collect(one, ASK, n=5).frame
    assert twice["text"].to_list() == drawn


@pytest.mark.parametrize("together", [False, True])
def test_row_69_approaches_take_turns_with_personas(together, obliging):
    way = ByApproach(approaches=("counting", "proof"), personas=("a child",), together=together)
    rows = way.collect(arm(obliging), ASK, n=4).frame
    assert rows["plan"].to_list() == ["counting", "proof"] * 2
    assert not rows["iid"].any()
    assert rows["call"].n_unique() == (2 if together else 4)
    if not together:
        assert set(rows["role"]) == {"a child"}


def test_row_69_the_approaches_named_most_often_are_kept():
    def naming(heard, rng):
        if "different approaches" not in heard:
            return "x"
        return f"1. Counting\n2. rare{rng.integers(10**9)}\n3. Proof."

    rows = ByApproach(count=2).collect(arm(naming), ASK, n=2).frame
    assert rows["plan"].to_list() == ["counting", "proof"]


def test_row_69_accuracy_rises_where_approaches_decorrelate():
    """Each approach errs on other problems; one approach errs on the same ones every time."""
    problems = [Prompt(prompt=f"Problem {i}.") for i in range(90)]

    def solver(heard, rng):
        problem = int(re.findall(r"Problem (\d+)", heard)[0])
        [which] = re.findall(r"approach: (\w)", heard)
        return "wrong" if (problem + "abc".index(which)) % 3 == 0 else "right"

    def accuracy(approaches):
        voted = vote(ByApproach(approaches=approaches).collect(arm(solver), problems, n=3))
        return (voted.frame["text"] == "right").mean()

    assert accuracy(("a",)) == pytest.approx(2 / 3)
    assert accuracy(("a", "b", "c")) == 1.0


def test_votes_count_answers_not_errors_and_ties_go_to_the_first():
    def voted(*texts, **columns):
        rows = [{"prompt": "q", "text": t, "cost": 1.0, "finish": "stop" if t else "error"}
                | {k: v[i] for k, v in columns.items()}
                for i, t in enumerate(texts)]  # fmt: skip
        [row] = vote(Samples.from_rows(rows)).frame.iter_rows(named=True)
        assert (row["cost"], row["sample"], row["iid"]) == (len(texts), 0, False)
        return row

    assert voted("b", "a", "A.")["text"] == "a"
    assert voted("b", "a")["text"] == "b"
    assert voted("", "", "", "a")["text"] == "a"
    assert voted("", "")["finish"] == "error"
    assert voted("x", "y", "z", answer=["1", "2", "2"])["text"] == "y"


# Row 54: PlanSearch -------------------------------------------------------------------------------


def test_row_54_subsets_of_at_most_two():
    assert [subset_count(n) for n in (3, 5, 10)] == [7, 16, 56]
    for n, size in itertools.product(range(6), range(4)):
        found = list(subsets([str(i) for i in range(n)], size=size))
        assert len(found) == len(set(found)) == subset_count(n, size=size)


def observing(kept: int):
    def rule(heard, rng):
        asked = heard.rsplit("user: ", 1)[-1]
        if "JSON list of strings" in asked:
            tag = rng.integers(10**9)
            return json.dumps([f"o{i}-{tag}" for i in range(kept)])
        if "Write in plain words how" in asked:
            return f"plan {rng.integers(10**6)}"
        if "Suppose this solution is wrong" in asked:
            return f"mended {rng.integers(10**6)}"
        return "done"

    return rule


@pytest.mark.parametrize(("kept", "leaves"), [(3, 7), (5, 16), (10, 56)])
def test_row_54_one_layer_has_as_many_leaves_as_there_are_subsets(kept, leaves):
    way = PlanSearch(observations=kept, layers=1, criticise=False)
    rows = way.collect(arm(observing(kept)), ASK, n=leaves + 3).frame
    assert rows["stratum"].n_unique() == leaves
    assert rows["plan"].n_unique() == leaves + 3  # taken again, as other draws


def test_row_54_two_layers_multiply_and_criticism_doubles():
    way = PlanSearch(observations=3)
    rows = way.collect(arm(observing(3)), ASK, n=98).frame  # 7 · 7 leaves, two plans each
    assert rows["stratum"].n_unique() == 49
    assert rows["plan"].str.starts_with("mended").sum() == 49
    assert rows["plan"].n_unique() == 98


def test_row_54_no_more_is_grown_than_asked_for():
    chat = SimulatedChat(observing(10))
    PlanSearch().collect(arm(chat), ASK, n=2)
    # Two nodes of 3 calls and a list each, one leaf: plan, mended, and both coded and carried out.
    assert chat.calls == 2 * 4 + 2 + 4 - 2  # the first list is read on the first try
    chains = SimulatedChat(observing(10))
    PlanSearch(layers=0, criticise=False, pseudocode=False).collect(arm(chains), ASK, n=5)
    assert chains.calls == 10


def test_row_54_idea_diversity_is_gini_simpson():
    ideas = ["a1", "a2", "a3", "b1", "b2", "c1"]
    judged = same_by_judge(ideas, lambda x, y: "same" if x[0] == y[0] else "different")
    counts = np.array([3, 2, 1])
    simpson = 1 - (counts * (counts - 1)).sum() / (6 * 5)
    assert idea_diversity(judged) == pytest.approx(simpson)
    silent = same_by_judge(ideas, lambda x, y: "perhaps")
    assert np.isnan(idea_diversity(silent))
    assert silent.unscored == 15


def test_row_54_pass_at_k_beats_repeated_sampling_at_equal_tokens():
    """A model that solves a problem if it hits on the right idea, and mostly has the same one."""
    problems = [Prompt(prompt=f"Problem {i}.") for i in range(20)]

    def solver(heard, rng):
        problem = int(re.findall(r"Problem (\d+)", heard)[0])
        asked = heard.rsplit("user: ", 1)[-1]
        if "JSON list of strings" in asked:
            return json.dumps([f"idea{i}" for i in range(8)])
        ideas = re.findall(r"idea(\d)", asked)
        if "Write in plain words" in asked:
            return f"use idea{rng.choice(ideas) if ideas else 0}"
        own = ideas[-1] if ideas else str(rng.choice(8, p=[0.93] + [0.01] * 7))
        return "right" if own == str(problem % 8) else "wrong"

    def at_k(rows, k):
        counts = rows.group_by("prompt_id").agg(
            pl.len().alias("n"), (pl.col("text") == "right").sum().alias("c")
        )
        return float(np.mean(pass_at_k(counts["n"].to_numpy(), counts["c"].to_numpy(), k=k)))

    way = PlanSearch(observations=8, layers=1, size=1, criticise=False, pseudocode=False)
    planned = way.collect(arm(solver), problems, n=9).frame
    each = Direct().collect(arm(solver), problems, n=1).frame
    spent = planned["cost"].sum() / len(problems)
    one = float((each["prompt_tokens"] + each["completion_tokens"]).mean())
    k = int(spent // one)
    assert k > 40  # what the planning costs buys that many plain draws
    repeated = Direct().collect(arm(solver), problems, n=k).frame
    assert at_k(planned, 9) == 1.0
    assert at_k(repeated, k) < 0.9


# Row 18: language of thought ----------------------------------------------------------------------


def thinking(heard, rng):
    """A model that thinks of other things in other languages, and never closes in one."""
    by_language = {"Gut": ["Birne", "Quitte"], "Bon": ["poire", "pomme"], "Okay": ["apple"]}
    [opener] = re.findall(r"<think>\n(\w+)", heard)
    if "</think>" in heard:
        return re.findall(r"thought (\w+)", heard)[-1]
    closing = "" if opener == "Okej" else "</think> so it is"
    return f"thought {rng.choice(by_language.get(opener, ['x']))}{closing}"


def test_row_18_a_mix_of_one_language_is_that_language():
    german = LanguageOfThought(languages=("de",)).collect(arm(thinking), ASK, n=12).frame
    mixed = LanguageOfThought(languages=("de", "en")).collect(arm(thinking), ASK, n=24).frame
    assert set(german["stratum"]) == {"de"}
    of_mix = mixed.filter(pl.col("stratum") == "de")
    assert of_mix["text"].to_list() == german["text"].to_list()


def test_row_18_other_languages_give_more_classes_and_the_dropped_are_counted():
    def classes(*codes):
        rows = LanguageOfThought(languages=codes).collect(arm(thinking), ASK, n=12).frame
        return rows.filter(pl.col("finish") == "stop")["text"].n_unique(), rows

    assert classes("en")[0] == 1
    assert classes("de")[0] == 2
    found, rows = classes("en", "de", "fr", "sv")
    assert found == 5
    lost = rows.filter(pl.col("finish") == "error")
    assert set(lost["stratum"]) == {"sv"}
    assert lost.height == 3
    assert rows["reasoning"].drop_nulls().len() >= 3


def test_row_18_a_second_closing_mark_is_dropped_too():
    rows = LanguageOfThought(languages=("en",)).collect(
        arm(lambda heard, rng: "a</think>b</think>c"), ASK, n=2
    )
    assert rows.frame["finish"].to_list() == ["error"] * 2
    with pytest.raises(UnknownName):
        LanguageOfThought(languages=("xx",))


def test_roles_and_openings_take_turns():
    def speaker(heard, rng):
        role = re.findall(r"You are (\w+)", heard)
        return role[0] if role else "indeed"

    rows = Roles(roles=("Ann", "Bob")).collect(arm(speaker), ASK, n=5).frame
    assert rows["role"].to_list() == rows["text"].to_list() == ["Ann", "Bob"] * 2 + ["Ann"]
    rows = Openings(openings=("Well,", "")).collect(arm(speaker), ASK, n=3).frame
    assert rows["text"].to_list() == ["Well, indeed", "indeed", "Well, indeed"]
    one = Arm(name="a", model=UniformModel(branching=9, length=6))
    plain = Openings(openings=("",)).collect(one, ASK, n=3).frame["text"].to_list()
    assert len(set(plain)) == 3


# Row 43: facts ------------------------------------------------------------------------------------


def test_row_43_variety_asked_for_moves_away_from_the_truth_and_facts_bring_it_back():
    """Who signed it? Mostly A, sometimes B; asked for variety the model makes it even."""
    truth = np.array([0.9, 0.1, 0.0, 0.0])
    names = list("ABCD")

    def rule(heard, rng):
        if "90 % A" in heard:
            return rng.choice(names, p=truth)
        even = "different backgrounds" in heard
        return rng.choice(names, p=[0.25] * 4 if even else [1.0, 0.0, 0.0, 0.0])

    diverse = "Show people of different backgrounds."
    asked = {
        "plain": Direct(),
        "diverse": Direct(instruction=diverse),
        "facts": WithFacts(lookup=lambda _: "90 % A, 10 % B.", instruction=diverse),
    }
    p = {k: shares(way.collect(arm(rule), ASK, n=2000).frame, names) for k, way in asked.items()}
    distance = {k: float(total_variation(q, truth)) for k, q in p.items()}
    entropy = {k: float(-(q[q > 0] * np.log(q[q > 0])).sum()) for k, q in p.items()}
    assert entropy["diverse"] > entropy["facts"] > entropy["plain"]
    assert distance["diverse"] > distance["plain"] > distance["facts"]
    assert distance["facts"] < 0.03
    assert total_variation(truth, truth) == 0


# Row 31: DIVERGE ----------------------------------------------------------------------------------


def unit(rng, n, d=6):
    x = rng.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@given(st.integers(0, 2**32), st.floats(0, 1))
@settings(deadline=None, max_examples=40)
def test_row_31_without_history_the_reranking_is_mmr(seed, alpha):
    rng = np.random.default_rng(seed)
    features, relevance = unit(rng, 9), rng.random(9)
    chosen: list[int] = []
    for _ in range(5):
        rest = [i for i in range(9) if i not in chosen]
        worth = [alpha * relevance[i] - (1 - alpha) * max(
            [features[i] @ features[j] for j in chosen], default=0.0) for i in rest]  # fmt: skip
        chosen.append(rest[int(np.round(worth, 12).argmax())])
    past = unit(rng, 3)
    for extra in ({"beta": 0.0, "earlier": past}, {"beta": 0.7}):
        found = mmr(features, relevance, 5, alpha=alpha, **extra)
        assert found.tolist() == chosen


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_row_31_relevance_alone_is_the_top_k_and_history_pushes_away(seed):
    rng = np.random.default_rng(seed)
    features, relevance = unit(rng, 9), rng.random(9)
    top = np.argsort(-relevance, kind="stable")[:4]
    assert mmr(features, relevance, 4, alpha=1).tolist() == top.tolist()
    best = int(top[0])
    pushed = mmr(features, relevance, 1, alpha=1, beta=50, earlier=features[[best]])
    assert pushed[0] == np.argmin(features @ features[best] - relevance / 50)


def test_row_31_planted_views_are_covered_at_equal_quality():
    views = ["cost", "noise", "safety", "speed"]
    documents = Documents([f"A passage about {v}, number {i}." for v in views for i in range(3)])

    def rule(heard, rng):
        if '"view"' in heard:
            known = heard.split("taken so far", 1)[1]
            new = next((v for v in views if v not in known.split("Propose")[0]), "cost")
            return json.dumps({"view": new, "query": f"passage about {new}"})
        if "numbered list" in heard:
            return "1. " + re.findall(r"about (\w+)", heard)[0]
        asked = re.findall(r"point of view: (\w+)", heard)
        draft = re.findall(r"It is about (\w+)\.", heard)
        return f"It is about {(asked or draft or ['cost'])[0]}."

    prompt = [Prompt(prompt="What is wrong with trains?")]
    looped = ViewByView(retriever=documents).collect(arm(rule), prompt, n=4).frame
    direct = Direct().collect(arm(rule), prompt, n=4).frame
    assert direct["text"].n_unique() == 1
    assert looped["text"].n_unique() == 4
    assert looped["stratum"].to_list() == [None, "noise", "safety", "speed"]
    assert (looped["finish"] == "stop").all()


def test_documents_are_found_by_meaning_and_not_twice():
    documents = Documents(["Cats purr.", "Taxes are due.", "Cats purr.", ""])
    assert documents.texts == ["Cats purr.", "Taxes are due."]
    both = documents.search("taxes", k=2, history=[])
    assert both == ["Taxes are due.", "Cats purr."]
    away = documents.search("taxes", k=1, history=["Taxes are due."], alpha=0.1, beta=5)
    assert away == ["Cats purr."]
    with pytest.raises(UsageError):
        Documents(["", " "])


# Row 211: LINK ------------------------------------------------------------------------------------

TRUE = {"cat": -2.0, "horse": -4.0, "okapi": -9.0, "numbat": -12.0}
FALSE = {"teapot": -15.0, "cloud": -20.0}


def naturalist(heard, rng):
    if "stands for" in heard:
        return "\n".join(f"{i}. {x}" for i, x in enumerate([*TRUE, *FALSE], start=1))
    return "yes" if any(animal in heard for animal in TRUE) else "no"


def likelihood(texts):
    return [next((p for k, p in (TRUE | FALSE).items() if k in text), 0.0) for text in texts]


def test_row_211_without_the_gate_the_rarest_is_nonsense():
    ask = [Prompt(prompt="The {animal} is an animal.")]
    slots = {"animal": "an animal"}

    def found(**options):
        way = LongTail(slots=slots, likelihood=likelihood, **options)
        return way.collect(arm(naturalist), ask, n=2).frame

    rare = found()
    assert rare["text"].to_list() == ["The numbat is an animal.", "The okapi is an animal."]
    assert rare["quality"].to_list() == [1.0, 1.0]
    assert rare["logprob"].to_list() == [-12.0, -9.0]
    assert found(threshold=0.0)["text"].to_list() == [
        "The cloud is an animal.", "The teapot is an animal.",
    ]  # fmt: skip
    common = found(end="head")
    assert common["text"][0] == "The cat is an animal."
    # Rarer at equal validity.
    assert rare["logprob"].max() < common["logprob"].min()
    assert rare["quality"].mean() == common["quality"].mean()


def test_row_211_an_unreadable_verdict_never_passes_and_a_missing_slot_is_refused():
    assert rank_by_rarity([-1.0, -2.0], [np.nan, 0.9]).tolist() == [1]
    assert rank_by_rarity([], []).tolist() == []
    way = LongTail(slots={"animal": "an animal"}, likelihood=likelihood)
    with pytest.raises(UsageError, match="slot"):
        way.collect(arm(naturalist), ASK, n=1)
    with pytest.raises(UnknownName):
        rank_by_rarity([-1.0], [1.0], end="middle")
    judges = {"numbat": 0.9, "okapi": "sure", "cat": 1.5, "horse": None}

    def loose(statement):
        return next((said for animal, said in judges.items() if animal in statement), float("nan"))

    odd = LongTail(slots={"animal": "an animal"}, likelihood=likelihood, verifier=loose)
    rows = odd.collect(arm(naturalist), [Prompt(prompt="The {animal} is an animal.")], n=2).frame
    assert rows["text"].to_list() == ["The numbat is an animal.", ""]
    chatty = arm(lambda heard, rng: naturalist(heard, rng) + " or so" * ("true?" in heard))
    rows = way.collect(chatty, [Prompt(prompt="The {animal} is an animal.")], n=2).frame
    assert rows["finish"].to_list() == ["error"] * 2
