"""Make the two files of the quickstart: what two stages of the lab said, judged.

`python docs/data/make.py` takes a few seconds; the same seed gives the same files.
"""

from __future__ import annotations

from pathlib import Path

from variegate.judging import judge
from variegate.lab import lab_lineage
from variegate.lineage import Lineage
from variegate.models import Arm, collect, transformers_model
from variegate.samples import Samples, read_prompts

HERE = Path(__file__).resolve().parent
STAGES = {"sft": "instruct-sft", "dpo": "instruct-dpo"}
PROMPTS_PER_TASK = 6
COLUMNS = ("task", "prompt_id", "prompt", "sample", "text", "finish", "correct", "answer")


def main() -> None:
    """Ask both stages the same prompts and write one row an output."""
    lineage = Lineage.read(lab_lineage())
    taken: dict[str, int] = {}
    prompts = []
    for prompt in read_prompts(lineage.prompts):
        taken[prompt.task] = taken.get(prompt.task, 0) + 1
        if taken[prompt.task] <= PROMPTS_PER_TASK:
            prompts.append(prompt)
    for name, stage in STAGES.items():
        model = transformers_model(lineage.stage(stage).model)
        arm = Arm(name=name, model=model, format="chat", sampling=lineage.sampling)
        said = judge(collect(arm, prompts, n=16, seed=0), prompts)
        Samples.from_frame(said.frame).frame.select(COLUMNS).write_ndjson(HERE / f"{name}.jsonl")


if __name__ == "__main__":
    main()
