"""Losses: values where they are known, and gradients against exact ones on a bandit."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from variegate.divergences import generator  # noqa: E402
from variegate.errors import UnknownName, UsageError  # noqa: E402
from variegate.objectives import (  # noqa: E402
    dpo_loss,
    kl_penalty,
    optimum,
    policy_gradient_loss,
)

DIVERGENCES = ["reverse-kl", "forward-kl", "js", "alpha", "hellinger"]
POLICY = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
REFERENCE = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)


def gradient(loss, parameter):
    (found,) = torch.autograd.grad(loss, parameter)
    return found


def expected_gradient(estimator):
    """Of the penalty over answers drawn from the policy, with the draw held fixed."""
    logits = POLICY.log().requires_grad_()
    terms = kl_penalty(logits.log_softmax(0), REFERENCE.log(), estimator=estimator)
    return gradient((POLICY * terms).sum(), logits)


def test_what_each_kl_estimator_really_follows():
    logits = POLICY.log().requires_grad_()
    p = logits.softmax(0)
    reverse = gradient((p * (p / REFERENCE).log()).sum(), logits)
    forward = gradient((REFERENCE * (REFERENCE / logits.softmax(0)).log()).sum(), logits)
    torch.testing.assert_close(expected_gradient("k1"), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(expected_gradient("k2"), reverse)
    torch.testing.assert_close(expected_gradient("k3"), forward)
    torch.testing.assert_close(expected_gradient("k3+"), reverse)
    np.testing.assert_allclose(forward, [-0.1, 0.0, 0.1], atol=1e-9)
    np.testing.assert_allclose(reverse, [-0.114895, -0.014241, 0.129136], atol=1e-6)


def test_k3_plus_has_the_value_of_k3():
    logp, ref = torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -1.0])
    torch.testing.assert_close(
        kl_penalty(logp, ref, estimator="k3+"), kl_penalty(logp, ref, estimator="k3")
    )
    with pytest.raises(UnknownName, match="k4"):
        kl_penalty(logp, ref, estimator="k4")


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_dpo_is_ln_2_at_the_reference(divergence):
    logp = torch.tensor([-3.0, -50.0, -700.0])
    loss = dpo_loss(logp, logp - 1, logp, logp - 1, divergence=divergence)
    assert loss.item() == pytest.approx(np.log(2))


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_dpo_scores_are_the_slopes_of_the_generator(divergence):
    u = torch.tensor([0.3, 0.8, 1.7], dtype=torch.float64)
    zero = torch.zeros(3, dtype=torch.float64)
    slopes = generator(divergence).derivative(u.numpy()) - generator(divergence).derivative(1.0)
    for i in range(3):
        found = dpo_loss(u[i : i + 1].log(), zero[:1], zero[:1], zero[:1], beta=1.0,
                         divergence=divergence)  # fmt: skip
        assert found.item() == pytest.approx(np.log1p(np.exp(-slopes[i])))


def test_alpha_ends_are_reverse_and_forward():
    torch.manual_seed(0)
    chosen, rejected = torch.randn(5).double(), torch.randn(5).double()
    zero = torch.zeros(5, dtype=torch.float64)

    def loss(**how):
        return dpo_loss(chosen, rejected, zero, zero, beta=0.5, **how).item()

    assert loss(divergence="alpha", alpha=0.0) == loss(divergence="reverse-kl")
    assert loss(divergence="alpha", alpha=1e-7) == pytest.approx(loss(divergence="reverse-kl"))
    assert loss(divergence="alpha", alpha=1.0) == pytest.approx(loss(divergence="forward-kl"))


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("shift", [-500.0, 500.0])
def test_whole_answers_may_drift_far_without_nan(divergence, shift):
    chosen = torch.tensor([shift], requires_grad=True)
    zero = torch.zeros(1)
    loss = dpo_loss(chosen, zero, zero, zero, divergence=divergence)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(chosen.grad).all()


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_training_on_true_preferences_reaches_the_closed_form(divergence):
    """Every ordered pair of arms, weighted by a Bradley-Terry judge of the rewards."""
    rewards, beta = torch.tensor([1.0, 0.4, 0.0], dtype=torch.float64), 0.5
    logits = REFERENCE.log().clone().requires_grad_()
    descent = torch.optim.LBFGS(
        [logits], max_iter=300, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]

    def closure():
        descent.zero_grad()
        logp, ref = logits.log_softmax(0), REFERENCE.log()
        loss = sum(
            torch.sigmoid(rewards[i] - rewards[j])
            * dpo_loss(logp[[i]], logp[[j]], ref[[i]], ref[[j]], beta=beta, divergence=divergence)
            for i, j in pairs
        )
        loss.backward()
        return loss

    descent.step(closure)
    best = optimum(REFERENCE.numpy(), rewards.numpy(), beta=beta, divergence=divergence)
    np.testing.assert_allclose(logits.softmax(0).detach(), best.policy, atol=2e-4)


def test_divergences_without_a_preference_loss_say_so():
    zero = torch.zeros(1)
    for name in ("chi2", "total-variation"):
        with pytest.raises(UsageError, match="does not define"):
            dpo_loss(zero, zero, zero, zero, divergence=name)
    with pytest.raises(UnknownName, match="kl"):
        dpo_loss(zero, zero, zero, zero, divergence="kl")
    with pytest.raises(UsageError, match="alpha"):
        dpo_loss(zero, zero, zero, zero, divergence="alpha", alpha=2)


def batch():
    logp = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    return logp, torch.zeros(2, 4, dtype=torch.float64), torch.tensor([1.0, -1.0]).double(), mask


@pytest.mark.parametrize(
    ("aggregate", "weights"),
    [("tokens", (1 / 6, 1 / 6)), ("answers", (1 / 8, 1 / 4)), ("length", (1 / 20, 1 / 20))],
)
def test_first_step_is_minus_advantage_times_gradient(aggregate, weights):
    logp, old, advantages, mask = batch()
    loss = policy_gradient_loss(logp, old, advantages, mask, aggregate=aggregate, max_length=10)
    found = gradient(loss, logp)
    expected = torch.stack([-weights[0] * mask[0], weights[1] * mask[1]]).double()
    torch.testing.assert_close(found, expected)


def test_clipping_stops_the_gradient_on_the_side_it_should():
    old = torch.zeros(1, 2, dtype=torch.float64)
    mask = torch.ones(1, 2)
    for advantage, ratios, expected in [
        (1.0, [1.25, 0.5], [0.0, -0.25]),  # above 1 + 0.2 nothing more to gain
        (-1.0, [1.25, 0.5], [0.625, 0.0]),  # below 1 - 0.2 nothing more to lose
    ]:
        logp = torch.tensor([ratios], dtype=torch.float64).log().requires_grad_()
        loss = policy_gradient_loss(logp, old, torch.tensor([advantage]).double(), mask)
        np.testing.assert_allclose(gradient(loss, logp)[0], expected)
    logp = torch.tensor([[1.25, 0.5]], dtype=torch.float64).log().requires_grad_()
    loss = policy_gradient_loss(logp, old, torch.ones(1).double(), mask, clip_high=0.28)
    np.testing.assert_allclose(gradient(loss, logp)[0], [-0.625, -0.25])


def test_token_weights_fold_into_the_advantage():
    """A detached weight w ≥ 0 on a token's loss is the same as w times its advantage."""
    torch.manual_seed(0)
    logp = (0.3 * torch.randn(2, 4)).double()
    _, old, advantages, mask = batch()
    weights = torch.rand(2, 4).double()
    folded = policy_gradient_loss(logp, old, advantages[:, None] * weights, mask)
    ratio = logp.exp()
    a = advantages[:, None]
    tokens = -torch.minimum(ratio * a, ratio.clamp(0.8, 1.2) * a) * weights * mask
    torch.testing.assert_close(folded, tokens.sum() / mask.sum())


def test_padding_may_hold_anything_and_a_penalty_is_added():
    logp, old, advantages, mask = batch()
    dirty = torch.where(mask > 0, logp.detach(), torch.tensor(float("-inf")).double())
    dirty = dirty.requires_grad_()
    loss = policy_gradient_loss(dirty, old, advantages, mask)
    assert loss.item() == pytest.approx((-4 + 2) / 6)
    assert torch.isfinite(gradient(loss, dirty)).all()
    penalty = torch.full((2, 4), 0.5).double()
    more = policy_gradient_loss(logp, old, advantages, mask, penalty=penalty)
    assert more.item() == pytest.approx((-4 + 2) / 6 + 0.5)


def test_shapes_and_names_are_checked():
    logp, old, advantages, mask = batch()
    with pytest.raises(UsageError, match=r"\(2, 4\), \(2, 3\)"):
        policy_gradient_loss(logp, old[:, :3], advantages, mask)
    with pytest.raises(UnknownName, match="mean"):
        policy_gradient_loss(logp, old, advantages, mask, aggregate="mean")
