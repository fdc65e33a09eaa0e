#!/bin/sh
# Fetches what the target machine needs. Run it where there is network, then copy this folder over.
# Needs the hub's client: pip install -U huggingface_hub
set -eu
cd "$(dirname "$0")"

# openai/gpt-oss-20b: MXFP4 for llama.cpp
hf download ggml-org/gpt-oss-20b-GGUF --include '*mxfp4*.gguf' --local-dir models/gpt-oss-20b

python -m pip download open-weight-planner --dest packages/planner || true
