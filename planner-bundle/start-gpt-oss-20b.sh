#!/bin/sh
# Starts the model from this bundle, without network.
set -eu
cd "$(dirname "$0")"
export HF_HUB_OFFLINE=1
MODEL=$(find "models/gpt-oss-20b" -name "*.gguf" ! -name "mmproj*" | sort | head -n 1)
test -n "$MODEL" || { echo "no GGUF file in this bundle: run fetch.sh first" >&2; exit 1; }
llama-server -m "$MODEL" -c 131072 -np 1 -ngl 0 -t 2 -dev none -fit off
