"""Decoding: rules on the next token's probabilities, one pure function each.

Every rule takes log-probabilities in nats, (..., V), as a numpy array or a torch tensor, and
gives back the same kind in float64: dropped tokens are -inf, the rest is renormalised. A setting
that changes nothing gives back the array itself.

**Order.** Temperature comes first, then top-k, top-p, min-p, then the other rules, as in
transformers; only top-k keeps the same tokens in any order. **Ties.** Rules with a threshold
(top-k, min-p, epsilon, eta, typical) keep or drop equals together; rules with a budget (top-p,
top-H) take equals by the lowest id. What lies at a threshold to within rounding stays.

`rule` makes a rule data (a name and its settings) for `Sampling(rules=...)`, and `rules` lists
them with ranges and the access each needs. `contrast`, `steer`, `uscd`, `kl_temperature` and
`mixture` combine several contexts. Whole sequences have a room of their own: `sequences` draws sets
that know of each other and writes with two contexts at once. `adapters` hands rules to
transformers, vLLM and endpoints.
"""

from variegate.decoding import adapters, sequences
from variegate.decoding._cascade import Cascade, cascade_threshold
from variegate.decoding._combine import contrast, kl_temperature, mixture, steer, uscd
from variegate.decoding._likelihood_utility import LikelihoodUtility, likelihood_utility
from variegate.decoding._rule import Parameter, RuleEntry, TokenRule, apply, rule, rules
from variegate.decoding._suppress import suppress, suppression
from variegate.decoding._temperature import entropy, entropy_temperature, temperature
from variegate.decoding._top_h import top_h
from variegate.decoding._truncation import epsilon, eta, min_p, top_k, top_p, typical
from variegate.decoding.sequences import arithmetic_codes

__all__ = [
    "temperature",
    "entropy_temperature",
    "entropy",
    "top_k",
    "top_p",
    "min_p",
    "typical",
    "epsilon",
    "eta",
    "top_h",
    "suppress",
    "suppression",
    "kl_temperature",
    "contrast",
    "steer",
    "uscd",
    "mixture",
    "rule",
    "rules",
    "apply",
    "TokenRule",
    "RuleEntry",
    "Parameter",
    "sequences",
    "arithmetic_codes",
    "adapters",
    "likelihood_utility",
    "LikelihoodUtility",
    "cascade_threshold",
    "Cascade",
]
