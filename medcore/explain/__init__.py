"""Why a model says what it says, and how far that explanation can be trusted."""

from medcore.explain.background import make_background
from medcore.explain.reactions import missing_value_gains, most_useful_missing, sweep_response
from medcore.explain.scores import Background, FieldwiseScore, Score
from medcore.explain.shapley import RowExplainer, ShapleyEstimate, TableExplainer
from medcore.explain.stability import top_field_stability
from medcore.explain.tabular import Explainer

__all__ = [
    "Background",
    "Explainer",
    "FieldwiseScore",
    "RowExplainer",
    "Score",
    "ShapleyEstimate",
    "TableExplainer",
    "make_background",
    "missing_value_gains",
    "most_useful_missing",
    "sweep_response",
    "top_field_stability",
]
