"""The page and the terminal: where the numbers are read.

`render` writes a trace as one HTML file, `render_measurement` does the same for plain arms and
`render_front` for methods at equal cost; `terminal`, `front_terminal`, `measurement_table`,
`comparison_table` and `likeness_table` answer on one screen. Every picture is SVG from a small
pure function, one chart a file; words, tables and pictures are put together by the templates in
`page/`. Whatever a model wrote is shown as text and as nothing else.
"""

from variegate.report._front_page import render_front
from variegate.report._front_terminal import front_terminal
from variegate.report._measurement_page import render_measurement
from variegate.report._tables import comparison_table, likeness_table, measurement_table
from variegate.report._terminal import terminal
from variegate.report._trace_page import render

__all__ = [
    "render",
    "terminal",
    "render_measurement",
    "render_front",
    "front_terminal",
    "measurement_table",
    "comparison_table",
    "likeness_table",
]
