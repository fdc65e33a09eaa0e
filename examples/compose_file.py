"""Write a compose file with a memory budget that holds: `compose_file.py gpt-oss-20b rtx-4090 service`."""

import sys
from pathlib import Path

import planner

model = planner.load_model(sys.argv[1] if len(sys.argv) > 1 else "gpt-oss-20b")
machine = planner.load_profile(sys.argv[2] if len(sys.argv) > 2 else "rtx-4090")
folder = Path(sys.argv[3]) if len(sys.argv) > 3 else None

plan = planner.plan(model, machine, planner.Workload(context=32768))
launch = planner.launch(plan, model, format="compose")
for name, content in launch.files:
    if folder is None:
        print(content)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
        print(f"wrote {folder / name}")
print(launch.command)
