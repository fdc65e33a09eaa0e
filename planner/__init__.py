"""planner: which open-weight language model runs on which machine, how, and how fast."""
