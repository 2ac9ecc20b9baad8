"""How much do the texts repeat each other, word by word; and how long are they."""

from variegate.metrics.texts._compression import compression_ratio
from variegate.metrics.texts._distinct import distinct_n, ead, ngram_diversity
from variegate.metrics.texts._edit import edit_diversity
from variegate.metrics.texts._homogenisation import (
    Overlap,
    homogenisation,
    homogenisation_of_tokens,
)
from variegate.metrics.texts._length import common_length, mean_length, truncated
from variegate.metrics.texts._lexical import hdd, maas, mattr, mtld
from variegate.metrics.texts._self_bleu import self_bleu
from variegate.metrics.texts._self_repetition import self_repetition
from variegate.metrics.texts._words import words

__all__ = [
    "ead",
    "distinct_n",
    "ngram_diversity",
    "self_bleu",
    "self_repetition",
    "homogenisation",
    "homogenisation_of_tokens",
    "Overlap",
    "edit_diversity",
    "compression_ratio",
    "mtld",
    "hdd",
    "mattr",
    "maas",
    "mean_length",
    "common_length",
    "truncated",
    "words",
]
