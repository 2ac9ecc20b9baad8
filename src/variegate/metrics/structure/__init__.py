"""What a spread goes along with: groups of outputs, attributes, drift, other models.

Variety is a spread; these say what carries it. Between prompts or within them
(`neural_collapse`), along an attribute (`distance_correlation`, `smile`), shared by two sources or
only had from both (`partial_information`), away from a reference (`student_distance`), into one
confusion that eats a class (`confusion_norm`), or common to models that look different
(`transfer_rate`).
"""

from variegate.metrics.structure._collapse import NeuralCollapse, neural_collapse
from variegate.metrics.structure._confusion import confusion_norm
from variegate.metrics.structure._dependence import distance_correlation
from variegate.metrics.structure._drift import student_distance
from variegate.metrics.structure._information import (
    PartialInformation,
    mutual_information,
    partial_information,
)
from variegate.metrics.structure._smile import smile
from variegate.metrics.structure._transfer import transfer_rate

__all__ = [
    "neural_collapse",
    "NeuralCollapse",
    "distance_correlation",
    "smile",
    "mutual_information",
    "partial_information",
    "PartialInformation",
    "student_distance",
    "confusion_norm",
    "transfer_rate",
]
