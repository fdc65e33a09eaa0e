"""How errors look to a program: PlannerError and its kinds, one line each that says how to mend it."""

import planner

for model, profile in (
    ("gpt-oss-20", "rtx-4090"),
    ("gpt-oss-20b", "rtx-409"),
    ("./nothing.gguf", "rtx-4090"),
):
    try:
        planner.plan(model, profile)
    except planner.InputError as error:
        print(error)

plan = planner.plan("deepseek-r1", "rtx-4090")  # what doesn't fit is an answer, not an error
print(plan.fits, plan.why[0])
